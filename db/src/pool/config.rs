use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// How long the pool waits, how much it keeps, and how stale is too stale.
///
/// The defaults are for a service whose requests take milliseconds and whose users leave after a few
/// seconds. Everything that waits has a deadline here.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    pub(crate) connections: usize,
    pub(crate) checkout: Duration,
    pub(crate) max_waiting: usize,
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
    pub(crate) write_wait: Duration,
    pub(crate) catch_up: Duration,
    pub(crate) max_lag: Duration,
    pub(crate) max_lag_bytes: u64,
    pub(crate) primary_reads: Option<usize>,
    pub(crate) probe_interval: Duration,
    pub(crate) probe_deadline: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) max_idle: Duration,
    pub(crate) verify_after: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connections: 10,
            checkout: Duration::from_secs(1),
            max_waiting: 1000,
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(10),
            write_wait: Duration::from_secs(2),
            catch_up: Duration::from_millis(50),
            max_lag: Duration::from_secs(10),
            max_lag_bytes: 64 << 20,
            primary_reads: None,
            probe_interval: Duration::from_millis(100),
            probe_deadline: Duration::from_millis(500),
            max_lifetime: Duration::from_secs(30 * 60),
            max_idle: Duration::from_secs(5 * 60),
            verify_after: Duration::from_secs(1),
        }
    }
}

impl PoolConfig {
    /// At most this many connections to each node for reading, and to the primary for writing.
    ///
    /// Default 10: PostgreSQL's own default is 100 connections, so ten processes fit beside it.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// How long a caller waits for a connection while all are in use. Default 1 s: whoever waited
    /// that long is better told so than kept.
    #[must_use]
    pub fn checkout(self, checkout: Duration) -> Self {
        Self { checkout, ..self }
    }

    /// How many callers may wait at once, for a connection or for a primary; the next one gets
    /// [`Busy`](ErrorKind::Busy) at once. Default 1000: a longer queue cannot be served within the
    /// other limits anyway.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        Self { max_waiting, ..self }
    }

    /// How long connecting may take, all of it: TCP, TLS and authentication. Default 1 s.
    #[must_use]
    pub fn connect(self, connect: Duration) -> Self {
        Self { connect, ..self }
    }

    /// How long an answer may take, if the call does not say otherwise. Default 10 s.
    ///
    /// A frozen server still accepts bytes, and no TCP timeout ever notices; only this does. An
    /// answer that a lost node owes is given up earlier, as soon as the node is known to be lost.
    #[must_use]
    pub fn answer(self, answer: Duration) -> Self {
        Self { answer, ..self }
    }

    /// How long a write waits for a primary while there is none. Default 2 s: enough for a scripted
    /// promotion, and short enough for a page that can say "try again".
    #[must_use]
    pub fn write_wait(self, write_wait: Duration) -> Self {
        Self { write_wait, ..self }
    }

    /// How long a read waits for a replica to catch up with its token before it goes to the primary.
    /// Default 50 ms: a healthy replica is a few milliseconds behind.
    #[must_use]
    pub fn catch_up(self, catch_up: Duration) -> Self {
        Self { catch_up, ..self }
    }

    /// A replica whose data is older than this serves no reads until it is at half of it. Default
    /// 10 s: replicas lag by milliseconds, so one that lags by seconds has a problem.
    ///
    /// For a bound that is a promise, see [`Read::max_staleness`](crate::Read::max_staleness).
    #[must_use]
    pub fn max_lag(self, max_lag: Duration) -> Self {
        Self { max_lag, ..self }
    }

    /// The same, in bytes of WAL (PostgreSQL) or commits (embedded). Default 64 Mi: four WAL
    /// segments.
    #[must_use]
    pub fn max_lag_bytes(self, max_lag_bytes: u64) -> Self {
        Self { max_lag_bytes, ..self }
    }

    /// How many reads may be on the primary at once because no replica could serve them. Default:
    /// half of its connections, so that the loss of the replicas does not become the loss of the
    /// primary. Without any replica in the pool there is no such limit.
    #[must_use]
    pub fn primary_reads(self, primary_reads: usize) -> Self {
        Self { primary_reads: Some(primary_reads), ..self }
    }

    /// How often each node is asked what it is and how far. Default 100 ms; four times as often
    /// while there is no primary.
    #[must_use]
    pub fn probe_interval(self, probe_interval: Duration) -> Self {
        Self { probe_interval, ..self }
    }

    /// How long a node may take to answer that. Default 500 ms. A node that does not is not asked
    /// anything else.
    #[must_use]
    pub fn probe_deadline(self, probe_deadline: Duration) -> Self {
        Self { probe_deadline, ..self }
    }

    /// How old a connection may grow. Default 30 min, less up to a tenth by chance, so that
    /// connections made together do not end together.
    #[must_use]
    pub fn max_lifetime(self, max_lifetime: Duration) -> Self {
        Self { max_lifetime, ..self }
    }

    /// How long a connection may lie idle before it is closed. Default 5 min.
    #[must_use]
    pub fn max_idle(self, max_idle: Duration) -> Self {
        Self { max_idle, ..self }
    }

    /// A connection that lay idle for longer is asked for a sign of life before it is handed out.
    /// Default 1 s: under load nobody pays for it, and after a pause nobody gets a dead one.
    #[must_use]
    pub fn verify_after(self, verify_after: Duration) -> Self {
        Self { verify_after, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |message: &str| Err(Error::before(ErrorKind::Config).message(message));
        if self.connections == 0 {
            return refuse("connections must be at least 1, not 0");
        }
        if self.primary_reads == Some(0) {
            return refuse("primary_reads must be at least 1, not 0");
        }
        let durations = [
            ("checkout", self.checkout),
            ("connect", self.connect),
            ("answer", self.answer),
            ("max_lag", self.max_lag),
            ("probe_interval", self.probe_interval),
            ("probe_deadline", self.probe_deadline),
            ("max_lifetime", self.max_lifetime),
        ];
        for (name, duration) in durations {
            if duration.is_zero() {
                return refuse(&format!("{name} must be longer than 0 s"));
            }
        }
        Ok(())
    }
}
