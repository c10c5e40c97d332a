//! Sessions in one SQLite file, for the processes of one machine.
//!
//! `file` opens it and knows its tables, `row` is a session as rows, `work` is what the operations do inside a transaction;
//! `connections` and `writer` bring that to threads that may block.

mod builder;
mod connections;
mod error;
mod file;
mod room;
mod row;
mod work;
mod writer;

#[cfg(test)]
mod tests;

pub use self::builder::SqliteBuilder;
pub use self::error::{SqliteError, SqliteErrorKind};

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use self::connections::Connections;
use super::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Store, Subject,
};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::token::SessionKey;

/// Sessions in one SQLite file, for the processes of one machine.
///
/// Not for more than a few thousand writes a second, and not for a second machine: use Redis or PostgreSQL there.
///
/// # Examples
///
/// ```no_run
/// use terrace_session::store::Sqlite;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Sqlite::open("/var/lib/radio/sessions.db").await?;
/// # let _ = store; Ok(()) }
/// ```
///
/// With other numbers:
///
/// ```no_run
/// use std::time::Duration;
/// use terrace_session::store::Sqlite;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Sqlite::builder("/var/lib/radio/sessions.db")
///     .readers(8)
///     .patience(Duration::from_millis(100))
///     .open()
///     .await?;
/// # let _ = store; Ok(()) }
/// ```
///
/// # Durability
///
/// What was acknowledged survives the death of any process, `kill -9` included: it is in the file's write-ahead log by
/// then, in the hands of the operating system. A power cut may take the last moments with it
/// (`synchronous = NORMAL`): some people log in again, and a logout of that moment may be undone, until the session
/// ends by itself. That is the price for not waiting for the disk with every write. Who cannot pay it keeps sessions
/// in PostgreSQL.
///
/// # Several processes
///
/// They share the file, on a local disk: SQLite's locks do not work over a network. One writes at a time; readers wait
/// for nobody. A load writes only when the use of its session is to be noted, and if that has to wait for too long,
/// it answers without noting it.
///
/// The file is created with the process's umask. Its directory has to be writable for all of them, as SQLite keeps two
/// files beside it. Do not replace it while anybody has it open.
///
/// Somebody has to sweep, by a [`Sweeper`](super::Sweeper) say. Several processes may. The file does not become smaller, and what is
/// swept is room for what comes.
///
/// # Cancel safety
///
/// What has begun is finished, also if nobody waits for it any more. What has not, is not.
///
/// # Clone
///
/// Clones share connections.
#[derive(Clone, Debug)]
pub struct Sqlite {
    connections: Arc<Connections>,
    clock: Arc<dyn Clock>,
}

impl Sqlite {
    /// Opens a file of sessions, or creates it.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened or written, is damaged, is another program's, or was written by a newer version of this
    /// crate. The error names it.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, SqliteError> {
        Self::builder(path).open().await
    }

    /// A store with settings of its own.
    #[must_use]
    pub fn builder(path: impl Into<PathBuf>) -> SqliteBuilder {
        SqliteBuilder::new(path.into())
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        let (key, clock) = (*key, Arc::clone(&self.clock));
        let look = self.connections.read(move |file| work::look(file, &key, touch, clock.now()));
        let Some((as_it_is, writes)) = look.await? else { return Ok(None) };
        if !writes {
            return Ok(Some(as_it_is));
        }
        let clock = Arc::clone(&self.clock);
        let load = self.connections.write(move |file| work::load(file, &key, touch, clock.now()));
        match load.await.map_err(StoreError::from) {
            // Nothing was noted, and the next request will try again. That is no reason to turn this one away.
            Err(StoreError::Unavailable(_)) => Ok(Some(as_it_is)),
            loaded => loaded,
        }
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        let (key, new, clock) = (*key, new.clone(), Arc::clone(&self.clock));
        let create = move |file: &_| work::create(file, &key, &new, clock.now());
        Ok(self.connections.write(create).await?)
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        let (key, patch, clock) = (*key, patch.clone(), Arc::clone(&self.clock));
        let merge = move |file: &_| work::patch(file, &key, &patch, guard, limits, clock.now());
        Ok(self.connections.write(merge).await?)
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        let (old, new, rotation, clock) = (*old, *new, rotation.clone(), Arc::clone(&self.clock));
        let rotate = move |file: &_| work::rotate(file, &old, &new, &rotation, clock.now());
        Ok(self.connections.write(rotate).await?)
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let (key, clock) = (*key, Arc::clone(&self.clock));
        let delete = move |file: &_| work::delete(file, &key, clock.now());
        Ok(self.connections.write(delete).await?)
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        let (subject, clock) = (subject.clone(), Arc::clone(&self.clock));
        let list = move |file: &_| work::list(file, &subject, clock.now());
        Ok(self.connections.read(list).await?)
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        let (subject, except) = (subject.clone(), except.copied());
        let clock = Arc::clone(&self.clock);
        let revoke = move |file: &_| work::revoke(file, &subject, except.as_ref(), clock.now());
        Ok(self.connections.write(revoke).await?)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        let subject = Arc::clone(&subject.id);
        Ok(self.connections.read(move |file| work::epoch(file, &subject)).await?)
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let clock = Arc::clone(&self.clock);
        Ok(self.connections.write(move |file| work::sweep(file, limit, clock.now())).await?)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process().shared(true).durable(true).needs_sweep(true)
    }
}
