//! Where connections come from.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::Peer;

/// Yields accepted connections: TCP and Unix listeners do, and whatever else has streams to serve.
pub trait Listener: Send + 'static {
    /// An accepted stream.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Accepts one connection.
    ///
    /// Must return `Pending` when none waits: a drain accepts until then, so that clients whose
    /// connection the kernel had already completed are served too.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, Peer)>>;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, Peer)>> {
        let (stream, address) = ready!(TcpListener::poll_accept(self, cx))?;
        // A response is written whole: waiting to fill a packet only delays its last one. It fails
        // on a socket that is closed already, which the first read will tell.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok((stream, Peer::tcp(address))))
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, Peer)>> {
        let (stream, _) = ready!(tokio::net::UnixListener::poll_accept(self, cx))?;
        Poll::Ready(Ok((stream, Peer::unix())))
    }
}
