//! An HTTP body with an await point before each frame, whose end the probe sees.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::error::ProbeError;
use super::probe::Ledger;

/// A body of scripted frames: Pending once before each, so that a test can stop in between.
///
/// [`ServiceProbe::body`](super::ServiceProbe::body) makes one that is counted while it is open.
#[derive(Debug, Default)]
pub struct ProbeBody {
    frames: VecDeque<Bytes>,
    failure: Option<ProbeError>,
    yielded: bool,
    open: Option<Open>,
}

/// Counts the body out at its end or drop.
#[derive(Debug)]
struct Open(Arc<Ledger>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.body_closed();
    }
}

impl ProbeBody {
    /// A body of these frames that nobody counts: for requests.
    pub fn new<F: Into<Bytes>>(frames: impl IntoIterator<Item = F>) -> Self {
        Self { frames: frames.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    pub(super) fn tracked<F: Into<Bytes>>(
        frames: impl IntoIterator<Item = F>,
        ledger: Arc<Ledger>,
    ) -> Self {
        ledger.body_opened();
        Self { open: Some(Open(ledger)), ..Self::new(frames) }
    }

    /// Ends the body with an error of this text instead of its regular end.
    #[must_use]
    pub fn failing(mut self, message: impl Into<String>) -> Self {
        self.failure = Some(ProbeError::new(message));
        self
    }
}

impl Body for ProbeBody {
    type Data = Bytes;
    type Error = ProbeError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProbeError>>> {
        if self.frames.is_empty() {
            self.open = None;
            return Poll::Ready(self.failure.take().map(Err));
        }
        self.yielded = !self.yielded;
        if self.yielded {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop_front().map(|data| Ok(Frame::data(data))))
    }

    // Never true early: the end must be seen by whoever polls for it.
    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.open.is_none() && self.failure.is_none()
    }
}
