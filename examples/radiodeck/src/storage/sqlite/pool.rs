//! Connections to the file.

use std::path::Path;
use std::time::Duration;

use deadpool_sqlite::{Config, Hook, HookError, InteractError, Manager, Pool, PoolError, Runtime};
use rusqlite::Connection;
use tokio::time::{Instant, sleep};

use crate::storage::{StoreError, StoreErrorKind};

/// How long a request waits for a connection. Reads take microseconds, so two seconds of queue mean
/// that the machine is overwhelmed and the caller is better told so.
const POOL_WAIT: Duration = Duration::from_secs(2);

/// How long a connection waits for another process's lock on the file. Longer than the first
/// filling of the database takes on a slow disk, as a second app server waits for just that.
const LOCK_WAIT_MS: u32 = 30_000;

pub(super) fn pool(path: &Path, size: usize, role: &'static str) -> Result<Pool, StoreError> {
    let manager = Manager::from_config(&Config::new(path), Runtime::Tokio1);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(POOL_WAIT))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |connection, _| {
            Box::pin(async move {
                connection
                    .interact(move |connection| configure(connection, role))
                    .await
                    .map_err(|error| HookError::message(error.to_string()))?
                    .map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| StoreError::new(StoreErrorKind::Failed, "open", error))
}

fn configure(connection: &Connection, role: &str) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    // `synchronous = FULL`: writes are rare here, so an acknowledged one may as well survive a
    // power cut. `mmap_size`: reads come from the page cache without a copy.
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {LOCK_WAIT_MS};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA mmap_size = 268435456;
         {role};"
    ))
}

/// Makes the first connection, which creates the file and turns on WAL.
///
/// Of several processes that turn on WAL in a new file at once, SQLite refuses all but one, however
/// long they would wait for a lock. Who was refused looks again, and finds it done.
pub(super) async fn create(pool: &Pool) -> Result<(), StoreError> {
    let deadline = Instant::now() + Duration::from_millis(LOCK_WAIT_MS.into());
    loop {
        match pool.get().await {
            Ok(_) => return Ok(()),
            Err(PoolError::PostCreateHook(HookError::Backend(error)))
                if kind_of(&error) == StoreErrorKind::Busy && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(5)).await;
            }
            Err(error) => {
                return Err(StoreError::new(StoreErrorKind::Unavailable, "open", error));
            }
        }
    }
}

pub(super) async fn interact<T: Send + 'static>(
    pool: &Pool,
    operation: &'static str,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let connection = pool.get().await.map_err(|error| match error {
        PoolError::Timeout(_) => StoreError::new(StoreErrorKind::Busy, operation, error),
        _ => StoreError::new(StoreErrorKind::Unavailable, operation, error),
    })?;
    match connection.interact(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError::new(kind_of(&error), operation, error)),
        Err(InteractError::Panic(_)) => Err(StoreError::of(StoreErrorKind::Failed, operation)),
        Err(InteractError::Cancelled) => Err(StoreError::of(StoreErrorKind::Busy, operation)),
    }
}

fn kind_of(error: &rusqlite::Error) -> StoreErrorKind {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => StoreErrorKind::Busy,
        Some(CannotOpen | SystemIoFailure) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Failed,
    }
}
