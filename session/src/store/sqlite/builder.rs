use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Sqlite;
use super::connections::Connections;
use super::error::{SqliteError, SqliteErrorKind};
use crate::clock::{Clock, SystemClock};

/// A read takes some 50 µs: four at a time are more than the cores of a small machine can do.
const READERS: usize = 4;
/// Less than the 250 ms that the layer waits: so a file in use by others is an error that says that nothing was done.
const PATIENCE: Duration = Duration::from_millis(200);

/// Settings of a [`Sqlite`].
#[derive(Clone, Debug)]
pub struct SqliteBuilder {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    readers: usize,
    patience: Duration,
}

impl SqliteBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, clock: Arc::new(SystemClock), readers: READERS, patience: PATIENCE }
    }

    /// The clock by which sessions end. Default: the machine's, which is the same for all of its processes.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// How many read at a time, at least one. Default 4, as reads take microseconds. There is always one to write.
    #[must_use]
    pub fn readers(self, readers: usize) -> Self {
        Self { readers, ..self }
    }

    /// How long an operation waits for its turn: for a connection, and for the writers of other processes. Default 200 ms,
    /// less than the time limit of the layer, so that waiting in vain is `Unavailable` and never `Unknown`.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Opens the file, or creates it.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`].
    pub async fn open(self) -> Result<Sqlite, SqliteError> {
        // Also takes names from SQLite that mean something to it, such as `:memory:`.
        let path = std::path::absolute(&self.path).map_err(|error| {
            SqliteError::because(&self.path, SqliteErrorKind::Unreachable, error)
        })?;
        let connections = Connections::open(path.into(), self.readers, self.patience).await?;
        Ok(Sqlite { connections: Arc::new(connections), clock: self.clock })
    }
}
