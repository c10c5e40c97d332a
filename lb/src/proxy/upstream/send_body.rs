//! The request body on its way out, watched for progress.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

/// How far a request body has got, shared between the connection that sends it and the exchange
/// that waits for the answer. Bodies that are empty from the start have none.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Counts frames; the highest bit marks the end.
    frames: AtomicU32,
}

const ENDED: u32 = 1 << 31;

impl Progress {
    /// Whether the whole body has been handed to the connection.
    pub(super) fn has_ended(&self) -> bool {
        self.frames.load(Ordering::Acquire) & ENDED != 0
    }

    /// A number that changes whenever the body has moved on.
    pub(super) fn mark(&self) -> u32 {
        self.frames.load(Ordering::Acquire)
    }

    fn step(&self) {
        let frames = self.frames.load(Ordering::Relaxed);
        // Wraps below the mark of the end: only change matters.
        let next = (frames & !ENDED).wrapping_add(1) & !ENDED;
        self.frames.store(next | (frames & ENDED), Ordering::Release);
    }

    fn end(&self) {
        self.frames.fetch_or(ENDED, Ordering::AcqRel);
    }
}

pin_project! {
    /// A request body that reports its progress.
    pub(super) struct SendBody<B> {
        #[pin]
        body: B,
        progress: Option<Arc<Progress>>,
    }
}

impl<B: Body> SendBody<B> {
    pub(super) fn new(body: B) -> Self {
        let progress = (!body.is_end_stream()).then(Arc::default);
        Self { body, progress }
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    pub(super) fn into_inner(self) -> B {
        self.body
    }
}

impl<B> Body for SendBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let polled = this.body.as_mut().poll_frame(cx);
        if let (Poll::Ready(frame), Some(progress)) = (&polled, &this.progress) {
            progress.step();
            let last = match frame {
                Some(Ok(frame)) => frame.is_trailers() || this.body.is_end_stream(),
                Some(Err(_)) | None => true,
            };
            if last {
                progress.end();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
