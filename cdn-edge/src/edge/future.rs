use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Response;

use super::body::EdgeBody;

/// The future of [`Edge`](super::Edge).
///
/// A hit is ready at once and costs no box; whatever asks the origin awaits several things in a row and is boxed.
pub struct EdgeFuture<E>(State<E>);

enum State<E> {
    Ready(Option<Response<EdgeBody>>),
    Boxed(BoxFuture<'static, Result<Response<EdgeBody>, E>>),
}

impl<E> EdgeFuture<E> {
    pub(super) fn ready(response: Response<EdgeBody>) -> Self {
        Self(State::Ready(Some(response)))
    }

    pub(super) fn boxed(
        future: impl Future<Output = Result<Response<EdgeBody>, E>> + Send + 'static,
    ) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }
}

// Nothing in it is pinned: the box is.
impl<E> Unpin for EdgeFuture<E> {}

impl<E> Future for EdgeFuture<E> {
    type Output = Result<Response<EdgeBody>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Polled again after its end it has nothing left to say.
            State::Ready(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            State::Boxed(future) => future.as_mut().poll(cx),
        }
    }
}

impl<E> fmt::Debug for EdgeFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeFuture").finish_non_exhaustive()
    }
}
