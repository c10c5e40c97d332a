//! Connections to the file: some to read, and one to write, whose queue is in the order of who came.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleResult};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;

use super::error::{SqliteError, SqliteErrorKind};
use super::file::{self, Role};

#[derive(Debug)]
pub(super) struct Connections {
    path: Arc<Path>,
    patience: Duration,
    readers: Pool<Opener>,
    writer: Pool<Opener>,
}

#[derive(Debug)]
struct Opener {
    path: Arc<Path>,
    role: Role,
    patience: Duration,
}

impl Manager for Opener {
    type Type = Connection;
    type Error = SqliteError;

    async fn create(&self) -> Result<Connection, SqliteError> {
        let (path, role, patience) = (Arc::clone(&self.path), self.role, self.patience);
        let opened = spawn_blocking(move || file::open(&path, role, patience)).await;
        opened.unwrap_or_else(|error| Err(ended(&self.path, error)))
    }

    /// Whoever saw an error has closed the connection.
    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<SqliteError> {
        Ok(())
    }
}

impl Connections {
    /// Creates the file, if there is none.
    pub(super) async fn open(
        path: Arc<Path>,
        readers: usize,
        patience: Duration,
    ) -> Result<Self, SqliteError> {
        let opener = |role| Opener { path: Arc::clone(&path), role, patience };
        drop(opener(Role::Creator).create().await?);
        let pool = |role, size| {
            let builder = Pool::builder(opener(role)).max_size(size).runtime(Runtime::Tokio1);
            let pool = builder.wait_timeout(Some(patience)).build();
            pool.map_err(|error| SqliteError::because(&path, SqliteErrorKind::Invalid, error))
        };
        let (readers, writer) = (pool(Role::Reader, readers.max(1))?, pool(Role::Writer, 1)?);
        Ok(Self { path, patience, readers, writer })
    }

    /// Reads, all of it as of one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        self.run(&self.readers, move |connection, path, _| {
            let failed = |error| SqliteError::of(path, error);
            let deferred = TransactionBehavior::Deferred;
            let transaction = Transaction::new_unchecked(connection, deferred).map_err(failed)?;
            work(&transaction).map_err(failed)
        })
        .await
    }

    /// Writes, all of it or nothing.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        self.run(&self.writer, move |connection, path, patience| {
            let failed = |error| SqliteError::of(path, error);
            let transaction = file::begin(connection, patience).map_err(failed)?;
            let done = work(&transaction).map_err(failed)?;
            transaction.commit().map_err(|error| SqliteError::of_commit(path, error))?;
            Ok(done)
        })
        .await
    }

    /// The connection goes along to the thread that may block, and comes back from there: who gives up leaves it to its
    /// work, and nobody else gets it before that is done.
    async fn run<T: Send + 'static>(
        &self,
        pool: &Pool<Opener>,
        work: impl FnOnce(&Connection, &Path, Duration) -> Result<T, SqliteError> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let began = Instant::now();
        let connection = pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            error => SqliteError::because(&self.path, SqliteErrorKind::Busy, error),
        })?;
        let waited = Instant::now().saturating_duration_since(began);
        let (path, left) = (Arc::clone(&self.path), self.patience.saturating_sub(waited));
        let done = spawn_blocking(move || {
            let done = work(&connection, &path, left);
            if done.as_ref().is_err_and(|error| error.kind() != SqliteErrorKind::Busy) {
                drop(Object::take(connection));
            }
            done
        });
        done.await.unwrap_or_else(|error| Err(ended(&self.path, error)))
    }
}

/// Why there is no answer from the thread that may block.
fn ended(path: &Path, error: JoinError) -> SqliteError {
    // What is cancelled has not begun; what panics has.
    let kind =
        if error.is_cancelled() { SqliteErrorKind::Failed } else { SqliteErrorKind::Unknown };
    SqliteError::because(path, kind, error)
}
