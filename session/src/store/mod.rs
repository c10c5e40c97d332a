//! Where sessions are kept.
//!
//! A store is asked for changes and never for a whole session to be written back: what two requests change at the
//! same time is merged by the store, value by value, and what was deleted stays deleted. Only
//! [`create`](Store::create) creates; [`rotate`](Store::rotate) moves what is there.

mod guarded;
mod memory;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sweeper;
pub(crate) mod transition;
mod types;

pub use guarded::{CircuitOpen, CircuitState, Guarded, TimedOut};
pub use memory::{Memory, MemoryBuilder};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresBuilder};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::Redis;
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteBuilder, SqliteError, SqliteErrorKind};
pub use sweeper::{Sweeper, Sweeping};
pub use types::{
    Authentication, Capabilities, Change, Created, Epoch, Guard, Listed, Loaded, NewSession,
    Patched, Rotated, Rotation, Subject, SubjectLimit, WhenFull,
};

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::StoreError;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::token::SessionKey;

/// Keeps sessions.
///
/// Every method is one round trip to a server, whole or not at all, and by the store's own clock. A session that is
/// over, idle or absolute, or whose subject was revoked since it began, is not there for any of them.
///
/// Authors of stores run the tests that all of ours pass on theirs: feature `conformance`.
///
/// # Cancel safety
///
/// A future that is dropped may have done all of its work or none.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The session under this key, and notes its use if that is due.
    ///
    /// Asked with the key that a session had before a renewal, it gives the session that has moved on, and says so
    /// ([`Loaded::moved`]). Asked with the new key for the first time, it lets the old one end after the grace.
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError>;

    /// Creates a session. The only one that does.
    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError>;

    /// Merges changes into a session. It counts as no use.
    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError>;

    /// Moves a session to a new key: it is there under the new one before it is gone under the old one.
    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError>;

    /// Deletes a session, and a session that has moved on from this key. Says whether there was one.
    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError>;

    /// The sessions of a subject, the last used first.
    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError>;

    /// Ends all sessions of a subject but one, also those that are being created or moved at this moment, and gives
    /// how many of those it knew were ended.
    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError>;

    /// A subject's epoch: grows with every [`revoke`](Self::revoke).
    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError>;

    /// Removes what is over, at most `limit` sessions, and gives how many it were. Never waits for a session that
    /// is in use.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError>;

    /// What this store can do.
    fn capabilities(&self) -> Capabilities;
}

/// A store that is shared is one as well.
#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        (**self).load(key, touch).await
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        (**self).create(key, new).await
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        (**self).patch(key, patch, guard, limits).await
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        (**self).rotate(old, new, rotation).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        (**self).delete(key).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        (**self).list(subject).await
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        (**self).revoke(subject, except).await
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        (**self).epoch(subject).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        (**self).sweep(limit).await
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}
