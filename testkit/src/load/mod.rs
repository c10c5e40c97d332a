//! An open-loop HTTP/1.1 load client: it sends at a fixed rate, whatever the server does.
//!
//! A closed-loop client (wrk, ab) waits for an answer before it sends again, so a server that
//! stalls for a second is asked only once in that second, and the stall all but vanishes from the
//! percentiles (coordinated omission). Here request `n` has an intended start, `n / rate` after the
//! beginning, and its latency counts from there, even if the client itself was late; how late it
//! was is in the [`Report`] too.
//!
//! Every request ends in exactly one [`Outcome`], which tells apart what a fail-over test must not
//! mix: refused at connect, cut before any byte of the answer, cut inside the head, cut after the
//! head, timed out, answered. The times of each request are kept, so that a test can ask which
//! requests were in flight when it killed the server.
//!
//! A server may close an idle connection in the moment in which a request goes out on it; nobody is
//! to blame, and such a request is [`Outcome::CutBeforeHead`] with [`Record::reused`] set (if not a
//! byte of it was written yet, it goes out on another connection instead). A test that counts such
//! cuts exactly uses [`Connections::PerRequest`].
//!
//! The client runs on a thread and a runtime of its own: it measures the same from any test.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use terrace_testkit::backend::{Reply, ScriptedBackend};
//! use terrace_testkit::load::OpenLoop;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let backend = ScriptedBackend::start().await.unwrap();
//! backend.default_reply(Reply::ok("hello"));
//!
//! let report = OpenLoop::new(backend.addr())
//!     .rate(500)
//!     .total(100)
//!     .sources(4)                                // 127.0.0.2 to 127.0.0.5, in turn
//!     .timeout(Duration::from_secs(5))
//!     .run()
//!     .await
//!     .unwrap();
//! assert_eq!(report.answered_with(200), 100, "{report}");
//! assert!(report.percentile(99.0).unwrap() < Duration::from_secs(1), "{report}");
//! # });
//! ```
//!
//! With a fault in the middle:
//!
//! ```
//! # use terrace_testkit::backend::{Reply, ScriptedBackend};
//! # use terrace_testkit::load::OpenLoop;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let backend = ScriptedBackend::start().await.unwrap();
//! let running = OpenLoop::new(backend.addr()).rate(1_000).total(200).start().unwrap();
//! running.until_ended(100).await;
//! let killed = std::time::Instant::now();
//! backend.stop().await;
//! let report = running.finish().await;
//! let hit = report.in_flight_at(killed).count();
//! println!("{report}\n{hit} in flight at the kill");
//! assert!(report.refused() > 0);
//! # });
//! ```

mod connection;
mod engine;
mod pacer;
mod report;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

pub use engine::Running;
pub use report::{Outcome, Record, Report};

/// Whether a connection serves one request or many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connections {
    /// An idle connection is used again, the youngest first; a new one is opened if none is idle.
    #[default]
    KeepAlive,
    /// Each request opens its own and asks for `connection: close`.
    PerRequest,
}

type MakeRequest = Arc<dyn Fn(usize) -> Request<Bytes> + Send + Sync>;

/// A load run: what to send, how fast, how many, from where.
#[derive(Clone)]
pub struct OpenLoop {
    target: SocketAddr,
    rate: u32,
    total: usize,
    sources: Vec<IpAddr>,
    connections: Connections,
    timeout: Duration,
    max_in_flight: usize,
    request: MakeRequest,
}

impl fmt::Debug for OpenLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenLoop")
            .field("target", &self.target)
            .field("rate", &self.rate)
            .field("total", &self.total)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl OpenLoop {
    /// `GET /` to this address: 100 a second, 100 in all, each for at most 10 seconds.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            rate: 100,
            total: 100,
            sources: Vec::new(),
            connections: Connections::default(),
            timeout: Duration::from_secs(10),
            max_in_flight: 4096,
            request: Arc::new(|_| Request::new(Bytes::new())),
        }
    }

    /// Requests a second; 0 counts as 1.
    #[must_use]
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = per_second.max(1);
        self
    }

    /// Requests in all.
    #[must_use]
    pub fn total(mut self, requests: usize) -> Self {
        self.total = requests;
        self
    }

    /// As many requests as the rate sends in this time; call it after [`rate`](Self::rate).
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        let requests = time.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        self.total = usize::try_from(requests).unwrap_or(usize::MAX);
        self
    }

    /// Sends from so many loopback addresses in turn: 127.0.0.2 and up (at most 250).
    ///
    /// One source address has about 28,000 ports to connect from; a run with a connection per
    /// request needs several. A server that limits by client address sees several clients.
    #[must_use]
    pub fn sources(self, count: u8) -> Self {
        let all = (0..count.min(250)).map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + n)));
        self.source_addresses(all)
    }

    /// Sends from these addresses in turn.
    #[must_use]
    pub fn source_addresses(mut self, sources: impl IntoIterator<Item = IpAddr>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// Whether connections are kept alive (the default) or new for each request.
    #[must_use]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// Gives up on a request so long after it was really started.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Does not send ([`Outcome::NotSent`]) what would exceed so many requests in flight.
    ///
    /// Default 4,096: a stalled server must not make the client run out of descriptors.
    #[must_use]
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Sends a `GET` of this path.
    ///
    /// # Panics
    ///
    /// The run, if the path is no URI: that is the test's mistake.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        let path = path.to_owned();
        self.requests(move |_| {
            let request = Request::get(path.as_str()).body(Bytes::new());
            request.unwrap_or_else(|error| panic!("the path {path:?} does not parse: {error}"))
        })
    }

    /// Makes the n-th request; a missing `host` is added.
    #[must_use]
    pub fn requests(
        mut self,
        request: impl Fn(usize) -> Request<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.request = Arc::new(request);
        self
    }

    /// Starts the run on its own thread.
    ///
    /// # Errors
    ///
    /// If thread or runtime cannot be created.
    pub fn start(self) -> io::Result<Running> {
        Running::start(self)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// If thread or runtime cannot be created.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the run.
    pub async fn run(self) -> io::Result<Report> {
        Ok(self.start()?.finish().await)
    }
}
