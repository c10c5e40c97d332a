//! The embedded backend: SQLite in this process, with nothing to install.
//!
//! A [`SqliteTarget`] is one of two things.
//!
//! A **file** ([`SqliteTarget::file`]) is a primary without replicas: one writer at a time, and as
//! many readers as the pool has connections, which never wait for the writer (SQLite's WAL mode).
//! Several processes may share it.
//!
//! A **node of a cluster** ([`SqliteTarget::node`], [`SqliteCluster`]) is one of several files in a
//! directory, with roles, timelines and lag, which several processes share as well. It fails on
//! demand: kill it, freeze it, pause or delay its replication, promote another. Everything the pool
//! does about real failures can be tested and shown with it. It is not high availability, for all
//! nodes live on one disk.
//!
//! A position counts commits. Each write transaction increments the one row of the table
//! `terrace_commits` in the same transaction, so that the count and the data cannot disagree.
//! Whoever writes to the file without the pool is not counted, and no token covers it.

mod apply;
mod calls;
mod claim;
mod cluster;
mod connection;
mod control;
mod error;
mod files;
mod open;
mod promotion;
mod replication;
mod seat;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

pub use self::claim::IDEMPOTENCY_TABLE;
pub use self::cluster::{SqliteCluster, SqliteNode};
pub use self::connection::SqliteConnection;
pub use self::control::{ControlError, ControlErrorKind, Liveness};
pub use self::error::SqliteError;
pub use self::open::Durability;
pub use self::replication::Replication;

use self::apply::Applier;
use self::files::{Files, WallClock};
use self::seat::{Flags, Place, Seat};
use super::{Access, Backend, Fault, Observation, Role};
use crate::position::Position;

/// After how many steps of SQLite's machine a statement looks whether it is still wanted: a
/// fraction of a millisecond.
const CANCEL: i32 = 10_000;

type OnConnect = dyn Fn(&rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync;

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) busy: Duration,
    pub(crate) durability: Durability,
    pub(crate) statements: usize,
    pub(crate) on_connect: Option<Arc<OnConnect>>,
}

/// The embedded backend.
///
/// # Clone
///
/// Clones share the queues of writers, and nothing else.
#[derive(Clone)]
pub struct Sqlite {
    settings: Settings,
    /// By file. SQLite's lock has no order; a queue does, and blocks no thread.
    queues: Arc<Mutex<HashMap<PathBuf, Weak<Semaphore>>>>,
}

/// Where an embedded node is.
#[derive(Clone)]
pub struct SqliteTarget(Where);

#[derive(Clone)]
enum Where {
    File(PathBuf),
    Node { dir: PathBuf, name: Arc<str>, clock: WallClock },
}

impl SqliteTarget {
    /// A file of its own: always the primary. It is created with the first connection; its
    /// directory must exist.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Where::File(path.into()))
    }

    /// A node of the cluster in a directory; see [`SqliteCluster`].
    pub fn node(dir: impl Into<PathBuf>, name: impl Into<Arc<str>>) -> Self {
        Self::of(dir.into(), name.into(), WallClock::system())
    }

    fn of(dir: PathBuf, name: Arc<str>, clock: WallClock) -> Self {
        Self(Where::Node { dir, name, clock })
    }

    fn path(&self) -> PathBuf {
        match &self.0 {
            Where::File(path) => path.clone(),
            Where::Node { dir, name, .. } => dir.join(format!("{name}.db")),
        }
    }
}

impl fmt::Debug for SqliteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteTarget").field(&self.path()).finish()
    }
}

impl Default for Sqlite {
    fn default() -> Self {
        Self::new()
    }
}

impl Sqlite {
    /// With the defaults: see the methods below.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings {
            busy: Duration::from_secs(5),
            durability: Durability::Full,
            statements: 64,
            on_connect: None,
        };
        Self { settings, queues: Arc::default() }
    }

    /// How long a write waits for other writers of the same file, in this process and in others.
    ///
    /// 5 s by default: longer than any sensible transaction, and shorter than users wait.
    #[must_use]
    pub fn busy_timeout(mut self, limit: Duration) -> Self {
        self.settings.busy = limit;
        self
    }

    /// How safe a commit is when it is acknowledged. [`Durability::Full`] by default.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// How many statements each connection keeps prepared (`prepare_cached`). 64 by default: more
    /// than most applications have, and a few kilobytes each.
    #[must_use]
    pub fn statement_cache(mut self, statements: usize) -> Self {
        self.settings.statements = statements;
        self
    }

    /// Prepares each new connection: pragmas, functions, collations.
    ///
    /// It must not write to the database.
    #[must_use]
    pub fn on_connect(
        mut self,
        prepare: impl Fn(&rusqlite::Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_connect = Some(Arc::new(prepare));
        self
    }

    fn queue(&self, path: &Path) -> Arc<Semaphore> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|_, queue| queue.strong_count() > 0);
        if let Some(queue) = queues.get(path).and_then(Weak::upgrade) {
            return queue;
        }
        let queue = Arc::new(Semaphore::new(1));
        queues.insert(path.to_owned(), Arc::downgrade(&queue));
        queue
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("busy_timeout", &self.settings.busy)
            .field("durability", &self.settings.durability)
            .finish_non_exhaustive()
    }
}

/// Opens a connection, or says that the node is frozen.
fn open_target(
    target: &Where,
    access: Access,
    settings: &Settings,
    flags: Arc<Flags>,
) -> Result<Option<(rusqlite::Connection, Seat)>, SqliteError> {
    let cancelled = Arc::clone(&flags);
    let opened = open_at(target, access, settings, flags)?;
    if let Some((connection, _)) = &opened {
        // An interrupt ends only what runs at that moment. This also ends what begins after it.
        let stop = move || cancelled.is_cancelled();
        connection.progress_handler(CANCEL, Some(stop)).map_err(SqliteError::of(access))?;
    }
    Ok(opened)
}

fn open_at(
    target: &Where,
    access: Access,
    settings: &Settings,
    flags: Arc<Flags>,
) -> Result<Option<(rusqlite::Connection, Seat)>, SqliteError> {
    match target {
        Where::File(path) => {
            let connection =
                open::open(path, settings, access, true).map_err(SqliteError::of(access))?;
            Ok(Some((connection, Seat::new(None, access, flags))))
        }
        Where::Node { dir, name, clock } => {
            let files = Arc::new(Files::open(dir)?);
            let mut control = files.load()?;
            if control.node(name)?.stale {
                // Whoever wants it first rebuilds it.
                Applier::new(Arc::clone(&files), clock.clone(), name).work()?;
                control = files.load()?;
            }
            let node = control.node(name)?;
            match node.liveness {
                Liveness::Down => return Err(SqliteError::Down),
                Liveness::Frozen => return Ok(None),
                Liveness::Up if node.stale => return Err(SqliteError::Rebuilding),
                Liveness::Up => {}
            }
            let path = files.database(name);
            let connection =
                open::open(&path, settings, access, false).map_err(SqliteError::of(access))?;
            let place = Place::new(Arc::clone(&files), name, node.incarnation, clock.clone());
            let seat = Seat::new(Some(place), access, flags);
            // Learns the role, and that nothing has happened meanwhile.
            seat.gate()?;
            Ok(Some((connection, seat)))
        }
    }
}

impl Backend for Sqlite {
    type Target = SqliteTarget;
    type Connection = SqliteConnection;
    type Error = SqliteError;

    fn system_name(&self) -> &'static str {
        "sqlite"
    }

    async fn connect(
        &self,
        target: &SqliteTarget,
        access: Access,
    ) -> Result<SqliteConnection, SqliteError> {
        let queue = self.queue(&target.path());
        let deadline = Instant::now() + self.settings.busy;
        loop {
            let (place, settings) = (target.0.clone(), self.settings.clone());
            let opened = SqliteConnection::open(
                access,
                self.settings.busy,
                Arc::clone(&queue),
                move |flags| open_target(&place, access, &settings, flags),
            );
            match opened.await {
                Ok(Some(connection)) => return Ok(connection),
                // A frozen node neither answers nor refuses; the pool's deadline ends this.
                Ok(None) => {}
                // Two connections that make a new file at once: SQLite does not wait for that.
                Err(error) if error.fault() == Fault::Conflict && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn is_open(&self, connection: &SqliteConnection) -> bool {
        connection.is_open()
    }

    fn role(&self, connection: &SqliteConnection) -> Option<Role> {
        connection.role()
    }

    async fn changed(&self, connection: &SqliteConnection) {
        connection.changed().await;
    }

    async fn ping(&self, connection: &mut SqliteConnection) -> Result<(), SqliteError> {
        connection.ping().await
    }

    async fn observe(&self, connection: &mut SqliteConnection) -> Result<Observation, SqliteError> {
        connection.observe().await
    }

    async fn replayed(&self, connection: &mut SqliteConnection) -> Result<u64, SqliteError> {
        connection.replayed().await
    }

    async fn readable(&self, connection: &mut SqliteConnection) -> Result<Position, SqliteError> {
        connection.readable().await
    }

    async fn written(&self, connection: &mut SqliteConnection) -> Result<Position, SqliteError> {
        connection.written().await
    }

    async fn begin(&self, connection: &mut SqliteConnection) -> Result<(), SqliteError> {
        connection.begin().await
    }

    async fn commit(
        &self,
        connection: &mut SqliteConnection,
        position: bool,
    ) -> Result<Option<Position>, SqliteError> {
        // The commit knows its position anyway.
        connection.commit().await.map(|at| position.then_some(at))
    }

    async fn rollback(&self, connection: &mut SqliteConnection) -> Result<(), SqliteError> {
        connection.rollback().await
    }

    fn fault(&self, error: &SqliteError) -> Fault {
        error.fault()
    }
}
