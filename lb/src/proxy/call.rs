//! Calling a tower service from where nobody polled it ready.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

pin_project! {
    /// One call of a service: at once if it is ready, else after it has become so.
    #[project = CallProj]
    pub(crate) enum Call<S: Service<Req>, Req> {
        Now { #[pin] response: S::Future },
        Later { #[pin] response: Oneshot<S, Req> },
        Failed { error: Option<S::Error> },
    }
}

impl<S, Req> Call<S, Req>
where
    S: Service<Req> + Clone,
{
    /// Calls the service itself if it is ready, which spares a clone and its drop a request.
    ///
    /// If it is not, the very instance that has begun to wait goes into the future, where it is
    /// polled, and a fresh clone takes its place: a reservation is never left with nobody to use it.
    pub(crate) fn new(service: &mut S, request: Req) -> Self {
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Now { response: service.call(request) },
            Poll::Ready(Err(error)) => Self::Failed { error: Some(error) },
            Poll::Pending => {
                let fresh = service.clone();
                let waiting = std::mem::replace(service, fresh);
                Self::Later { response: Oneshot::new(waiting, request) }
            }
        }
    }
}

impl<S, Req> Future for Call<S, Req>
where
    S: Service<Req>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CallProj::Now { response } => response.poll(cx),
            CallProj::Later { response } => response.poll(cx),
            CallProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}
