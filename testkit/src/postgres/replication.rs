//! Faults and repairs of replication: promote, pause, delay, follow another primary, rewind,
//! rebuild.

use std::fs;
use std::io;
use std::time::Duration;

use super::settings::milliseconds;
use super::{Postgres, run, shared_memory};
use crate::error::{Cause, FaultError};

/// A promotion takes 0.1 s after the last record is replayed.
const PROMOTE_SECONDS: u32 = 30;
/// A rewind or a base backup of test data takes under a second.
const COPY_WITHIN: Duration = Duration::from_secs(60);
const SIGNAL_FILE: &str = "standby.signal";

impl Postgres {
    /// Whether the server is a standby: it replays another's log and refuses writes.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when it does not answer.
    pub async fn is_standby(&self) -> Result<bool, FaultError> {
        self.ask("ask", "SELECT pg_is_in_recovery()").await
    }

    /// The timeline the server is on: one more after each promotion.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when it does not answer, or is a standby that streams from nobody.
    pub async fn timeline(&self) -> Result<u32, FaultError> {
        let timeline: String = self
            .ask(
                "ask",
                "SELECT CASE WHEN pg_is_in_recovery()
                     THEN (SELECT to_hex(received_tli) FROM pg_stat_wal_receiver)
                     ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END",
            )
            .await?;
        u32::from_str_radix(&timeline, 16).map_err(|cause| self.failed("ask", cause))
    }

    /// Makes a standby a primary on a new timeline, after it replayed all it has received.
    ///
    /// Nobody is told: other standbys go on following the old primary until [`Postgres::follow`].
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the server is down or no standby, or is no primary after 30 s.
    pub async fn promote(&self) -> Result<(), FaultError> {
        let promoted: bool =
            self.ask("promote", &format!("SELECT pg_promote(true, {PROMOTE_SECONDS})")).await?;
        if !promoted {
            return Err(self.failed("promote", "it is still a standby"));
        }
        self.lock_settings().unset("primary_conninfo");
        let written = self.write_settings();
        written.map_err(|cause| self.failed("promote", cause))?;
        // pg_rewind before version 17 compares the timelines of the last checkpoints: without one
        // on the new timeline it finds nothing to rewind.
        self.tell("promote", "CHECKPOINT").await
    }

    /// Makes a standby keep what it receives without applying it, and returns when replay has
    /// come to a halt.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the server is down or no standby.
    pub async fn pause_replay(&self) -> Result<(), FaultError> {
        let fault = "pause replay of";
        self.tell(fault, "SELECT pg_wal_replay_pause()").await?;
        // Version 13 knows only that a pause was asked for.
        let version: i32 =
            self.ask(fault, "SELECT current_setting('server_version_num')::int").await?;
        let paused = if version >= 140_000 {
            "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        } else {
            "SELECT pg_is_wal_replay_paused()"
        };
        self.eventually(fault, "the halt of replay", async || {
            let paused: bool = self.ask(fault, paused).await?;
            Ok(paused.then_some(()))
        })
        .await
    }

    /// Ends [`Postgres::pause_replay`].
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the server is down or no standby.
    pub async fn resume_replay(&self) -> Result<(), FaultError> {
        self.tell("resume replay of", "SELECT pg_wal_replay_resume()").await
    }

    /// Makes a standby apply each commit only when it is `delay` old; zero ends that.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the server does not accept it.
    pub async fn apply_delay(&self, delay: Duration) -> Result<(), FaultError> {
        self.lock_settings().set("recovery_min_apply_delay", milliseconds(delay));
        self.reload("delay replay of").await
    }

    /// Returns when this standby has replayed what `primary` has written before the call.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when one of them is down, or replay does not get there within 30 s.
    pub async fn catch_up_with(&self, primary: &Postgres) -> Result<(), FaultError> {
        let lsn: String = primary.ask("ask", "SELECT pg_current_wal_lsn()::text").await?;
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn");
        self.eventually("wait for replay of", &lsn, async || {
            let replayed: Option<bool> = self.ask("wait for replay of", &replayed).await?;
            Ok(replayed.unwrap_or(false).then_some(()))
        })
        .await
    }

    /// Makes a standby stream from `primary`, on whatever timeline that is, and returns when it
    /// does. A standby that is down is started.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when this server is a primary (use [`Postgres::rewind`] or
    /// [`Postgres::rebuild`]), or does not stream within 30 s because it has records that `primary`
    /// has not.
    pub async fn follow(&self, primary: &Postgres) -> Result<(), FaultError> {
        if !self.data_dir().join(SIGNAL_FILE).exists() {
            return Err(self.failed("repoint", "it is a primary: rewind or rebuild it"));
        }
        self.set_primary(primary);
        if self.is_running() {
            self.reload("repoint").await?;
        } else {
            let started = self.launch().await;
            started.map_err(|cause| FaultError::new(&self.name, "repoint", cause))?;
        }
        self.streams_from(primary, "repoint").await
    }

    /// Makes a former primary a standby of `primary`, by undoing what it wrote after the two
    /// parted (`pg_rewind`). It is shut down first if it runs.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the rewind fails, for example because the log since the parting is gone,
    /// or when the server does not stream afterwards.
    pub async fn rewind(&self, primary: &Postgres) -> Result<(), FaultError> {
        self.shutdown().await?;
        // After a crash pg_rewind first recovers the server with the configuration it finds inside
        // the data directory, which must have wal_log_hints on.
        fs::copy(self.settings_file(), self.data_dir().join("postgresql.conf"))
            .map_err(|cause| FaultError::new(&self.name, "rewind", cause))?;
        let launch = self
            .program("pg_rewind")
            .arg("--target-pgdata")
            .arg(self.data_dir())
            .arg("--source-server")
            .arg(format!("{} dbname=postgres", primary.conninfo()))
            .arg("--no-sync");
        let rewound = run(launch, COPY_WITHIN).await;
        rewound.map_err(|cause| FaultError::new(&self.name, "rewind", cause))?;
        self.become_standby(primary, "rewind").await
    }

    /// Throws the server's data away and makes it a standby of `primary` from a base backup.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when the backup fails or the server does not stream afterwards.
    pub async fn rebuild(&self, primary: &Postgres) -> Result<(), FaultError> {
        // Its data goes away: nothing needs an orderly end.
        self.kill().await?;
        shared_memory::free(&self.data_dir());
        let failed = |cause: Cause| FaultError::new(&self.name, "rebuild", cause);
        fs::remove_dir_all(self.data_dir()).map_err(|e| failed(e.into()))?;
        let launch = self
            .program("pg_basebackup")
            .arg("--pgdata")
            .arg(self.data_dir())
            .arg("--dbname")
            .arg(primary.conninfo())
            .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
        run(launch, COPY_WITHIN).await.map_err(failed)?;
        self.become_standby(primary, "rebuild").await
    }

    /// Starts the data, which is `primary`'s, as its standby.
    async fn become_standby(
        &self,
        primary: &Postgres,
        fault: &'static str,
    ) -> Result<(), FaultError> {
        let failed = |cause: Cause| FaultError::new(&self.name, fault, cause);
        self.mark_as_standby_of(primary).map_err(|e| failed(e.into()))?;
        self.launch().await.map_err(|e| failed(e.into()))?;
        self.streams_from(primary, fault).await
    }

    /// Makes the next start a standby's.
    pub(super) fn mark_as_standby_of(&self, primary: &Postgres) -> io::Result<()> {
        self.set_primary(primary);
        let file = self.data_dir().join(SIGNAL_FILE);
        fs::write(&file, "")?;
        crate::dirs::give_to(&file, self.owner)
    }

    /// Returns when this standby streams from `primary`.
    pub(super) async fn streams_from(
        &self,
        primary: &Postgres,
        fault: &'static str,
    ) -> Result<(), FaultError> {
        let port = primary.addr().port();
        let streams = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver
             WHERE status = 'streaming' AND sender_port = {port})"
        );
        let what = format!("streaming from {}", primary.name());
        self.eventually(fault, &what, async || {
            let streams: bool = self.ask(fault, &streams).await?;
            Ok(streams.then_some(()))
        })
        .await
    }

    fn set_primary(&self, primary: &Postgres) {
        let conninfo = format!("{} application_name={}", primary.conninfo(), self.name);
        self.lock_settings().set("primary_conninfo", conninfo);
    }

    fn conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres", self.addr().port())
    }
}
