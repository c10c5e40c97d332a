//! How a replica gets its data: whole copies of the primary's file, by SQLite's online backup.
//!
//! A copy is one transaction on the replica's file, so that its readers see the state before or
//! after it. A replica that shows data later than it gets it (a delay, a pause) keeps the copies
//! in its inbox until they are due; a promotion shows the newest first, as PostgreSQL replays what
//! it has received.
//!
//! Whole copies are simple and never wrong, and fit files of some megabytes: tests, demonstrations,
//! one machine. Who needs more than that wants a database with replication.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::control::{Control, Liveness, NodeState};
use super::error::SqliteError;
use super::files::{Files, Held, WallClock};
use super::open::{Durability, counter, plain};
use crate::backend::{Access, Role};
use crate::position::Position;

/// How long a copy waits for the replica's file. Short: it holds the cluster's lock meanwhile, and
/// the next one is not far.
const BUSY: Duration = Duration::from_millis(50);
/// Copies that an inbox holds; beyond it the newest replaces the one before.
const INBOX: usize = 64;
/// How many copies a delay is divided into: data is shown late by up to this fraction of it.
const STEPS: u64 = 8;
/// A replica's log is folded into its file beyond this many bytes; SQLite does so by itself only
/// for statements.
const LOG: u64 = 4 << 20;

/// Keeps one replica's file up to date, together with the appliers of other processes.
#[derive(Debug)]
pub(crate) struct Applier {
    files: Arc<Files>,
    clock: WallClock,
    name: String,
    file: Option<Connection>,
    source: Option<(String, Connection)>,
}

/// A copy in an inbox, as its name says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Received {
    millis: u64,
    end: Position,
    path: PathBuf,
}

fn failed(error: rusqlite::Error) -> SqliteError {
    SqliteError::Sqlite { error, access: Access::ReadWrite }
}

impl Applier {
    pub(crate) fn new(files: Arc<Files>, clock: WallClock, name: &str) -> Self {
        Self { files, clock, name: name.to_owned(), file: None, source: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes what the primary has and shows what is due, unless somebody else is doing it.
    pub(crate) fn work(&mut self) -> Result<(), SqliteError> {
        let files = Arc::clone(&self.files);
        let Some(_right) = files.apply_right(&self.name)? else { return Ok(()) };
        let rebuilt = {
            let held = files.shared()?;
            let control = files.load()?;
            let node = control.node(&self.name)?.clone();
            if node.role != Role::Replica || node.liveness != Liveness::Up {
                return Ok(());
            }
            if node.stale {
                self.rebuild(&held, &control)?
            } else {
                self.receive(&control, &node)?;
                self.show(&node)?;
                None
            }
        };
        // The data is in place: say so, unless the cluster has moved on meanwhile.
        if let Some((leader, timeline)) = rebuilt {
            let held = files.exclusive()?;
            files.update(&held, |control| {
                let same = control
                    .leader()
                    .is_some_and(|now| now.name == leader && now.timeline == timeline);
                let node = control.node_mut(&self.name)?;
                if same && node.stale && node.role == Role::Replica {
                    node.stale = false;
                    node.incarnation += 1;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Where the data ends that this node has received, shown or not.
    pub(crate) fn received(&mut self) -> Result<Position, SqliteError> {
        let newest = self.inbox()?.pop().map(|received| received.end);
        Ok(self.shown()?.max(newest.unwrap_or(Position::new(0, 0))))
    }

    /// Where the data ends that can be read here.
    pub(crate) fn shown(&mut self) -> Result<Position, SqliteError> {
        counter(self.file()?).map(|counter| counter.end).map_err(failed)
    }

    /// Shows all that was received. Under the exclusive lock: no other applier is at work then.
    pub(crate) fn show_all(&mut self, held: &Held<'_>) -> Result<(), SqliteError> {
        let _ = held;
        if let Some(newest) = self.inbox()?.pop()
            && newest.end > self.shown()?
        {
            self.install(&newest)?;
        }
        self.clear()
    }

    /// Makes this node's data that of another. Under the cluster's lock.
    pub(crate) fn copy_of(
        &mut self,
        held: &Held<'_>,
        node: &NodeState,
    ) -> Result<Position, SqliteError> {
        let _ = held;
        self.take(&node.name, node.timeline)?;
        self.clear()?;
        self.shown()
    }

    fn rebuild(
        &mut self,
        held: &Held<'_>,
        control: &Control,
    ) -> Result<Option<(String, u32)>, SqliteError> {
        match self.leader(control) {
            Some(leader) => {
                self.copy_of(held, leader)?;
                Ok(Some((leader.name.clone(), leader.timeline)))
            }
            None => Ok(None),
        }
    }

    /// Whom to copy from, if it can be asked.
    fn leader<'a>(&self, control: &'a Control) -> Option<&'a NodeState> {
        control.leader().filter(|node| node.liveness == Liveness::Up && node.name != self.name)
    }

    fn receive(&mut self, control: &Control, node: &NodeState) -> Result<(), SqliteError> {
        let Some(leader) = self.leader(control) else { return Ok(()) };
        let end = counter(self.source(&leader.name)?).map_err(failed)?.end;
        let end = Position::new(leader.timeline, end.offset);
        let inbox = self.inbox()?;
        let last = inbox.last().cloned();
        if last.as_ref().map_or(self.shown()?, |last| last.end) == end {
            return Ok(());
        }
        if node.delay == 0 && !node.paused {
            self.take(&leader.name, leader.timeline)?;
            return self.clear();
        }
        let now = self.clock.millis();
        let early = last.as_ref().is_some_and(|last| now < last.millis + node.delay / STEPS);
        // A commit that waits for this replica cannot wait for the next step.
        if early && control.quorum == 0 {
            return Ok(());
        }
        // In the order in which they came, even if the clock was set back.
        let now = last.as_ref().map_or(now, |last| now.max(last.millis));
        self.keep(&leader.name, leader.timeline, now)?;
        if inbox.len() >= INBOX
            && let Some(last) = last
        {
            remove(&last)?;
        }
        Ok(())
    }

    /// Shows the newest copy that is due, and forgets those before it.
    fn show(&mut self, node: &NodeState) -> Result<(), SqliteError> {
        let now = self.clock.millis();
        let mut due = self.inbox()?;
        due.retain(|received| received.millis.saturating_add(node.delay) <= now);
        let Some(newest) = due.pop() else { return Ok(()) };
        for older in due {
            remove(&older)?;
        }
        if node.paused {
            return Ok(());
        }
        if newest.end > self.shown()? {
            self.install(&newest)?;
        }
        remove(&newest)
    }

    fn file(&mut self) -> Result<&mut Connection, SqliteError> {
        if self.file.is_none() {
            let path = self.files.database(&self.name);
            self.file = Some(plain(&path, BUSY, Durability::Full).map_err(failed)?);
        }
        self.file.as_mut().ok_or(SqliteError::Broken)
    }

    fn source(&mut self, leader: &str) -> Result<&Connection, SqliteError> {
        if self.source.as_ref().is_none_or(|(name, _)| name != leader) {
            let path = self.files.database(leader);
            let connection = plain(&path, BUSY, Durability::Full).map_err(failed)?;
            self.source = Some((leader.to_owned(), connection));
        }
        self.source.as_ref().map(|(_, connection)| connection).ok_or(SqliteError::Broken)
    }

    /// Copies the primary's file into this node's.
    fn take(&mut self, leader: &str, timeline: u32) -> Result<(), SqliteError> {
        self.source(leader)?;
        self.file()?;
        if let (Some((_, source)), Some(file)) = (&self.source, &mut self.file) {
            copy(source, file)?;
            settle(file, timeline)?;
        }
        self.fold()
    }

    /// Shows a copy from the inbox.
    fn install(&mut self, received: &Received) -> Result<(), SqliteError> {
        let snapshot = Connection::open(&received.path).map_err(failed)?;
        let file = self.file()?;
        copy(&snapshot, file)?;
        settle(file, received.end.timeline)?;
        self.fold()
    }

    /// Copies the primary's file into the inbox.
    fn keep(&mut self, leader: &str, timeline: u32, now: u64) -> Result<(), SqliteError> {
        let inbox = self.files.inbox(&self.name);
        fs::create_dir_all(&inbox)?;
        let temporary = inbox.join("new");
        // Somebody may have died over an earlier one.
        for left in ["new", "new-journal", "new-wal", "new-shm"] {
            unlink(&inbox.join(left))?;
        }
        let end = {
            let mut snapshot = Connection::open(&temporary).map_err(failed)?;
            copy(self.source(leader)?, &mut snapshot)?;
            // One plain file, without a log beside it, which a rename would leave behind.
            snapshot.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
            counter(&snapshot).map_err(failed)?.end
        };
        let name = format!("{now:020}-{timeline:010}-{:020}", end.offset);
        fs::rename(&temporary, inbox.join(name))?;
        Ok(())
    }

    /// What the inbox holds, oldest first.
    fn inbox(&self) -> Result<Vec<Received>, SqliteError> {
        let entries = match fs::read_dir(self.files.inbox(&self.name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut received = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if let Some((millis, end)) = path.file_name().and_then(|name| parse(name.to_str()?)) {
                received.push(Received { millis, end, path });
            }
        }
        received.sort();
        Ok(received)
    }

    fn clear(&self) -> Result<(), SqliteError> {
        self.inbox()?.iter().try_for_each(remove)
    }

    fn fold(&mut self) -> Result<(), SqliteError> {
        let mut log = self.files.database(&self.name).into_os_string();
        log.push("-wal");
        if fs::metadata(log).is_ok_and(|log| log.len() > LOG) {
            let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
            self.file()?.query_row(checkpoint, [], |_| Ok(())).map_err(failed)?;
        }
        Ok(())
    }
}

fn parse(name: &str) -> Option<(u64, Position)> {
    let mut parts = name.split('-');
    let (millis, timeline, offset) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (millis.len(), timeline.len(), offset.len()) != (20, 10, 20) {
        return None;
    }
    Some((millis.parse().ok()?, Position::new(timeline.parse().ok()?, offset.parse().ok()?)))
}

/// One copy, in one transaction.
fn copy(from: &Connection, to: &mut Connection) -> Result<(), SqliteError> {
    let backup = Backup::new(from, to).map_err(failed)?;
    match backup.step(-1).map_err(failed)? {
        StepResult::Done => Ok(()),
        _ => Err(failed(busy("the file is in use"))),
    }
}

/// Notes whose data it is: the primary notes its timeline with its first commit only.
fn settle(file: &Connection, timeline: u32) -> Result<(), SqliteError> {
    let sql = "UPDATE terrace_commits SET timeline = ?1 WHERE timeline < ?1";
    file.prepare_cached(sql)
        .and_then(|mut statement| statement.execute([timeline]))
        .map(drop)
        .map_err(failed)
}

pub(crate) fn busy(message: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    rusqlite::Error::SqliteFailure(code, Some(message.to_owned()))
}

fn remove(received: &Received) -> Result<(), SqliteError> {
    unlink(&received.path)
}

fn unlink(path: &Path) -> Result<(), SqliteError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
