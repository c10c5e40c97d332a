//! Faults of one server: crash, freeze, restart, changed settings.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::types::FromSql;

use super::{LOOK_EVERY, Postgres, SHUTDOWN_WITHIN, START_WITHIN};
use crate::error::{Cause, FaultError, StartError};
use crate::process::{Process, Signal};

impl Postgres {
    /// Kills the postmaster and all backends at one stroke (`kill -9`), as a crash of the machine
    /// does. A server that is down stays down.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when a process survives for 5 s.
    pub async fn kill(&self) -> Result<(), FaultError> {
        if let Some(process) = self.process().filter(|process| process.is_running()) {
            let killed = process.kill_tree().await;
            killed.map_err(|cause| FaultError::new(&self.name, "kill", cause))?;
            process.reap();
        }
        Ok(())
    }

    /// Freezes the postmaster and all backends (`SIGSTOP`): connects succeed, because the kernel
    /// completes them, and nothing ever answers.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the server is down, or a process is not stopped within 5 s.
    pub async fn stop(&self) -> Result<(), FaultError> {
        let process = self.running("stop")?;
        self.frozen.store(true, Ordering::SeqCst);
        let stopped = process.stop_tree().await;
        stopped.map_err(|cause| FaultError::new(&self.name, "stop", cause))
    }

    /// Thaws what [`Postgres::stop`] froze; queries that waited are answered.
    pub fn cont(&self) {
        if let Some(process) = self.process() {
            process.cont_tree();
        }
        self.frozen.store(false, Ordering::SeqCst);
    }

    /// Shuts down in order (`SIGINT`: clients are disconnected, a checkpoint is written, followers
    /// get the last of the log). A server that is down stays down.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when it still runs after 10 s.
    pub async fn shutdown(&self) -> Result<(), FaultError> {
        let Some(process) = self.process().filter(|process| process.is_running()) else {
            return Ok(());
        };
        self.cont();
        process.signal(Signal::Int);
        let ended = process.wait(SHUTDOWN_WITHIN).await;
        ended.map_err(|cause| FaultError::new(&self.name, "shut down", cause))?;
        process.reap();
        Ok(())
    }

    /// Starts the server again on the same data and port, after an orderly shutdown if it runs.
    ///
    /// A server that was killed recovers from its log; one that was a standby stays one.
    ///
    /// # Errors
    ///
    /// [`StartError`] when it does not shut down, or does not answer within 30 s.
    pub async fn restart(&self) -> Result<(), StartError> {
        let down = self.shutdown().await;
        down.map_err(|cause| StartError::new(&self.name, "shutting down first", cause))?;
        self.launch().await
    }

    /// Changes a parameter of `postgresql.conf` and returns when new sessions see it; on a server
    /// that is down or frozen it counts from the next start or thaw.
    ///
    /// Parameters that need a restart take effect with [`Postgres::restart`] only.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the server does not accept the new configuration.
    pub async fn configure(&self, name: &str, value: &str) -> Result<(), FaultError> {
        self.lock_settings().set(name, value);
        self.reload("reconfigure").await
    }

    /// Writes the settings and makes the running server read them.
    pub(super) async fn reload(&self, fault: &'static str) -> Result<(), FaultError> {
        let written = self.write_settings();
        written.map_err(|cause| self.failed(fault, cause))?;
        let Some(process) = self.process().filter(|process| process.is_running()) else {
            return Ok(());
        };
        if self.is_frozen() {
            process.signal(Signal::Hup);
            return Ok(());
        }
        let loaded = "SELECT extract(epoch FROM pg_conf_load_time())::float8";
        let before: f64 = self.ask(fault, loaded).await?;
        process.signal(Signal::Hup);
        // A new session starts with what the postmaster has read, and the postmaster has told its
        // other children by then.
        self.eventually(fault, "the new configuration", async || {
            let now: f64 = self.ask(fault, loaded).await?;
            Ok((now > before).then_some(()))
        })
        .await
    }

    /// Whether the server runs and is not frozen by [`Postgres::stop`].
    pub(super) fn is_up(&self) -> bool {
        self.is_running() && !self.is_frozen()
    }

    fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    fn running(&self, fault: &'static str) -> Result<Arc<Process>, FaultError> {
        self.process()
            .filter(|process| process.is_running())
            .ok_or_else(|| self.failed(fault, "it is not running"))
    }

    pub(super) fn failed(&self, fault: &'static str, cause: impl Into<Cause>) -> FaultError {
        let log = self.process().map(|process| process.log().tail(&self.name));
        FaultError::new(&self.name, fault, cause).with_log(log)
    }

    pub(super) async fn session(&self, fault: &'static str) -> Result<Client, FaultError> {
        let client = self.connect().await;
        client.map_err(|cause| self.failed(fault, cause))
    }

    /// Runs statements without a result, in a session of their own.
    pub(super) async fn tell(&self, fault: &'static str, sql: &str) -> Result<(), FaultError> {
        let client = self.session(fault).await?;
        let told = client.batch_execute(sql).await;
        told.map_err(|cause| self.failed(fault, cause))
    }

    /// The one value that `sql` selects, in a session of its own.
    pub(super) async fn ask<T>(&self, fault: &'static str, sql: &str) -> Result<T, FaultError>
    where
        T: for<'a> FromSql<'a>,
    {
        let client = self.session(fault).await?;
        let row = client.query_one(sql, &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(|cause| self.failed(fault, cause))
    }

    /// Looks until `look` finds something: for states of PostgreSQL that have no event.
    pub(super) async fn eventually<T>(
        &self,
        fault: &'static str,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Option<T>, FaultError>,
    ) -> Result<T, FaultError> {
        let deadline = Instant::now() + START_WITHIN;
        let mut pause = Duration::from_millis(1);
        loop {
            let found = look().await;
            match found {
                Ok(Some(found)) => return Ok(found),
                // A server that is being reconfigured may refuse a session for a moment.
                Err(error) if Instant::now() >= deadline || !self.is_running() => {
                    return Err(error);
                }
                Ok(None) if Instant::now() >= deadline => {
                    let waited = format!("waited {START_WITHIN:?} in vain for {what}");
                    return Err(self.failed(fault, waited));
                }
                Ok(None) | Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY);
        }
    }
}
