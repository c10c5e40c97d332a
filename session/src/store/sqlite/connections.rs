//! Connections to the file: some to read, and one to write.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleResult};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::task::{JoinError, spawn_blocking};

use super::error::{SqliteError, SqliteErrorKind};
use super::file::{self, Role};
use super::writer::Writer;

#[derive(Debug)]
pub(super) struct Connections {
    path: Arc<Path>,
    readers: Pool<Opener>,
    writer: Arc<Writer>,
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
        let readers = Pool::builder(opener(Role::Reader))
            .max_size(readers.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(patience))
            .build()
            .map_err(|error| SqliteError::because(&path, SqliteErrorKind::Invalid, error))?;
        let writer = Arc::new(Writer::new(Arc::clone(&path), patience));
        Ok(Self { path, readers, writer })
    }

    /// Writes, all of it or nothing.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        self.writer.write(work).await
    }

    /// Reads, all of it as of one moment.
    ///
    /// The connection goes along to the thread that may block, and comes back from there: who gives up leaves it to its
    /// work, and nobody else gets it before that is done.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let connection = self.readers.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            error => SqliteError::because(&self.path, SqliteErrorKind::Busy, error),
        })?;
        let path = Arc::clone(&self.path);
        let done = spawn_blocking(move || {
            let done = look(&connection, work).map_err(|error| SqliteError::of(&path, error));
            if done.as_ref().is_err_and(|error| error.kind() != SqliteErrorKind::Busy) {
                drop(Object::take(connection));
            }
            done
        });
        done.await.unwrap_or_else(|error| Err(ended(&self.path, error)))
    }
}

fn look<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    work(&*Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?)
}

/// Why there is no answer from the thread that may block.
fn ended(path: &Path, error: JoinError) -> SqliteError {
    // What is cancelled has not begun; what panics has.
    let kind =
        if error.is_cancelled() { SqliteErrorKind::Failed } else { SqliteErrorKind::Unknown };
    SqliteError::because(path, kind, error)
}
