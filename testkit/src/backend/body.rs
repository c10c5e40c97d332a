//! Streamed response bodies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// Size of a streamed chunk.
const CHUNK: u64 = 16 * 1024;

/// The byte at `offset` of the generated pattern: its period of 251 is no power of two, so that a
/// lost or repeated block shows.
#[must_use]
pub fn pattern(offset: u64) -> u8 {
    u8::try_from(offset % 251).unwrap_or_default()
}

/// A body of `n` pattern bytes that is never in memory as a whole.
#[derive(Debug)]
pub struct PatternBody {
    offset: u64,
    end: u64,
    trailers: Option<HeaderMap>,
    fail: bool,
    flushed: bool,
    exact: bool,
    pace: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl PatternBody {
    /// So many bytes, with a known length.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self {
            offset: 0,
            end: bytes,
            trailers: None,
            fail: false,
            flushed: false,
            exact: true,
            pace: Duration::ZERO,
            pause: None,
        }
    }

    /// Sends these after the bytes, and keeps the length to itself.
    #[must_use]
    pub fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self.without_length()
    }

    /// Keeps its length to itself.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.exact = false;
        self
    }

    /// Waits so long before each chunk.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Promises all its bytes and fails after the first `bytes` of them.
    #[must_use]
    pub fn failing_after(mut self, bytes: u64) -> Self {
        self.fail = true;
        self.end = self.end.min(bytes);
        self.exact = false;
        self
    }
}

impl Body for PatternBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.offset >= self.end {
            if self.fail && !std::mem::replace(&mut self.flushed, true) {
                // In this pause hyper flushes what it has, the head among it.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.fail {
                return Poll::Ready(Some(Err(std::io::Error::other("cut by the script"))));
            }
            return Poll::Ready(self.trailers.take().map(|map| Ok(Frame::trailers(map))));
        }
        if !self.pace.is_zero() {
            let pace = self.pace;
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pace)));
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let end = self.end.min(self.offset + CHUNK);
        let chunk: Vec<u8> = (self.offset..end).map(pattern).collect();
        self.offset = end;
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.offset >= self.end && self.trailers.is_none() && !self.fail
    }

    fn size_hint(&self) -> SizeHint {
        if self.exact { SizeHint::with_exact(self.end - self.offset) } else { SizeHint::default() }
    }
}

/// Some bytes, a pause in which hyper flushes them and the head, then an error.
pub(super) struct CutBody {
    pub(super) data: Option<Bytes>,
    pub(super) flushed: bool,
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if !std::mem::replace(&mut self.flushed, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::Error::other("cut by the script"))))
    }
}
