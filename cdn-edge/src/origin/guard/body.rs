use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::layer::Asking;
use crate::origin::breaker::Outcome;
use crate::origin::cap::Place;
use crate::origin::rule::{Rule, on};
use crate::origin::{BoxError, OriginError};

pin_project! {
    /// A response body that holds its fill's place until it ends, and reports if it breaks off.
    ///
    /// The place goes at the first of: the last frame, the end of the stream, an error, the drop.
    pub struct GuardedBody<B> {
        #[pin]
        body: B,
        held: Option<(Asking, Place)>,
    }
}

impl<B: Body> GuardedBody<B> {
    pub(super) fn new(body: B, asking: Asking, place: Place) -> Self {
        // An empty body is over before anybody polls it.
        let held = (!body.is_end_stream()).then_some((asking, place));
        Self { body, held }
    }

    /// The body inside.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.body
    }
}

impl<B> Body for GuardedBody<B>
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
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let frame = frame.map(|frame| frame.map_err(OriginError::of_body));
        // Who has read the announced length never polls again, so the end must be noticed with the
        // last frame and not after it.
        if (!matches!(frame, Some(Ok(_))) || this.body.is_end_stream())
            && let Some((mut asking, _place)) = this.held.take()
            && let Some(Err(error)) = &frame
            && error.blames_origin()
            && on(Rule::ReportBody)
        {
            asking.report(Outcome::Failed);
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

impl<B> fmt::Debug for GuardedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedBody").field("ended", &self.held.is_none()).finish_non_exhaustive()
    }
}
