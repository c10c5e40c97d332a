//! One client connection, and one exchange on it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

/// A stream that counts the bytes it received: how a cut before the head is told from one in it.
struct Counting {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        let more = buf.filled().len() - before;
        self.received.fetch_add(more as u64, Ordering::Relaxed);
        poll
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    received: Arc<AtomicU64>,
    pub(super) reused: bool,
}

/// Why there is no response head.
pub(super) enum NoHead {
    /// Nothing was written; the request may go elsewhere.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The connection ended with so many bytes of an answer.
    Cut { received: u64 },
    /// What came is no HTTP.
    Malformed,
}

impl Connection {
    pub(super) async fn open(target: SocketAddr, source: Option<IpAddr>) -> io::Result<Self> {
        let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind((source, 0).into())?;
        }
        let stream = socket.connect(target).await?;
        stream.set_nodelay(true)?;
        let received = Arc::new(AtomicU64::new(0));
        let io = TokioIo::new(Counting { stream, received: received.clone() });
        let (sender, driver) = http1::handshake(io).await.map_err(io::Error::other)?;
        tokio::spawn(driver);
        Ok(Self { sender, received, reused: false })
    }

    /// Whether it can take a request now.
    pub(super) fn is_usable(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether the server sent anything yet.
    pub(super) fn has_received(&self) -> bool {
        self.received.load(Ordering::Relaxed) > 0
    }

    /// Waits until hyper is done with the exchange before; false if the server closed it.
    pub(super) async fn reusable(&mut self) -> bool {
        self.reused = true;
        self.sender.ready().await.is_ok()
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, NoHead> {
        let before = self.received.load(Ordering::Relaxed);
        self.sender.try_send_request(request).await.map_err(|mut error| {
            if let Some(request) = error.take_message() {
                return NoHead::Unsent(Box::new(request));
            }
            let received = self.received.load(Ordering::Relaxed) - before;
            if error.error().is_parse() { NoHead::Malformed } else { NoHead::Cut { received } }
        })
    }
}
