use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

use super::error::BoxError;
use super::multipart::Multipart;
use crate::content::Cursor;
use crate::telemetry::{Meter, Telemetry};

/// The body of a response from the edge.
pub struct EdgeBody(Kind);

enum Kind {
    Bytes(Bytes),
    Stored(Cursor),
    Parts(Box<Multipart>),
    Passed(UnsyncBoxBody<Bytes, BoxError>, Meter),
    /// Of unknown length, so that it is counted as it goes.
    Counted(Box<(Cursor, Arc<Telemetry>)>),
}

impl EdgeBody {
    pub(crate) fn empty() -> Self {
        Self(Kind::Bytes(Bytes::new()))
    }

    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Bytes(bytes.into()))
    }

    pub(crate) fn stored(cursor: Cursor) -> Self {
        Self(Kind::Stored(cursor))
    }

    pub(crate) fn parts(parts: Multipart) -> Self {
        Self(Kind::Parts(Box::new(parts)))
    }

    pub(crate) fn passed(body: UnsyncBoxBody<Bytes, BoxError>, meter: Meter) -> Self {
        Self(Kind::Passed(body, meter))
    }

    /// Counts a stored body as it goes.
    pub(crate) fn count(&mut self, telemetry: &Arc<Telemetry>) {
        self.0 = match std::mem::replace(&mut self.0, Kind::Bytes(Bytes::new())) {
            Kind::Stored(cursor) => Kind::Counted(Box::new((cursor, Arc::clone(telemetry)))),
            other => other,
        };
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stored(cursor) => {
                let frame = ready!(Pin::new(cursor).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Kind::Parts(parts) => Pin::new(parts.as_mut()).poll_frame(cx),
            Kind::Passed(body, meter) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                meter.passed(length(frame.as_ref()));
                Poll::Ready(frame)
            }
            Kind::Counted(counted) => {
                let (cursor, telemetry) = &mut **counted;
                let frame = ready!(Pin::new(cursor).poll_frame(cx));
                telemetry.served(length(frame.as_ref()) as u64);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Stored(cursor) => cursor.is_end_stream(),
            Kind::Parts(parts) => parts.is_end_stream(),
            Kind::Passed(body, _) => body.is_end_stream(),
            Kind::Counted(counted) => counted.0.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stored(cursor) => cursor.size_hint(),
            Kind::Parts(parts) => parts.size_hint(),
            Kind::Passed(body, _) => body.size_hint(),
            Kind::Counted(counted) => counted.0.size_hint(),
        }
    }
}

/// Bytes of a frame, if it has come and holds data.
fn length<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> usize {
    frame.and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len)
}

impl<T: Into<Bytes>> From<T> for EdgeBody {
    fn from(bytes: T) -> Self {
        Self::bytes(bytes)
    }
}

impl Default for EdgeBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for EdgeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Bytes(_) => "bytes",
            Kind::Stored(_) => "stored",
            Kind::Parts(_) => "parts",
            Kind::Passed(..) => "passed",
            Kind::Counted(_) => "counted",
        };
        f.debug_struct("EdgeBody").field("kind", &kind).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The body of a request to the origin: the client's, or none.
    ///
    /// A GET goes on without its body: the answer would be stored for everybody, and nothing of the body is
    /// in the key ("fat GET").
    #[derive(Debug)]
    pub struct OriginBody<B> {
        #[pin]
        body: Option<B>,
    }
}

impl<B> OriginBody<B> {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self { body: None }
    }

    /// The client's.
    #[must_use]
    pub fn client(body: B) -> Self {
        Self { body: Some(body) }
    }
}

/// None: what a second origin is asked with, when the first has failed.
impl<B> Default for OriginBody<B> {
    fn default() -> Self {
        Self::none()
    }
}

impl<B: Body> Body for OriginBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().body.as_pin_mut() {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
