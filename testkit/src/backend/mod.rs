//! An HTTP server on loopback that does what a script says and counts what it saw.
//!
//! It speaks HTTP/1.1 and HTTP/2 with prior knowledge on one port. A [`Reply`] says what happens
//! to one request: wait, answer with this status, these headers, so many bytes and trailers, or cut
//! the connection before the head, after it, in the middle of the body, or hang. Which reply a
//! request gets is decided by a queue of replies for the next requests, then by path, then by a
//! closure or a fixed default.
//!
//! # Examples
//!
//! ```
//! use terrace_testkit::backend::{Reply, ScriptedBackend};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let backend = ScriptedBackend::start().await.unwrap();
//! backend.default_reply(Reply::ok("hello"));
//! backend.on_path("/slow", Reply::ok("late").delay(std::time::Duration::from_secs(2)));
//! backend.next_replies([Reply::cut_after_head(), Reply::status(503)]);
//!
//! println!("point your proxy at {}", backend.addr());
//! assert_eq!(backend.counts().requests, 0);
//! # });
//! ```

mod body;
mod reply;
mod serve;
mod tap;
mod watched;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use body::{PatternBody, pattern};
pub use reply::{Content, Cut, Reply};

type Decide = Arc<dyn Fn(&Parts) -> Reply + Send + Sync>;

/// A request that the backend saw, recorded when its body ended or failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// Method, URI, version and headers, as hyper parsed them.
    pub method: http::Method,
    /// The request target.
    pub uri: http::Uri,
    /// The version the connection spoke.
    pub version: http::Version,
    /// All headers, repeated ones in their order.
    pub headers: http::HeaderMap,
    /// Bytes of body that arrived.
    pub body_bytes: u64,
    /// Checksum of the body: [`checksum`] of all its bytes.
    pub body_checksum: u64,
    /// Trailers, if any came.
    pub trailers: Option<http::HeaderMap>,
    /// Whether the body arrived to its end.
    pub complete: bool,
    /// The address the connection came from.
    pub peer: SocketAddr,
    /// Number of the connection it came on, from 0.
    pub connection: usize,
}

/// What the backend counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub connections: usize,
    /// Connections that are open now.
    pub open_connections: usize,
    /// Requests whose head arrived.
    pub requests: usize,
    /// Requests that are neither answered in full nor dropped.
    pub in_flight: usize,
    /// The highest `in_flight` so far.
    pub max_in_flight: usize,
    /// Bytes of request bodies.
    pub body_bytes: u64,
    /// Upgraded connections that are open now.
    pub tunnels: usize,
}

#[derive(Default)]
struct State {
    counts: Counts,
    queue: VecDeque<Reply>,
    paths: HashMap<String, Reply>,
    decide: Option<Decide>,
    seen: Vec<Seen>,
    /// What each connection received, if it is kept.
    raw: Option<Vec<tap::Raw>>,
    tunnels: tokio::task::JoinSet<()>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Notify,
    /// Changes at each [`ScriptedBackend::release`].
    released: watch::Sender<()>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        let value = change(&mut self.lock().counts);
        self.changed.notify_waiters();
        value
    }

    fn record(&self, seen: Seen) {
        let mut state = self.lock();
        // A load run must not fill the memory with what nobody will read.
        if state.seen.len() < 10_000 {
            state.seen.push(seen);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Where connection `number` keeps its raw input.
    fn raw_of(&self, number: usize) -> Option<tap::Raw> {
        let mut state = self.lock();
        let raw = state.raw.as_mut()?;
        raw.resize_with(raw.len().max(number + 1), Default::default);
        raw.get(number).cloned()
    }

    fn spawn_tunnel(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.lock();
        while state.tunnels.try_join_next().is_some() {}
        state.tunnels.spawn(tunnel);
    }

    fn decide(&self, parts: &Parts) -> Reply {
        let mut state = self.lock();
        if let Some(reply) = state.queue.pop_front() {
            return reply;
        }
        if let Some(reply) = state.paths.get(parts.uri.path()) {
            return reply.clone();
        }
        match state.decide.clone() {
            Some(decide) => {
                drop(state);
                decide(parts)
            }
            None => Reply::default(),
        }
    }
}

/// A scripted HTTP server; dropping it closes its port and every connection.
pub struct ScriptedBackend {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accept: JoinHandle<()>,
}

impl fmt::Debug for ScriptedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBackend").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl ScriptedBackend {
    /// Starts one on a free port of 127.0.0.1; it answers `200` with an empty body until told
    /// otherwise.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::on(TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?)
    }

    /// Starts one on a listener of the caller's.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn on(listener: TcpListener) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Notify::new(),
            released: watch::Sender::new(()),
        });
        let accept = tokio::spawn(serve::accept(listener, shared.clone()));
        Ok(Self { addr, shared, accept })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sets the reply of every request for which nothing else is scripted.
    pub fn default_reply(&self, reply: Reply) {
        self.decide_by(move |_| reply.clone());
    }

    /// Decides each reply by the request's head, if neither queue nor path has one.
    pub fn decide_by(&self, decide: impl Fn(&Parts) -> Reply + Send + Sync + 'static) {
        self.shared.lock().decide = Some(Arc::new(decide));
    }

    /// Sets the reply of one path (without query).
    pub fn on_path(&self, path: impl Into<String>, reply: Reply) {
        self.shared.lock().paths.insert(path.into(), reply);
    }

    /// Queues replies for the next requests, one each, before paths and default.
    pub fn next_replies(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().queue.extend(replies);
    }

    /// Lets every request that hangs or is [held](Reply::held) right now go on.
    pub fn release(&self) {
        self.shared.released.send_replace(());
    }

    /// Keeps the first 64 KiB that each connection receives from now on, as they are on the wire.
    pub fn keep_raw(&self) {
        self.shared.lock().raw.get_or_insert_default();
    }

    /// What connection `number` received so far; empty unless [`keep_raw`](Self::keep_raw) was on.
    #[must_use]
    pub fn raw(&self, number: usize) -> Vec<u8> {
        let raw = self.shared.lock().raw.as_ref().and_then(|raw| raw.get(number).cloned());
        raw.map(|raw| raw.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    /// Closes the port and every connection; after it, connects are refused.
    pub async fn stop(mut self) {
        self.accept.abort();
        let _ = (&mut self.accept).await;
        let mut tunnels = std::mem::take(&mut self.shared.lock().tunnels);
        tunnels.shutdown().await;
    }

    /// What it counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// The requests whose body ended or failed, in that order (the first 10,000).
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Waits until the counters satisfy `condition`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        self.wait(|state| condition(&state.counts)).await;
    }

    /// Waits until `n` requests were seen to the end of their bodies, and returns them all.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn until_seen(&self, n: usize) -> Vec<Seen> {
        self.wait(|state| state.seen.len() >= n).await;
        self.seen()
    }

    async fn wait(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&self.shared.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for ScriptedBackend {
    fn drop(&mut self) {
        // The accept task owns the connections in a JoinSet: they end with it.
        self.accept.abort();
        self.shared.lock().tunnels.abort_all();
    }
}

/// FNV-1a over all bytes, to compare long bodies without keeping them.
#[must_use]
pub fn checksum<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    chunks.into_iter().fold(CHECKSUM_START, checksum_more)
}

pub(crate) const CHECKSUM_START: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) fn checksum_more(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
