use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::{Deadline, TimedBody};
use super::settings::Phases;
use crate::origin::{BoxError, OriginError};

pin_project! {
    /// A response, or the error of the phase that took too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the inner call.
    pub struct TimedFuture<F> {
        #[pin]
        inner: F,
        #[pin]
        sleep: Sleep,
        phases: Phases,
        has_body: bool,
        total: Option<Deadline>,
    }
}

impl<F> TimedFuture<F> {
    pub(super) fn new(inner: F, phases: Phases, has_body: bool, now: Instant) -> Self {
        let total = phases.total.map(|limit| Deadline { at: now + limit, limit });
        let first = now + if has_body { phases.upload } else { phases.first_byte };
        let first = total.map_or(first, |total| first.min(total.at));
        Self { inner, sleep: sleep_until(first), phases, has_body, total }
    }
}

impl<F, RB, E> Future for TimedFuture<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Output = Result<Response<TimedBody<RB>>, OriginError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.inner.poll(cx) {
            let (between, total) = (this.phases.between_bytes, *this.total);
            return Poll::Ready(match result {
                Ok(response) => Ok(response.map(|body| TimedBody::new(body, between, total))),
                Err(error) => Err(OriginError::of_call(error)),
            });
        }
        let due = this.sleep.deadline();
        this.sleep.poll(cx).map(|()| match *this.total {
            Some(total) if total.at <= due => Err(OriginError::TotalTimeout(total.limit)),
            _ if *this.has_body => Err(OriginError::UploadTimeout(this.phases.upload)),
            _ => Err(OriginError::FirstByteTimeout(this.phases.first_byte)),
        })
    }
}

impl<F> fmt::Debug for TimedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedFuture").field("phases", &self.phases).finish_non_exhaustive()
    }
}
