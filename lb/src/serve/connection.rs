//! One connection from its first byte to its last.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::HttpService;
use super::activity::Activity;
use super::config::Timeouts;
use super::drain::{Drain, Stage};
use super::io::Watched;
use super::patience::Patience;
use super::service::Adapted;
use crate::proxy::Peer;

/// What the connections of a server have in common.
pub(super) struct Protocols {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
    pub(super) timeouts: Timeouts,
    pub(super) drain: Arc<Drain>,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Protocols {
    /// Serves a connection to its end. `peer` goes into each request's extensions, if given.
    pub(super) async fn serve<I, S>(
        &self,
        io: I,
        service: S,
        peer: Option<Peer>,
        activity: &Arc<Activity>,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
    {
        let mut io = Watched::new(io, Arc::clone(activity));
        let mut patience = Patience::new(&self.timeouts, activity);
        let Some((protocol, ahead)) = self.sniff(&mut io, &mut patience).await else {
            return;
        };
        io.rewind(ahead);
        let service = Adapted::new(service, peer, Arc::clone(activity));
        match protocol {
            Sniffed::Http1 => self.serve_http1(io, service, activity, &mut patience).await,
            Sniffed::Http2 => self.serve_http2(io, service, &mut patience).await,
        }
    }

    /// Reads until it is clear which protocol the client speaks. Done here and not by hyper-util,
    /// whose detection forgets a connection that a drain meets before its first byte was read.
    async fn sniff<I>(
        &self,
        io: &mut Watched<I>,
        patience: &mut Patience<'_>,
    ) -> Option<(Sniffed, Bytes)>
    where
        I: AsyncRead + Unpin,
    {
        let mut bytes = [0; PREFACE.len()];
        let mut buffer = ReadBuf::new(&mut bytes);
        let protocol = poll_fn(|cx| {
            loop {
                let before = buffer.filled().len();
                match Pin::new(&mut *io).poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(())) => {
                        let filled = buffer.filled();
                        if filled.len() == before {
                            return Poll::Ready(None);
                        }
                        if !PREFACE.starts_with(filled) {
                            return Poll::Ready(Some(Sniffed::Http1));
                        }
                        if filled.len() == PREFACE.len() {
                            return Poll::Ready(Some(Sniffed::Http2));
                        }
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Pending => {
                        let unused = before == 0 && self.drain.stage() >= Stage::Closing;
                        if unused || patience.poll_exhausted(cx).is_ready() {
                            return Poll::Ready(None);
                        }
                        return Poll::Pending;
                    }
                }
            }
        })
        .await?;
        Some((protocol, Bytes::copy_from_slice(buffer.filled())))
    }

    async fn serve_http1<I, S>(
        &self,
        io: Watched<I>,
        service: Adapted<S>,
        activity: &Arc<Activity>,
        patience: &mut Patience<'_>,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
    {
        let serve = |io, service| {
            // On the heap, because it is moved when a drain takes it apart.
            let connection = self.http1.serve_connection(TokioIo::new(io), service);
            Box::new(connection.with_upgrades())
        };
        let mut connection = serve(io, service);
        let mut ended = self.drive(&mut connection, activity, patience, true).await;
        if ended == Ended::Quiet {
            // hyper's own graceful shutdown closes a kept-alive connection even with the first
            // bytes of a request in its buffer, and one whose request waits in the kernel. So the
            // connection is opened up instead, and closed only if there is truly nothing.
            let Some(parts) = connection.into_parts() else {
                return;
            };
            let mut io = parts.io.into_inner();
            let ahead = match parts.read_buf {
                none if none.is_empty() => read_now(&mut io),
                buffered => buffered,
            };
            if ahead.is_empty() {
                return;
            }
            io.rewind(ahead);
            // It has begun a request and may finish it; the answer will ask it to close. From
            // here on only the end of the drain, or a timeout, cuts it.
            connection = serve(io, parts.service);
            ended = self.drive(&mut connection, activity, patience, false).await;
        }
        drop(connection);
        if ended == Ended::Closed && activity.is_tunnel() {
            // The stream lives on in a tunnel, which this task stands for until it has ended.
            poll_fn(|_| if activity.is_gone() { Poll::Ready(()) } else { Poll::Pending }).await;
        }
    }

    /// Drives a connection until it ends, or is found quiet by a drain if it `may_leave`.
    async fn drive<F: Future + Unpin>(
        &self,
        connection: &mut F,
        activity: &Activity,
        patience: &mut Patience<'_>,
        may_leave: bool,
    ) -> Ended {
        poll_fn(|cx| {
            let stage = self.drain.stage();
            if stage != Stage::Open {
                // Before the poll: it may produce an answer, which should say so.
                activity.set_closing();
            }
            if Pin::new(&mut *connection).poll(cx).is_ready() {
                // What went wrong, if anything, has been told to the client.
                return Poll::Ready(Ended::Closed);
            }
            if may_leave && stage == Stage::Closing && activity.is_quiet() {
                return Poll::Ready(Ended::Quiet);
            }
            patience.poll_exhausted(cx).map(|()| Ended::TimedOut)
        })
        .await
    }

    async fn serve_http2<I, S>(
        &self,
        io: Watched<I>,
        service: Adapted<S>,
        patience: &mut Patience<'_>,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: HttpService,
    {
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        let mut leaving = false;
        patience.forget_heads();
        poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let tired = patience.poll_exhausted(cx).is_ready();
            if !leaving && (tired || self.drain.stage() != Stage::Open) {
                // HTTP/2 says which streams it still serves, so nothing can slip in between.
                leaving = true;
                connection.as_mut().graceful_shutdown();
                return connection.as_mut().poll(cx).map(drop);
            }
            if leaving && tired { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sniffed {
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Closed,
    Quiet,
    TimedOut,
}

/// What the kernel has for us at this moment, up to a buffer.
fn read_now<I: AsyncRead + Unpin>(io: &mut I) -> Bytes {
    let mut bytes = [0; 1024];
    let mut buffer = ReadBuf::new(&mut bytes);
    let mut quiet = Context::from_waker(Waker::noop());
    match Pin::new(io).poll_read(&mut quiet, &mut buffer) {
        Poll::Ready(Ok(())) => Bytes::copy_from_slice(buffer.filled()),
        Poll::Ready(Err(_)) | Poll::Pending => Bytes::new(),
    }
}
