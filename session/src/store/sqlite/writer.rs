//! The one connection that writes, and its queue.
//!
//! SQLite lets one write at a time, so that writers of a process wait for each other in any case. Here they wait in the
//! order they came, and one thread does the work of all who wait: to hand the connection from thread to thread would
//! take several times as long as a transaction.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::error::{SqliteError, SqliteErrorKind};
use super::file::{self, Role};

pub(super) struct Writer {
    path: Arc<Path>,
    patience: Duration,
    /// Held to put one job in or take one out.
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether a thread is at work, which will come to all jobs.
    working: bool,
    /// While no thread is.
    connection: Option<Connection>,
}

/// Writes by a connection, or by a new one, which it leaves to the next.
type Job = Box<dyn FnOnce(&mut Option<Connection>) + Send>;

impl Writer {
    pub(super) fn new(path: Arc<Path>, patience: Duration) -> Self {
        Self { path, patience, queue: Mutex::default() }
    }

    /// Writes, all of it or nothing.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let began = Instant::now();
        let (path, patience) = (Arc::clone(&self.path), self.patience);
        let (answers, mut answer) = oneshot::channel();
        // Whoever is first: the thread that begins it, or the caller who has waited for too long.
        let taken = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&taken);
        self.put(Box::new(move |slot| {
            if answers.is_closed() || begun.swap(true, Ordering::AcqRel) {
                return;
            }
            let waited = Instant::now().saturating_duration_since(began);
            // Who does not wait any more does not want to know.
            let _ = answers.send(write(slot, &path, patience.saturating_sub(waited), work));
        }));
        let answer = match timeout(self.patience, &mut answer).await {
            Ok(answer) => answer,
            Err(_) if !taken.swap(true, Ordering::AcqRel) => {
                return Err(SqliteError::new(&self.path, SqliteErrorKind::Busy));
            }
            // It is at work, and will not be long.
            Err(_) => answer.await,
        };
        answer.unwrap_or_else(|_| {
            Err(SqliteError::because(&self.path, SqliteErrorKind::Unknown, "it panicked"))
        })
    }

    fn put(self: &Arc<Self>, job: Job) {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        if !queue.working {
            queue.working = true;
            let shift = Shift { writer: Arc::clone(self), over: false };
            let connection = queue.connection.take();
            drop(queue);
            spawn_blocking(move || shift.work(connection));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write<T>(
    slot: &mut Option<Connection>,
    path: &Path,
    patience: Duration,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, SqliteError> {
    let connection = match slot.take() {
        Some(connection) => connection,
        None => file::open(path, Role::Writer, patience)?,
    };
    let done = transact(&connection, path, patience, work);
    // A connection that saw an error is not used again.
    if done.as_ref().map_or_else(|error| error.kind() == SqliteErrorKind::Busy, |_| true) {
        *slot = Some(connection);
    }
    done
}

fn transact<T>(
    connection: &Connection,
    path: &Path,
    patience: Duration,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, SqliteError> {
    let failed = |error| SqliteError::of(path, error);
    let transaction = file::begin(connection, patience).map_err(failed)?;
    let done = work(&transaction).map_err(failed)?;
    transaction.commit().map_err(|error| SqliteError::of_commit(path, error))?;
    Ok(done)
}

/// The time in which a thread does all jobs that there are. A runtime that ends may never begin it.
struct Shift {
    writer: Arc<Writer>,
    over: bool,
}

impl Shift {
    fn work(mut self, mut connection: Option<Connection>) {
        loop {
            let mut queue = self.writer.queue();
            let Some(job) = queue.jobs.pop_front() else {
                queue.working = false;
                queue.connection = connection;
                drop(queue);
                self.over = true;
                return;
            };
            drop(queue);
            // An application's clock may panic. Its caller gets to know, and the others go on.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
        }
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if !self.over {
            self.writer.queue().working = false;
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}
