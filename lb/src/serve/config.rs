//! Settings of a server.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::acceptor::Plain;

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) handshake: Duration,
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
    pub(super) drain: Duration,
    pub(super) linger: Duration,
}

/// A server's settings, each with a default fit for the open internet.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use terrace_lb::serve::Server;
///
/// # async fn run(service: impl terrace_lb::serve::HttpService) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// let report = Server::new()
///     .max_connections(500)
///     .drain_deadline(Duration::from_secs(30))
///     .serve(listener, service, async { drop(tokio::signal::ctrl_c().await) })
///     .await;
/// println!("{} requests, {} connections cut", report.requests, report.cut);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a server does nothing until it serves"]
pub struct Server<A = Plain> {
    pub(super) acceptor: A,
    pub(super) max_connections: usize,
    pub(super) timeouts: Timeouts,
    max_buffer: usize,
    max_streams: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// The defaults, each explained at its setter.
    pub fn new() -> Self {
        Self {
            acceptor: Plain,
            max_connections: 10_000,
            timeouts: Timeouts {
                handshake: Duration::from_secs(10),
                head: Duration::from_secs(10),
                idle: Duration::from_secs(60),
                write: Duration::from_secs(30),
                drain: Duration::from_secs(10),
                linger: Duration::from_millis(100),
            },
            max_buffer: 64 * 1024,
            max_streams: 100,
        }
    }
}

impl<A> Server<A> {
    /// Sets what maps accepted streams, TLS for instance. Default: nothing does.
    pub fn acceptor<B>(self, acceptor: B) -> Server<B> {
        Server {
            acceptor,
            max_connections: self.max_connections,
            timeouts: self.timeouts,
            max_buffer: self.max_buffer,
            max_streams: self.max_streams,
        }
    }

    /// Sets how many connections may be open at once; more wait in the kernel's queue. At least 1.
    /// Default: 10,000, which at the worst, 130 KiB of buffers each, is 1.3 GB.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how long the acceptor's handshake may take. Default: 10 s, a few round trips on the
    /// slowest links.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.handshake = timeout;
        self
    }

    /// Sets how long a client may take from the first byte of a request's head to its last, and
    /// from connecting to its first request. Default: 10 s; a head is a packet or two, and a
    /// client that takes longer wants to hold a connection, not an answer.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.head = timeout;
        self
    }

    /// Sets how long a connection may stay without a request. Default: 60 s, the time that
    /// browsers and load balancers in front expect.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.idle = timeout;
        self
    }

    /// Sets how long a client may take nothing of what is written to it. Default: 30 s, in which
    /// even a phone in a tunnel has come out again.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.write = timeout;
        self
    }

    /// Sets how long a drain waits for requests in flight. Default: 10 s, within the grace that
    /// supervisors give between SIGTERM and SIGKILL.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.timeouts.drain = deadline;
        self
    }

    /// Sets how long idle connections may still ask after a drain began, each getting an answer
    /// that asks to close. Default: 100 ms, a round trip across the Atlantic: a request that was
    /// on its way when the drain began is answered and not cut. Counts towards the deadline.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.timeouts.linger = linger;
        self
    }

    /// Sets the most that one HTTP/1 connection buffers each way, and so the longest head; 431
    /// answers longer ones. At least 8 KiB. Default: 64 KiB, eight times what servers commonly
    /// accept.
    pub fn max_buffer(mut self, bytes: usize) -> Self {
        self.max_buffer = bytes.max(8 * 1024);
        self
    }

    /// Sets how many streams an HTTP/2 client may have open. Default: 100, the least that the
    /// standard recommends.
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }

    pub(super) fn http1(&self) -> http1::Builder {
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(self.max_buffer);
        // The connection's own timer does this, for less and telling idle from slow.
        http1.header_read_timeout(None);
        http1
    }

    pub(super) fn http2(&self) -> http2::Builder<TokioExecutor> {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_streams)
            // What an edge proxy gives: one stream may have 64 KiB under way, all together 1 MiB.
            .initial_stream_window_size(64 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .max_header_list_size(16 * 1024)
            .max_send_buf_size(64 * 1024)
            // Bounds on streams that the client opens only to reset them (rapid reset).
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(100)
            // A vanished client is noticed within 40 s.
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        http2
    }
}
