//! What happens to a stream before HTTP: nothing, or a TLS handshake.

use std::future::{Future, ready};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::proxy::Peer;

/// Maps an accepted stream to the one that carries HTTP.
///
/// This is where TLS goes: return the stream after the handshake and the peer marked
/// [secure](Peer::secure). It runs in the connection's own task under
/// [`handshake_timeout`](super::Server::handshake_timeout), so a slow client holds up nobody else.
pub trait Acceptor<I>: Clone + Send + 'static {
    /// The stream that carries HTTP.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Performs the handshake.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped, and the stream with it, at the timeout and at the end of a drain.
    fn accept(
        &self,
        io: I,
        peer: Peer,
    ) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

/// HTTP without a handshake before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl<I> Acceptor<I> for Plain
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Stream = I;

    fn accept(&self, io: I, peer: Peer) -> impl Future<Output = io::Result<(I, Peer)>> + Send {
        ready(Ok((io, peer)))
    }
}
