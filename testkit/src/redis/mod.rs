//! A real Redis, alone or as a cluster of one node, with the faults that a store suffers.
//!
//! A cluster of one node speaks the whole cluster protocol (slots, `CROSSSLOT`, `CLUSTER SLOTS`)
//! without the seconds that six nodes take to agree.
//!
//! # Examples
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use terrace_testkit::Redis;
//!
//! let server = Redis::start().await?;
//! let mut connection = server.connect().await?;
//! redis::cmd("SET").arg("key").arg(1).exec_async(&mut connection).await?;
//! server.kill().await?;
//! server.restart().await?; // empty: nothing was persisted
//! # Ok(()) }
//! ```

mod builder;
mod fault;
mod slots;

pub use self::builder::RedisBuilder;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep, timeout};

use crate::dirs::TempDir;
use crate::error::{Cause, ConnectError, StartError};
use crate::ports::Port;
use crate::process::{Log, Process};
use crate::tools;

/// A start takes 20 ms, loading test data little more. Beyond this it hangs.
const START_WITHIN: Duration = Duration::from_secs(20);
/// A frozen server never answers, and a test that waits for that should not wait long.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two looks at a state for which Redis has no event.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One Redis server, killed when dropped.
///
/// Methods take `&self`, so traffic can run while a fault is brought about.
pub struct Redis {
    port: Port,
    /// The port of the cluster bus, which must be 10,000 above before Redis 7.
    bus: Option<Port>,
    persistent: bool,
    settings: Vec<(String, String)>,
    process: Mutex<Option<Arc<Process>>>,
    // Last, so that the server is gone before its directory is.
    dir: TempDir,
}

impl Redis {
    /// Starts a single server that keeps nothing on disk.
    ///
    /// # Errors
    ///
    /// [`StartError`] when Redis is not installed or does not answer within 20 s.
    pub async fn start() -> Result<Redis, StartError> {
        Redis::builder().start().await
    }

    /// Starts a cluster whose one node owns all 16,384 slots and announces its loopback address.
    ///
    /// Takes two seconds: a node that just started refuses writes that long, and there is no
    /// setting for it.
    ///
    /// # Errors
    ///
    /// [`StartError`] as for [`Redis::start`], also when the cluster does not become whole.
    pub async fn start_cluster() -> Result<Redis, StartError> {
        Redis::builder().start_cluster().await
    }

    /// Starts to say how a server is to be started.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Its process id, `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let process = self.process().filter(|process| process.is_running())?;
        Some(process.pid())
    }

    /// The log since the last start.
    #[must_use]
    pub fn log(&self) -> Option<Log> {
        Some(self.process()?.log().clone())
    }

    /// Connects; commands wait 5 s for an answer at most.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the server is down or does not answer within 5 s.
    pub async fn connect(&self) -> Result<MultiplexedConnection, ConnectError> {
        let connected = async {
            let client = redis::Client::open(self.url())?;
            client.get_multiplexed_async_connection().await
        };
        match timeout(CONNECT_WITHIN, connected).await {
            Ok(Ok(mut connection)) => {
                connection.set_response_timeout(CONNECT_WITHIN);
                Ok(connection)
            }
            Ok(Err(error)) => Err(ConnectError::new("redis", error)),
            Err(elapsed) => Err(ConnectError::new("redis", elapsed)),
        }
    }

    async fn launch(&self) -> Result<(), StartError> {
        let program = tools::find("redis-server").ok_or_else(|| {
            let hint = "try `apt-get install redis-server`";
            StartError::new("redis", "redis-server is not installed", hint)
        })?;
        let onoff = |on: bool| if on { "yes" } else { "no" };
        let mut launch = Process::binary(program)
            .name("redis-server")
            .current_dir(self.dir.path())
            .args(["--port", &self.port.number().to_string()])
            .args(["--bind", "127.0.0.1"])
            .args(["--daemonize", "no"])
            .args(["--save", ""])
            .args(["--appendonly", onoff(self.persistent)])
            .args(["--appendfsync", "always"])
            .arg("--dir")
            .arg(self.dir.path());
        if self.bus.is_some() {
            launch = launch
                .args(["--cluster-enabled", "yes"])
                .args(["--cluster-announce-ip", "127.0.0.1"]);
        }
        for (name, value) in &self.settings {
            launch = launch.arg(format!("--{name}")).arg(value);
        }
        let process = launch
            .spawn()
            .map_err(|cause| StartError::new("redis", "starting its process", cause))?;
        let process = Arc::new(process);
        *self.lock_process() = Some(Arc::clone(&process));
        let what = "its line `Ready to accept connections`";
        process
            .wait_for(Default::default(), START_WITHIN, what, |_, line| {
                line.contains("eady to accept connections")
            })
            .await
            .map_err(|cause| StartError::new("redis", "waiting until it is ready", cause))?;
        self.eventually("waiting for its answer to PING", async || self.pong().await).await
    }

    /// Returns when the server takes writes: at once alone, as a cluster when it is whole.
    async fn ready(&self) -> Result<(), StartError> {
        match self.bus {
            None => Ok(()),
            Some(_) => {
                let step = "waiting until the cluster is whole";
                self.eventually(step, async || slots::whole(self).await).await
            }
        }
    }

    async fn pong(&self) -> Result<(), Cause> {
        let mut connection = self.connect().await?;
        Ok(redis::cmd("PING").exec_async(&mut connection).await?)
    }

    async fn eventually(
        &self,
        step: &str,
        mut look: impl AsyncFnMut() -> Result<(), Cause>,
    ) -> Result<(), StartError> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            match look().await {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < deadline && self.pid().is_some() => {
                    sleep(LOOK_EVERY).await;
                }
                Err(cause) => return Err(self.start_error(step, cause)),
            }
        }
    }

    fn start_error(&self, step: &str, cause: impl Into<Cause>) -> StartError {
        let error = StartError::new("redis", step, cause);
        match self.log() {
            Some(log) => error.with_log(log.tail("redis")),
            None => error,
        }
    }

    fn process(&self) -> Option<Arc<Process>> {
        self.lock_process().clone()
    }

    fn lock_process(&self) -> MutexGuard<'_, Option<Arc<Process>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It has no children and frees nothing that outlives it: a kill is enough.
        if let Some(process) = self.process() {
            process.reap();
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("addr", &self.addr())
            .field("cluster", &self.bus.is_some())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
