use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

use super::error::BoxError;
use super::multipart::Multipart;
use crate::content::Cursor;

/// The body of a response from the edge.
pub struct EdgeBody(Kind);

enum Kind {
    Bytes(Bytes),
    Stored(Cursor),
    Parts(Box<Multipart>),
    Passed(UnsyncBoxBody<Bytes, BoxError>),
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

    pub(crate) fn passed(body: UnsyncBoxBody<Bytes, BoxError>) -> Self {
        Self(Kind::Passed(body))
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
            Kind::Passed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Stored(cursor) => cursor.is_end_stream(),
            Kind::Parts(parts) => parts.is_end_stream(),
            Kind::Passed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stored(cursor) => cursor.size_hint(),
            Kind::Parts(parts) => parts.size_hint(),
            Kind::Passed(body) => body.size_hint(),
        }
    }
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
            Kind::Passed(_) => "passed",
        };
        f.debug_struct("EdgeBody").field("kind", &kind).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The body of a request to the origin: the client's, or none.
    ///
    /// A GET goes on without its body: the answer would be stored for everybody, and nothing of the body is
    /// in the key ("fat GET").
    #[project = OriginBodyProj]
    pub enum OriginBody<B> {
        /// None.
        Empty,
        /// The client's.
        Client {
            #[pin]
            body: B,
        },
    }
}

/// None: what a second origin is asked with, when the first has failed.
impl<B> Default for OriginBody<B> {
    fn default() -> Self {
        Self::Empty
    }
}

impl<B: Body> Body for OriginBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project() {
            OriginBodyProj::Empty => Poll::Ready(None),
            OriginBodyProj::Client { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for OriginBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Client { .. } => "Client",
        })
    }
}
