//! A real PostgreSQL, alone or as a primary with streaming replicas, with the faults that a
//! database suffers in production.
//!
//! Every node is a direct child with its own data directory and port, started from a template in
//! well under a second. Containers would give the same servers with an engine to install and
//! seconds a start, and no way to freeze one of them; a mock would give none of the behaviour that
//! the tests are about.
//!
//! Works with PostgreSQL 13 and later, as root (the server then runs as `postgres` or `nobody`,
//! because it refuses root) and as an ordinary user.
//!
//! # Examples
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use terrace_testkit::Postgres;
//!
//! let postgres = Postgres::builder().fsync(true).start().await?;
//! let client = postgres.connect().await?;
//! client.batch_execute("CREATE TABLE t (id int)").await?;
//! postgres.kill().await?;
//! postgres.restart().await?;
//! # Ok(()) }
//! ```

mod builder;
mod cluster;
mod fault;
mod replication;
mod settings;
mod shared_memory;
mod template;
mod user;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, NoTls};

use self::settings::Settings;
use crate::dirs::TempDir;
use crate::error::{Cause, ConnectError, StartError};
use crate::ports::Port;
use crate::process::{Launch, Log, Owner, Process, Signal};

pub use self::builder::PostgresBuilder;
pub use self::cluster::PostgresCluster;

/// A start takes 0.2 s; crash recovery on a busy two-core machine some seconds. Beyond this it hangs.
const START_WITHIN: Duration = Duration::from_secs(30);
/// A handshake on loopback takes 3 ms. A frozen server never answers, and a test that waits for
/// that should not wait long.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest pause between two looks at a state for which PostgreSQL has no event.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Shutting down flushes to a disk that may be slow, and tells every follower.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

/// One PostgreSQL server, killed with all its backends when dropped.
///
/// Methods take `&self`, so traffic can run while a fault is brought about. Faults of one node must
/// not be brought about concurrently.
pub struct Postgres {
    name: String,
    bin: PathBuf,
    owner: Option<Owner>,
    port: Port,
    settings: Mutex<Settings>,
    process: Mutex<Option<Arc<Process>>>,
    frozen: AtomicBool,
    // Last, so that the server is gone before its directory is.
    dir: TempDir,
}

impl Postgres {
    /// Starts a single server with the defaults of [`PostgresBuilder`].
    ///
    /// # Errors
    ///
    /// [`StartError`] when PostgreSQL is not installed or the server does not come up within 30 s.
    pub async fn start() -> Result<Postgres, StartError> {
        Postgres::builder().start().await
    }

    /// Starts to say how servers are to be started.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// The name in errors and logs, and `application_name` of the node's replication connection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`: any local user may connect, without password.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// [`Postgres::url`] of another database of this server.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.addr())
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The postmaster's process id, `None` while the server is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.process()?.pid()).filter(|_| self.is_running())
    }

    /// Whether the server's process runs; a frozen one does.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process().is_some_and(|process| process.is_running())
    }

    /// The log since the last start.
    #[must_use]
    pub fn log(&self) -> Option<Log> {
        Some(self.process()?.log().clone())
    }

    /// Connects to the database `postgres`; the connection is driven by a task of the current
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the server refuses, or says nothing within 5 s because it is frozen.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        self.connect_to("postgres").await
    }

    /// [`Postgres::connect`] to another database of this server.
    ///
    /// # Errors
    ///
    /// As [`Postgres::connect`].
    pub async fn connect_to(&self, database: &str) -> Result<Client, ConnectError> {
        let url = self.database_url(database);
        match timeout(CONNECT_WITHIN, tokio_postgres::connect(&url, NoTls)).await {
            Ok(Ok((client, connection))) => {
                tokio::spawn(connection);
                Ok(client)
            }
            Ok(Err(error)) => Err(ConnectError::new(&self.name, error)),
            Err(elapsed) => Err(ConnectError::new(&self.name, elapsed)),
        }
    }

    /// Creates an empty database and returns its URL, for tests that share a server.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the server is not up or the database exists.
    pub async fn create_database(&self, name: &str) -> Result<String, ConnectError> {
        let quoted = name.replace('"', "\"\"");
        let client = self.connect().await?;
        client
            .batch_execute(&format!("CREATE DATABASE \"{quoted}\""))
            .await
            .map_err(|error| ConnectError::new(&self.name, error))?;
        Ok(self.database_url(name))
    }

    /// Writes the configuration, starts the server and waits until it answers a query.
    async fn launch(&self) -> Result<(), StartError> {
        let failed = |step: &str, cause: Cause| StartError::new(&self.name, step, cause);
        self.write_settings().map_err(|e| failed("writing its configuration", e.into()))?;
        // The old process must be reaped first: PostgreSQL takes its zombie for a running server.
        if let Some(old) = self.lock_process().take() {
            old.reap();
        }
        let process = self
            .program("postgres")
            .arg("-D")
            .arg(self.data_dir())
            .arg("-c")
            .arg(format!("config_file={}", self.settings_file().display()))
            // Immediate shutdown: the postmaster ends its backends and frees its shared memory.
            .when_parent_dies(Signal::Quit)
            .spawn()
            .map_err(|e| failed("starting its process", e.into()))?;
        let process = Arc::new(process);
        *self.lock_process() = Some(Arc::clone(&process));
        self.frozen.store(false, Ordering::SeqCst);

        let deadline = Instant::now() + START_WITHIN;
        let what = "its line `ready to accept connections`";
        process
            .wait_for(Default::default(), START_WITHIN, what, |_, line| {
                line.contains("ready to accept")
            })
            .await
            .map_err(|e| failed("waiting until it is ready", e.into()))?;
        // The line is only the event to look: what counts is an answer.
        loop {
            match self.answers().await {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < deadline && process.is_running() => {
                    sleep(LOOK_EVERY).await;
                }
                Err(cause) => {
                    let log = process.log().tail(&self.name);
                    return Err(failed("waiting for its first answer", cause).with_log(log));
                }
            }
        }
    }

    async fn answers(&self) -> Result<(), Cause> {
        let client = self.connect().await?;
        client.batch_execute("SELECT 1").await?;
        Ok(())
    }

    fn write_settings(&self) -> std::io::Result<()> {
        let content = self.lock_settings().render();
        std::fs::write(self.settings_file(), content)
    }

    fn settings_file(&self) -> PathBuf {
        self.dir.path().join("postgresql.conf")
    }

    /// A program of this PostgreSQL, to be run as the server's user.
    fn program(&self, program: &str) -> Launch {
        let launch = Process::binary(self.bin.join(program))
            .name(format!("{program} of {}", self.name))
            .current_dir(self.dir.path());
        match self.owner {
            Some(owner) => launch.owner(owner),
            None => launch,
        }
    }

    fn process(&self) -> Option<Arc<Process>> {
        self.lock_process().clone()
    }

    fn lock_process(&self) -> MutexGuard<'_, Option<Arc<Process>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for an immediate shutdown without waiting for it.
    fn ask_to_quit(&self) {
        if let Some(process) = self.process() {
            process.cont_tree();
            process.signal(Signal::Quit);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Not SIGKILL at once: only the postmaster's own shutdown frees its System V shared memory.
        self.ask_to_quit();
        if let Some(process) = self.process() {
            if process.wait_blocking(SHUTDOWN_WITHIN).is_err() {
                process.kill_tree_blocking();
            }
            process.reap();
        }
        shared_memory::free(&self.data_dir());
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("name", &self.name)
            .field("addr", &self.addr())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// Runs a program to its end; anything but success is an error with what it printed.
async fn run(launch: Launch, within: Duration) -> Result<(), Cause> {
    let process = launch.spawn()?;
    let status = process.wait(within).await?;
    if status.success() {
        return Ok(());
    }
    let log = process.log().drained().await.tail(process.name());
    Err(format!("{} failed ({status})\n{log}", process.name()).into())
}
