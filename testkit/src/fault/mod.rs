//! A TCP proxy on loopback that breaks the connection between two parties as a test wants it.
//!
//! Put it between a client and a server, give the client its address, and switch [`Fault`]s while
//! both run. A switch acts on open connections and on new ones. The proxy knows nothing of the
//! protocol that passes: it works for HTTP, PostgreSQL and Redis alike.
//!
//! # Examples
//!
//! ```
//! use terrace_testkit::backend::ScriptedBackend;
//! use terrace_testkit::fault::{Fault, FaultProxy};
//! use terrace_testkit::load::OpenLoop;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let backend = ScriptedBackend::start().await.unwrap();
//! let proxy = FaultProxy::start(backend.addr()).await.unwrap();
//!
//! let healthy = OpenLoop::new(proxy.addr()).total(5).run().await.unwrap();
//! assert_eq!(healthy.answered_with(200), 5, "{healthy}");
//!
//! proxy.set(Fault::Refuse).await;
//! let broken = OpenLoop::new(proxy.addr()).total(5).run().await.unwrap();
//! assert_eq!(broken.refused(), 5, "{broken}");
//!
//! proxy.set(Fault::Pass).await; // the same port listens again
//! # });
//! ```

mod listen;
mod relay;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// What the proxy does to its connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: bytes pass at once.
    #[default]
    Pass,
    /// Every byte arrives so much later, in both directions; throughput stays.
    Delay(Duration),
    /// At most so many bytes a second pass in each direction of a connection (0 counts as 1).
    Throttle(u64),
    /// Connections are accepted, and what either side sends is read and thrown away. Ends are not
    /// passed on.
    BlackHole,
    /// Open connections are reset (RST), new ones right after they were accepted.
    Reset,
    /// Connections stay open and nothing moves: nothing is read, answered or closed, as if the
    /// machine behind them had lost its power.
    HalfOpen,
    /// Every connection gets these bytes once, from the server's side, then bytes pass.
    Garbage(Bytes),
    /// The port refuses connections; open ones go on.
    Refuse,
    /// The port refuses connections, and open ones are reset: the server crashed.
    Down,
    /// [`Down`](Self::Down) and [`Pass`](Self::Pass) in turn, beginning with `Pass`.
    Flapping {
        /// How long it passes.
        up: Duration,
        /// How long it is down.
        down: Duration,
    },
    /// A connection is closed after so many bytes from the server, counted from the switch (or from
    /// its beginning, for a new one).
    CutAfter(u64),
}

/// What the proxy counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub connections: usize,
    /// Connections open now.
    pub open: usize,
    /// Connections that the proxy reset.
    pub resets: usize,
    /// Bytes passed from clients to the server.
    pub to_server: u64,
    /// Bytes passed from the server to clients, without garbage.
    pub to_client: u64,
    /// Bytes thrown away by [`Fault::BlackHole`].
    pub swallowed: u64,
}

/// The fault in force. One-time effects carry a number, so that a connection that missed a short
/// fault still plays it.
#[derive(Clone, Debug, Default)]
struct Regime {
    fault: Fault,
    epoch: u64,
    last_reset: u64,
    last_garbage: Option<(u64, Bytes)>,
}

impl Regime {
    fn switch(&mut self, fault: Fault) {
        self.epoch += 1;
        match &fault {
            Fault::Reset | Fault::Down => self.last_reset = self.epoch,
            Fault::Garbage(bytes) => self.last_garbage = Some((self.epoch, bytes.clone())),
            _ => {}
        }
        self.fault = fault;
    }

    fn listens(&self) -> bool {
        !matches!(self.fault, Fault::Refuse | Fault::Down)
    }
}

#[derive(Debug, Default)]
struct Tally {
    counts: Mutex<Counts>,
    changed: Notify,
}

impl Tally {
    fn update(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    fn read(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP proxy with switchable faults; dropping it closes its port and all connections.
pub struct FaultProxy {
    addr: SocketAddr,
    regime: watch::Sender<Regime>,
    /// The epoch that the accept loop obeys.
    obeyed: watch::Receiver<u64>,
    tally: Arc<Tally>,
    accept: JoinHandle<()>,
    flapping: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("addr", &self.addr)
            .field("fault", &self.fault())
            .finish_non_exhaustive()
    }
}

impl FaultProxy {
    /// Starts one on a free port of 127.0.0.1 that connects to `target` for each connection.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let port = listen::Port::reserve()?;
        let listener = port.listen()?;
        let addr = listener.local_addr()?;
        let (regime, orders) = watch::channel(Regime::default());
        let (obeys, obeyed) = watch::channel(0);
        let tally = Arc::new(Tally::default());
        let accept = listen::accept(port, listener, target, orders, obeys, tally.clone());
        let accept = tokio::spawn(accept);
        Ok(Self { addr, regime, obeyed, tally, accept, flapping: Mutex::default() })
    }

    /// Where it listens, also while it refuses.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The fault in force ([`Fault::Pass`] or [`Fault::Down`] while it flaps).
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.regime.borrow().fault.clone()
    }

    /// Switches the fault, and returns when the port obeys it.
    ///
    /// Open connections obey with their next byte.
    ///
    /// # Cancel safety
    ///
    /// The switch is made at the first poll; dropping the future only ends the wait.
    pub async fn set(&self, fault: Fault) {
        self.order(fault);
        let epoch = self.regime.borrow().epoch;
        // An error means that the accept loop is gone, with the runtime it ran on.
        let _ = self.obeyed.clone().wait_for(|obeyed| *obeyed >= epoch).await;
    }

    fn order(&self, fault: Fault) {
        let mut flapping = self.flapping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = flapping.take() {
            task.abort();
        }
        if let Fault::Flapping { up, down } = fault {
            self.switch(Fault::Pass);
            let regime = self.regime.clone();
            *flapping = Some(tokio::spawn(async move {
                loop {
                    tokio::time::sleep(up).await;
                    regime.send_modify(|regime| regime.switch(Fault::Down));
                    tokio::time::sleep(down).await;
                    regime.send_modify(|regime| regime.switch(Fault::Pass));
                }
            }));
        } else {
            self.switch(fault);
        }
    }

    fn switch(&self, fault: Fault) {
        self.regime.send_modify(|regime| regime.switch(fault));
    }

    /// What it counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.read()
    }

    /// Waits until the counters satisfy `condition`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        loop {
            let changed = self.tally.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&self.tally.read()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accept.abort();
        if let Some(task) = self.flapping.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}
