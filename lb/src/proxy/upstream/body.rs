//! The response body on its way in.

use super::h1::{H1, is_last};
use super::h2::StreamGuard;
use super::pool::Pool;
use crate::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The body of a response from an [`Upstream`](super::Upstream).
///
/// It carries its connection: reading the body drives it, reading to the end returns it to the
/// pool, and dropping the body early closes it, because bytes that nobody read must not be taken
/// for the next response.
pub struct UpstreamBody<B> {
    incoming: Incoming,
    connection: Carried<B>,
}

enum Carried<B> {
    Nothing,
    H1(Box<H1<B>>, Arc<Pool<B>>),
    H2 { _stream: StreamGuard },
}

impl<B> UpstreamBody<B> {
    /// A body that needs nothing but to be read.
    pub(super) fn detached(incoming: Incoming) -> Self {
        Self { incoming, connection: Carried::Nothing }
    }

    pub(super) fn h1(incoming: Incoming, connection: Box<H1<B>>, pool: Arc<Pool<B>>) -> Self {
        Self { incoming, connection: Carried::H1(connection, pool) }
    }

    pub(super) fn h2(incoming: Incoming, stream: StreamGuard) -> Self {
        Self { incoming, connection: Carried::H2 { _stream: stream } }
    }
}

impl<B> Body for UpstreamBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = match &mut this.connection {
            Carried::H1(connection, _) => connection.poll_body(&mut this.incoming, cx),
            Carried::Nothing | Carried::H2 { .. } => {
                return Pin::new(&mut this.incoming).poll_frame(cx);
            }
        };
        let ended = match &polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(part))) => is_last(part, &this.incoming),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if ended
            && let Carried::H1(connection, pool) =
                std::mem::replace(&mut this.connection, Carried::Nothing)
        {
            // Keeps only what is idle: after an error this drops, and so closes, it.
            pool.checkin(connection);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl<B> fmt::Debug for UpstreamBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
