//! Each rule of the embedded backend, with a control that shows what the rule prevents.

mod cancel;
mod file;
mod format;
mod knobs;
mod pool;
mod replicas;
mod timelines;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::OptionalExtension as _;
use tempfile::TempDir;

use super::{Durability, Sqlite, SqliteCluster, SqliteConnection, SqliteError};
use crate::backend::{Access, Backend as _, Fault, Observation};
use crate::position::Position;

/// A cluster in a directory of its own, and a clock that stands still.
struct Bed {
    cluster: SqliteCluster,
    sqlite: Sqlite,
    millis: Arc<AtomicU64>,
    dir: TempDir,
}

fn sqlite() -> Sqlite {
    Sqlite::new().durability(Durability::Process)
}

fn at(timeline: u32, offset: u64) -> Position {
    Position::new(timeline, offset)
}

impl Bed {
    async fn new(names: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let millis = Arc::new(AtomicU64::new(1_000_000));
        let cluster = SqliteCluster::create(dir.path(), names).unwrap();
        let bed = Self { cluster, sqlite: sqlite(), millis, dir };
        let bed = Self { cluster: bed.other(), ..bed };
        let mut writer = bed.writer(names[0]).await;
        writer
            .write(|t| t.execute_batch("CREATE TABLE kv (k TEXT PRIMARY KEY, v INTEGER NOT NULL)"))
            .await
            .unwrap();
        bed.cluster.replicate_once().unwrap();
        bed
    }

    /// The cluster as another process would open it, with the same clock.
    fn other(&self) -> SqliteCluster {
        let millis = Arc::clone(&self.millis);
        SqliteCluster::open(self.dir.path())
            .unwrap()
            .clock(move || Duration::from_millis(millis.load(Ordering::SeqCst)))
    }

    fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    async fn connect(&self, name: &str, access: Access) -> Result<SqliteConnection, SqliteError> {
        self.sqlite.connect(&self.cluster.target(name), access).await
    }

    async fn reader(&self, name: &str) -> SqliteConnection {
        self.connect(name, Access::ReadOnly).await.unwrap()
    }

    async fn writer(&self, name: &str) -> SqliteConnection {
        self.connect(name, Access::ReadWrite).await.unwrap()
    }

    async fn get(&self, name: &str, key: &str) -> Option<i64> {
        get(&mut self.reader(name).await, key).await.unwrap()
    }

    async fn observe(&self, name: &str) -> Observation {
        self.sqlite.observe(&mut self.reader(name).await).await.unwrap()
    }

    async fn refused(&self, name: &str) -> Fault {
        self.connect(name, Access::ReadOnly).await.unwrap_err().fault()
    }
}

async fn put(
    connection: &mut SqliteConnection,
    key: &str,
    value: i64,
) -> Result<Position, SqliteError> {
    let key = key.to_owned();
    let written = connection.write(move |transaction| {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO kv VALUES (?1, ?2)")?
            .execute((key, value))
    });
    written.await.map(|(_, position)| position)
}

async fn get(connection: &mut SqliteConnection, key: &str) -> Result<Option<i64>, SqliteError> {
    let key = key.to_owned();
    connection
        .read(move |connection| {
            connection
                .prepare_cached("SELECT v FROM kv WHERE k = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
        .await
}
