use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::layer::Shared;
use super::outgoing::{self, News};
use crate::token::{CausalContext, Token};

pin_project! {
    /// The future of [`CausalService`](super::CausalService).
    pub struct CausalFuture<F> {
        #[pin]
        inner: F,
        shared: Arc<Shared>,
        context: CausalContext,
        came: Option<Token>,
    }
}

impl<F> CausalFuture<F> {
    pub(super) fn new(
        inner: F,
        shared: Arc<Shared>,
        context: CausalContext,
        came: Option<Token>,
    ) -> Self {
        Self { inner, shared, context, came }
    }
}

impl<F, E, ResBody> Future for CausalFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResBody>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let Shared { key, carrier, clock, telemetry } = &**this.shared;
        let age = key.longest_age();
        let headers = response.headers_mut();
        match outgoing::news(this.came.as_ref(), this.context, age, clock()) {
            News::None => {}
            News::Token(token) => {
                telemetry.issued();
                outgoing::write(headers, *carrier, &key.sign(&token), age);
            }
            News::Forget => outgoing::write(headers, *carrier, "", std::time::Duration::ZERO),
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for CausalFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CausalFuture").field("came", &self.came).finish_non_exhaustive()
    }
}
