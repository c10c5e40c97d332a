//! What a connection does on the blocking pool: one node's rules, step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use rusqlite::{Connection, DropBehavior, Transaction, TransactionBehavior, TransactionState};

use super::apply::Applier;
use super::control::{Control, Liveness, NodeState};
use super::error::SqliteError;
use super::files::{Files, WallClock};
use super::open::{count, counter};
use crate::backend::{Access, Observation, Role};
use crate::cluster::History;
use crate::position::Position;

/// What both sides of a connection know.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    broken: AtomicBool,
    /// Nobody waits for the answer any more: what is not committed yet shall not be.
    cancelled: AtomicBool,
    role: AtomicU8,
}

impl Flags {
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.break_off();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn learn(&self, role: Role) {
        self.role.store(if role == Role::Primary { 1 } else { 2 }, Ordering::Release);
    }

    pub(crate) fn role(&self) -> Option<Role> {
        match self.role.load(Ordering::Acquire) {
            1 => Some(Role::Primary),
            2 => Some(Role::Replica),
            _ => None,
        }
    }
}

/// A place in a cluster: which node this connection leads to, and since when.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) files: Arc<Files>,
    pub(crate) name: String,
    /// The node's when the connection was made. Another one is another node.
    pub(crate) incarnation: u64,
    pub(crate) clock: WallClock,
    appliers: Vec<Applier>,
}

/// The blocking side of a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    /// None: a file of its own.
    place: Option<Place>,
    access: Access,
    pub(crate) flags: Arc<Flags>,
    committed: Option<Position>,
}

/// Whether a node answers.
pub(crate) enum Gate {
    Open,
    Frozen,
}

/// How a commit ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Committed {
        position: Position,
        /// How many replicas must have it, and for how many milliseconds to wait for them.
        quorum: Option<(u32, u64)>,
    },
    /// The node was frozen before the commit; the transaction is still open.
    Frozen,
}

impl Place {
    pub(crate) fn new(files: Arc<Files>, name: &str, incarnation: u64, clock: WallClock) -> Self {
        Self { files, name: name.to_owned(), incarnation, clock, appliers: Vec::new() }
    }

    /// The node, if it is still the one that this connection was made to.
    pub(crate) fn node<'a>(&self, control: &'a Control) -> Result<&'a NodeState, SqliteError> {
        let node = control.node(&self.name).map_err(|_| SqliteError::Broken)?;
        if node.liveness == Liveness::Down || node.incarnation != self.incarnation || node.stale {
            return Err(SqliteError::Broken);
        }
        Ok(node)
    }

    fn applier(&mut self, name: &str) -> Option<&mut Applier> {
        let place = self.appliers.iter().position(|applier| applier.name() == name);
        let place = place.unwrap_or_else(|| {
            let files = Arc::clone(&self.files);
            self.appliers.push(Applier::new(files, self.clock.clone(), name));
            self.appliers.len() - 1
        });
        self.appliers.get_mut(place)
    }

    /// Shows what is due here, so that a replica moves without anybody's task. If it fails, the
    /// next one who looks tries again.
    fn refresh(&mut self) {
        let name = self.name.clone();
        if let Some(applier) = self.applier(&name) {
            let _ = applier.work();
        }
    }
}

impl Seat {
    pub(crate) fn new(place: Option<Place>, access: Access, flags: Arc<Flags>) -> Self {
        Self { place, access, flags, committed: None }
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    fn error(&self) -> impl Fn(rusqlite::Error) -> SqliteError + use<> {
        SqliteError::of(self.access)
    }

    /// Whether the node answers, and is the one that this connection was made to.
    pub(crate) fn gate(&self) -> Result<Gate, SqliteError> {
        let Some(place) = &self.place else {
            self.flags.learn(Role::Primary);
            return Ok(Gate::Open);
        };
        let control = place.files.load()?;
        let node = place.node(&control).inspect_err(|_| self.flags.break_off())?;
        self.flags.learn(node.role);
        Ok(if node.liveness == Liveness::Frozen { Gate::Frozen } else { Gate::Open })
    }

    /// Reads, and lets nothing else stay.
    pub(crate) fn read<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        if !connection.is_autocommit() {
            return work(connection).map_err(self.error());
        }
        if self.access == Access::ReadOnly {
            let done = work(connection);
            self.abandon(connection)?;
            return done.map_err(self.error());
        }
        // This connection may write, but not here: nothing would count it.
        begin(connection, TransactionBehavior::Deferred).map_err(self.error())?;
        let done = work(connection);
        let wrote =
            matches!(connection.transaction_state(None::<&str>), Ok(TransactionState::Write));
        self.abandon(connection)?;
        if wrote && done.is_ok() {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            let message = Some("a read wrote; use a write, which counts it".to_owned());
            return Err(self.error()(rusqlite::Error::SqliteFailure(code, message)));
        }
        done.map_err(self.error())
    }

    /// Begins a transaction; on a connection that may write, one that writes.
    pub(crate) fn begin(&self, connection: &Connection) -> Result<(), SqliteError> {
        if !connection.is_autocommit() {
            return Err(SqliteError::OutOfTurn);
        }
        if self.access == Access::ReadOnly {
            return begin(connection, TransactionBehavior::Deferred).map_err(self.error());
        }
        if let Some(place) = &self.place {
            let control = place.files.load()?;
            if !place.node(&control)?.writable() {
                return Err(SqliteError::NotPrimary);
            }
        }
        // Takes the write lock now: who reads first and then wants to write may be refused.
        begin(connection, TransactionBehavior::Immediate).map_err(self.error())
    }

    /// Everything of a write but its commit.
    pub(crate) fn write<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        if self.access == Access::ReadOnly {
            return Err(SqliteError::NotPrimary);
        }
        if !connection.is_autocommit() {
            return Err(SqliteError::OutOfTurn);
        }
        if let Some(place) = &self.place {
            let control = place.files.load()?;
            if !place.node(&control)?.writable() {
                return Err(SqliteError::NotPrimary);
            }
        }
        let behavior = TransactionBehavior::Immediate;
        let mut transaction =
            Transaction::new_unchecked(connection, behavior).map_err(self.error())?;
        let value = work(&transaction).map_err(self.error())?;
        transaction.set_drop_behavior(DropBehavior::Ignore);
        Ok(value)
    }

    /// Commits, if the node may still do that.
    pub(crate) fn commit(&mut self, connection: &Connection) -> Result<Ending, SqliteError> {
        if connection.is_autocommit() {
            self.flags.break_off();
            return Err(SqliteError::Ended);
        }
        let done = self.try_commit(connection);
        if done.is_err() {
            self.abandon(connection)?;
        }
        done
    }

    fn try_commit(&mut self, connection: &Connection) -> Result<Ending, SqliteError> {
        if self.flags.is_cancelled() {
            return Err(SqliteError::Broken);
        }
        let error = self.error();
        if self.access == Access::ReadOnly {
            connection.execute_batch("COMMIT").map_err(error)?;
            let position = self.end(connection)?;
            return Ok(Ending::Committed { position, quorum: None });
        }
        let Some(place) = &self.place else {
            let position = count(connection, 1).map_err(&error)?;
            end(connection, "COMMIT").map_err(error)?;
            self.committed = Some(position);
            return Ok(Ending::Committed { position, quorum: None });
        };
        // From here to the commit nobody is promoted: a commit lies before the fork, or behind it
        // on the old timeline, and its position says which.
        let _held = place.files.shared()?;
        let control = place.files.load()?;
        let node = place.node(&control).inspect_err(|_| self.flags.break_off())?;
        if node.liveness == Liveness::Frozen {
            return Ok(Ending::Frozen);
        }
        self.flags.learn(node.role);
        if !node.writable() {
            return Err(SqliteError::NotPrimary);
        }
        let position = count(connection, node.timeline).map_err(&error)?;
        end(connection, "COMMIT").map_err(error)?;
        self.committed = Some(position);
        let quorum = (control.quorum > 0).then_some((control.quorum, control.quorum_wait));
        Ok(Ending::Committed { position, quorum })
    }

    /// Ends whatever transaction is open, and keeps nothing of it.
    pub(crate) fn abandon(&self, connection: &Connection) -> Result<(), SqliteError> {
        if connection.is_autocommit() {
            return Ok(());
        }
        end(connection, "ROLLBACK").map_err(self.error()).inspect_err(|_| self.flags.break_off())
    }

    /// Brings a commit to replicas, and says whether `wanted` have received it.
    pub(crate) fn confirmed(
        &mut self,
        position: Position,
        wanted: u32,
    ) -> Result<bool, SqliteError> {
        let Some(place) = &mut self.place else { return Ok(true) };
        let control = place.files.load()?;
        if place.node(&control)?.liveness == Liveness::Frozen {
            return Ok(false);
        }
        let mut have = 0;
        for node in &control.nodes {
            if node.name == place.name || node.liveness != Liveness::Up || node.stale {
                continue;
            }
            let Some(applier) = place.applier(&node.name) else { continue };
            // A replica that is busy or broken does not count, this time.
            let _ = applier.work();
            let Ok(mut end) = applier.received() else { continue };
            if node.role == Role::Primary {
                end.timeline = node.timeline;
            }
            if control.covers(end, position) {
                have += 1;
            }
        }
        Ok(have >= wanted)
    }

    pub(crate) fn observe(&mut self, connection: &Connection) -> Result<Observation, SqliteError> {
        let Some(place) = &mut self.place else {
            let counter = counter(connection).map_err(self.error())?;
            return Ok(Observation {
                system: counter.system,
                role: Role::Primary,
                position: counter.end,
                incarnation: 1,
                history: Some(History::default()),
            });
        };
        if self.flags.role() == Some(Role::Replica) {
            place.refresh();
        }
        let control = place.files.load()?;
        let node = place.node(&control)?;
        let mut position = counter(connection).map_err(SqliteError::of(self.access))?.end;
        if node.role == Role::Primary {
            position.timeline = node.timeline;
        }
        Ok(Observation {
            system: control.system,
            role: node.role,
            position,
            incarnation: node.incarnation,
            history: Some(control.history(position.timeline)),
        })
    }

    pub(crate) fn replayed(&mut self, connection: &Connection) -> Result<u64, SqliteError> {
        if let Some(place) = &mut self.place {
            place.refresh();
        }
        Ok(counter(connection).map_err(self.error())?.end.offset)
    }

    /// Where the data ends that this connection has committed, or all of it.
    pub(crate) fn written(&self, connection: &Connection) -> Result<Position, SqliteError> {
        match self.committed {
            Some(position) => Ok(position),
            None => self.end(connection),
        }
    }

    /// Where the data ends that can be read here.
    pub(crate) fn end(&self, connection: &Connection) -> Result<Position, SqliteError> {
        let mut position = counter(connection).map_err(self.error())?.end;
        if let Some(place) = &self.place {
            let control = place.files.load()?;
            let node = place.node(&control)?;
            if node.role == Role::Primary {
                position.timeline = node.timeline;
            }
        }
        Ok(position)
    }
}

fn begin(connection: &Connection, behavior: TransactionBehavior) -> rusqlite::Result<()> {
    end(
        connection,
        match behavior {
            TransactionBehavior::Immediate => "BEGIN IMMEDIATE",
            _ => "BEGIN",
        },
    )
}

/// Statements that every transaction has are prepared once.
fn end(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
