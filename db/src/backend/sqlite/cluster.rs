//! A cluster of files that fails on demand.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::SqliteTarget;
use super::apply::Applier;
use super::control::{Control, Liveness, NodeState};
use super::error::SqliteError;
use super::files::{Files, Held, WallClock};
use super::open::{Durability, insert, plain, system};
use super::replication::Replication;
use crate::backend::{Access, Role};
use crate::position::{Position, SystemId};

/// A cluster of SQLite files in a directory, and the knobs that make it fail.
///
/// Several processes may open the same directory; what one does, all see. Each node has a file of
/// its own. Replicas get whole copies of the primary's file, so the cluster is for tests,
/// demonstrations and small data, not for keeping data safe: all files lie on one disk.
///
/// The knobs do what happens to real databases, and nothing more clever: [`kill`](Self::kill),
/// [`freeze`](Self::freeze), [`pause`](Self::pause), [`delay`](Self::delay),
/// [`promote`](Self::promote). A promotion leaves the old primary alone: it stays writable on its
/// own timeline, if it is up, until it is told to [`follow`](Self::follow).
///
/// All methods block for some file operations, and those that copy data (`switchover`, `follow`,
/// `promote` with a delayed replica) for as long as the copy takes. In an async program that serves
/// others meanwhile, call them in `spawn_blocking`.
///
/// # Clone
///
/// Clones share the opened files and the clock.
#[derive(Clone)]
pub struct SqliteCluster {
    pub(super) files: Arc<Files>,
    clock: WallClock,
}

/// A node as its cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SqliteNode {
    /// Its name.
    pub name: String,
    /// What it is. There are two primaries while an old one has not been told of a promotion.
    pub role: Role,
    /// Whether it answers.
    pub liveness: Liveness,
    /// The timeline of its data; on a primary, the one that it writes.
    pub timeline: u32,
    /// How many commits can be read there.
    pub shown: u64,
    /// How many commits it has received; more than `shown` on a delayed or paused replica.
    pub received: u64,
    /// Changes when it starts again, and when it is rebuilt.
    pub incarnation: u64,
    /// Whether it holds back what it receives.
    pub paused: bool,
    /// How long it holds back what it receives.
    pub delay: Duration,
    /// Whether writes are forbidden on it.
    pub fenced: bool,
    /// Whether it waits to be rebuilt, and serves nobody until then.
    pub stale: bool,
}

impl SqliteCluster {
    /// Makes a cluster in a directory, which is created if need be. The first name is the primary.
    ///
    /// # Errors
    ///
    /// [`SqliteError::Exists`] if there is one already, [`SqliteError::Name`] if a name cannot be a
    /// file's, [`SqliteError::Io`] if the directory cannot be written.
    pub fn create(dir: impl AsRef<Path>, names: &[&str]) -> Result<Self, SqliteError> {
        let control = Control::new(system()?, names)?;
        let files = Files::prepare(dir.as_ref())?;
        {
            let held = files.exclusive()?;
            if files.exists() {
                return Err(SqliteError::Exists(dir.as_ref().display().to_string()));
            }
            let Some((first, others)) = control.nodes.split_first() else {
                return Err(SqliteError::Name(String::new()));
            };
            let path = files.database(&first.name);
            plain(&path, Duration::from_secs(1), Durability::Full)
                .and_then(|connection| insert(&connection, control.system))
                .map_err(SqliteError::of(Access::ReadWrite))?;
            let files = Arc::new(Files::open(dir.as_ref())?);
            for node in others {
                Applier::new(Arc::clone(&files), WallClock::system(), &node.name)
                    .copy_of(&held, first)?;
            }
            files.store(&control)?;
        }
        Self::open(dir)
    }

    /// Opens the cluster that another process, or an earlier run, has made.
    ///
    /// # Errors
    ///
    /// [`SqliteError::Io`] if there is none, [`SqliteError::Control`] if it is damaged.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, SqliteError> {
        let files = Arc::new(Files::open(dir.as_ref())?);
        files.load()?;
        Ok(Self { files, clock: WallClock::system() })
    }

    /// Opens the cluster, or makes it if there is none. Processes that start together agree.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn open_or_create(dir: impl AsRef<Path>, names: &[&str]) -> Result<Self, SqliteError> {
        match Self::create(dir.as_ref(), names) {
            Err(SqliteError::Exists(_)) => Self::open(dir),
            done => done,
        }
    }

    /// Takes the time from here instead of the system's wall clock: the time since the Unix epoch.
    ///
    /// Only delays use it. It must be the same for all processes of a cluster. It counts for the
    /// targets that are made afterwards.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = WallClock::new(now);
        self
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.files.dir().to_owned()
    }

    /// Where a node of this cluster is, for the pool. Whether there is such a node shows when it is
    /// connected to.
    #[must_use]
    pub fn target(&self, name: &str) -> SqliteTarget {
        SqliteTarget::of(self.dir(), name.into(), self.clock.clone())
    }

    /// The cluster's identity.
    ///
    /// # Errors
    ///
    /// When the control file cannot be read.
    pub fn system(&self) -> Result<SystemId, SqliteError> {
        Ok(self.files.load()?.system)
    }

    /// All nodes, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn nodes(&self) -> Result<Vec<SqliteNode>, SqliteError> {
        let held = self.files.shared()?;
        let control = self.files.load()?;
        control.nodes.iter().map(|node| self.describe(&held, node)).collect()
    }

    fn describe(&self, held: &Held<'_>, node: &NodeState) -> Result<SqliteNode, SqliteError> {
        let (shown, received) = self.ends(held, node)?;
        let primary = node.role == Role::Primary;
        Ok(SqliteNode {
            name: node.name.clone(),
            role: node.role,
            liveness: node.liveness,
            timeline: if primary { node.timeline } else { shown.timeline },
            shown: shown.offset,
            received: received.offset,
            incarnation: node.incarnation,
            paused: node.paused,
            delay: Duration::from_millis(node.delay),
            fenced: node.fenced,
            stale: node.stale,
        })
    }

    /// The name of the primary: of the one on the highest timeline, whether it is up or not.
    ///
    /// # Errors
    ///
    /// [`SqliteError::NoPrimary`] if there is none.
    pub fn primary(&self) -> Result<String, SqliteError> {
        let control = self.files.load()?;
        control.leader().map(|node| node.name.clone()).ok_or(SqliteError::NoPrimary)
    }

    /// The replica that has received most, among those that are up: whom to promote.
    ///
    /// # Errors
    ///
    /// [`SqliteError::Refused`] if no replica is up.
    pub fn freshest(&self) -> Result<String, SqliteError> {
        self.nodes()?
            .into_iter()
            .filter(|node| {
                node.role == Role::Replica && node.liveness == Liveness::Up && !node.stale
            })
            // The first of equals: the last maximum is that of the reversed order.
            .rev()
            .max_by_key(|node| (node.timeline, node.received))
            .map(|node| node.name)
            .ok_or(SqliteError::Refused("no replica is up"))
    }

    /// Kills a node: it refuses connections, and those it had are broken. Its data stays.
    ///
    /// # Errors
    ///
    /// [`SqliteError::UnknownNode`], or when the control file cannot be written: so do all knobs.
    pub fn kill(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| node.liveness = Liveness::Down)
    }

    /// Starts a killed node again, in the role it had. Without effect on a node that is not down.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn start(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| {
            if node.liveness == Liveness::Down {
                node.liveness = Liveness::Up;
                node.incarnation += 1;
            }
        })
    }

    /// Freezes a node, as SIGSTOP does: it gives no answer, and breaks nothing. Without effect on a
    /// node that is down.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn freeze(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| {
            if node.liveness == Liveness::Up {
                node.liveness = Liveness::Frozen;
            }
        })
    }

    /// Lets a frozen node go on: with what it was doing, and in the role it had.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn thaw(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| {
            if node.liveness == Liveness::Frozen {
                node.liveness = Liveness::Up;
            }
        })
    }

    /// Stops a replica from showing what it receives.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn pause(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| node.paused = true)
    }

    /// Lets a paused replica show what it has received.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn resume(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| node.paused = false)
    }

    /// Lets a replica show data this long after it has received it; in whole milliseconds.
    ///
    /// Never earlier, and later by up to an eighth, because copies are taken that far apart.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn delay(&self, name: &str, delay: Duration) -> Result<(), SqliteError> {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.change(name, |node| node.delay = millis)
    }

    /// Forbids writes on a node, whatever its role.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn fence(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| node.fenced = true)
    }

    /// Lifts a fence.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn unfence(&self, name: &str) -> Result<(), SqliteError> {
        self.change(name, |node| node.fenced = false)
    }

    /// Acknowledges commits only once this many replicas have received them; 0, the default, waits
    /// for none.
    ///
    /// After `wait` (in whole milliseconds; 1 s at first) a commit fails with
    /// [`SqliteError::Unconfirmed`], though the primary has it. Any `n` from 1 up keeps what was
    /// acknowledged if it is always the [`freshest`](Self::freshest) of at least `N - n + 1` of `N`
    /// replicas that is promoted.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn quorum(&self, n: u32, wait: Duration) -> Result<(), SqliteError> {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let held = self.files.exclusive()?;
        self.files.update(&held, |control| {
            (control.quorum, control.quorum_wait) = (n, millis);
            Ok(())
        })
    }

    /// Brings all replicas up to date, as far as their pauses and delays allow.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written.
    pub fn replicate_once(&self) -> Result<(), SqliteError> {
        let control = self.files.load()?;
        for node in control.nodes.iter().filter(|node| node.role == Role::Replica) {
            self.applier(&node.name).work()?;
        }
        Ok(())
    }

    /// Keeps all replicas up to date while the guard lives.
    ///
    /// Several processes may do so at once; each replica has one writer at a time. Without it,
    /// replicas move when the pool looks at them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn replicate(&self) -> Replication {
        Replication::start(&self.files, &self.clock)
    }

    pub(super) fn applier(&self, name: &str) -> Applier {
        Applier::new(Arc::clone(&self.files), self.clock.clone(), name)
    }

    /// Where a node's data ends: what it shows, and what it has received.
    pub(super) fn ends(
        &self,
        held: &Held<'_>,
        node: &NodeState,
    ) -> Result<(Position, Position), SqliteError> {
        let _ = held;
        // A node that never was built has no counter.
        if node.stale {
            return Ok((Position::new(node.timeline, 0), Position::new(node.timeline, 0)));
        }
        let mut applier = self.applier(&node.name);
        Ok((applier.shown()?, applier.received()?))
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut NodeState)) -> Result<(), SqliteError> {
        let held = self.files.exclusive()?;
        self.files.update(&held, |control| {
            change(control.node_mut(name)?);
            Ok(())
        })
    }
}

impl fmt::Debug for SqliteCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCluster").field("dir", &self.files.dir()).finish_non_exhaustive()
    }
}
