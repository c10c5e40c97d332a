use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::LayerError;
use crate::error::BoxError;

type Answer<S, Req> = Result<<S as Service<Req>>::Response, LayerError>;

pin_project! {
    /// The future of [`CacheService`](super::CacheService).
    ///
    /// Only a load is boxed: it awaits several things in a row. That is why requests, the inner
    /// service and its future must be `Send`.
    pub struct CacheFuture<S: Service<Req>, Req> {
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Req>, Req> {
        Hit { response: Option<S::Response> },
        Load { answer: BoxFuture<'static, Answer<S, Req>> },
        Past { #[pin] response: Oneshot<S, Req> },
    }
}

impl<S: Service<Req>, Req> CacheFuture<S, Req> {
    pub(super) fn hit(response: S::Response) -> Self {
        Self { state: State::Hit { response: Some(response) } }
    }

    pub(super) fn load(answer: BoxFuture<'static, Answer<S, Req>>) -> Self {
        Self { state: State::Load { answer } }
    }

    pub(super) fn past(inner: S, request: Req) -> Self {
        Self { state: State::Past { response: Oneshot::new(inner, request) } }
    }
}

impl<S, Req> Future for CacheFuture<S, Req>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Output = Answer<S, Req>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            // Polled again after its end it has nothing left to say.
            StateProj::Hit { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            StateProj::Load { answer } => answer.as_mut().poll(cx),
            StateProj::Past { response } => {
                response.poll(cx).map_err(|error| LayerError::Inner(error.into()))
            }
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for CacheFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Hit { .. } => "Hit",
            State::Load { .. } => "Load",
            State::Past { .. } => "Past",
        };
        f.debug_tuple("CacheFuture").field(&state).finish()
    }
}
