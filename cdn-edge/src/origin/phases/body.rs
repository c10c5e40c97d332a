use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::origin::{BoxError, OriginError};

/// When the whole is to be over, and the limit that said so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) limit: Duration,
}

pin_project! {
    /// A body whose frames are awaited for a while, and not for ever.
    ///
    /// After an error it is over.
    pub struct TimedBody<B> {
        #[pin]
        body: B,
        between: Duration,
        total: Option<Deadline>,
        // Since when somebody waits for the next frame.
        waiting: Option<Instant>,
        // Made at the first wait, and moved only when it has fired: a body whose frames come in time
        // costs the timer one entry in `between` and not one a frame.
        timer: Option<Pin<Box<Sleep>>>,
        failed: bool,
    }
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, between: Duration, total: Option<Deadline>) -> Self {
        Self { body, between, total, waiting: None, timer: None, failed: false }
    }

    /// The body inside.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.body
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = OriginError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, OriginError>>> {
        let this = self.project();
        if *this.failed {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            *this.waiting = None;
            // A body that never makes anybody wait is bounded as well.
            let late = this.total.filter(|total| frame.is_some() && Instant::now() >= total.at);
            let frame = match (frame, late) {
                (_, Some(total)) => Some(Err(OriginError::TotalTimeout(total.limit))),
                (frame, None) => frame.map(|frame| frame.map_err(OriginError::of_body)),
            };
            *this.failed = matches!(frame, Some(Err(_)));
            return Poll::Ready(frame);
        }
        let since = *this.waiting.get_or_insert_with(Instant::now);
        let between = since + *this.between;
        let due = this.total.map_or(between, |total| between.min(total.at));
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while timer.as_mut().poll(cx).is_ready() {
            // It may have been set for an earlier wait.
            if timer.deadline() < due {
                timer.as_mut().reset(due);
                continue;
            }
            *this.failed = true;
            return Poll::Ready(Some(Err(match *this.total {
                Some(total) if total.at <= between => OriginError::TotalTimeout(total.limit),
                _ => OriginError::BetweenBytesTimeout(*this.between),
            })));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for TimedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedBody").field("failed", &self.failed).finish_non_exhaustive()
    }
}
