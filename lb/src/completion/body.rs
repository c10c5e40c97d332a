//! A body that carries a lease to its end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::Lease;

pin_project! {
    /// A response body that holds its request's [`Lease`] until it ends.
    ///
    /// The lease goes at the first of: the last frame, the end of the stream, an error, the drop.
    pub struct LeaseBody<B> {
        #[pin]
        body: B,
        lease: Option<Lease>,
    }
}

impl<B: Body> LeaseBody<B> {
    pub(super) fn new(body: B, lease: Lease) -> Self {
        // An empty body is over before anybody polls it.
        let lease = (!body.is_end_stream()).then_some(lease);
        Self { body, lease }
    }

    pub(super) fn untracked(body: B) -> Self {
        Self { body, lease: None }
    }

    /// The body inside.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.body
    }
}

impl<B: Body> Body for LeaseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        // A server that has sent the announced length never polls again, so the end must be
        // noticed with the last frame and not after it.
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            this.lease.take();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for LeaseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseBody").field("lease", &self.lease).finish_non_exhaustive()
    }
}
