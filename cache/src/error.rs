use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::EngineError;
use crate::freshness::Invalid;
use crate::key::SpaceError;
use crate::store::StoreError;

/// An error of any type, as a loader returns it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why there is no value for a reader. Nothing was changed, so asking again is safe.
///
/// A clone shares the loader's error: all who waited for one load get the same one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The loader returned an error, now or a moment ago.
    Failed {
        /// What it returned.
        source: Arc<dyn Error + Send + Sync>,
        /// How long nobody loads this key again: see
        /// [`error_backoff`](crate::freshness::Freshness::error_backoff).
        retry_after: Duration,
    },
    /// The loader panicked.
    Panicked {
        /// What it said.
        message: Arc<str>,
    },
    /// The load took too long, or the reader waited too long for it.
    TimedOut {
        /// [`hard_timeout`](crate::freshness::Freshness::hard_timeout).
        after: Duration,
    },
    /// The load would wait for itself: its loader asks, maybe through other loads, for the key that
    /// it loads.
    Reentrant,
    /// The cache has no loader: give it [one](crate::Builder::loader), or call
    /// [`get_or_load`](crate::Cache::get_or_load).
    NoLoader,
    /// There is no tokio runtime to load in, or it is shutting down.
    NoRuntime,
}

impl LoadError {
    /// How long it makes no sense to ask again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { source, .. } => write!(f, "loading failed: {source}"),
            Self::Panicked { message } => write!(f, "loading panicked: {message}"),
            Self::TimedOut { after } => write!(f, "loading took longer than {after:?}"),
            Self::Reentrant => f.write_str("the load would wait for itself"),
            Self::NoLoader => f.write_str("the cache has no loader"),
            Self::NoRuntime => f.write_str("there is no tokio runtime to load in"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// The shared second level could not be told of an invalidation.
///
/// This process's own memory is up to date, and other processes were told as far as a bus reaches
/// them. The old value may still be in the second level: invalidate again, or wait for its ttl. A
/// store that remembers what it owes does it by itself once it can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidateError {
    pub(crate) store: StoreError,
}

impl fmt::Display for InvalidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the second level may still hold an old value: {}", self.store)
    }
}

impl Error for InvalidateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.store)
    }
}

/// Why a value was not written, or not everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError<E> {
    /// The write failed, with the writer's own error. The key was invalidated: a write that fails
    /// may have happened all the same.
    Write(E),
    /// The write has happened, and the second level could not be told.
    Store(InvalidateError),
}

impl<E: fmt::Display> fmt::Display for PutError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(error) => write!(f, "the write failed: {error}"),
            Self::Store(error) => write!(f, "the write was done, but {error}"),
        }
    }
}

impl<E: Error + 'static> Error for PutError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Store(error) => Some(error),
        }
    }
}

/// A setting that makes no cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The name or the tenant.
    Space(SpaceError),
    /// A time of the freshness ladder.
    Freshness(Invalid),
    /// The capacity or the policy.
    Engine(EngineError),
    /// A number that must be at least 1.
    Zero {
        /// The setter's name.
        setting: &'static str,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(error) => error.fmt(f),
            Self::Freshness(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::Zero { setting } => write!(f, "{setting} must be at least 1, not 0"),
        }
    }
}

impl Error for BuildError {}

impl From<SpaceError> for BuildError {
    fn from(error: SpaceError) -> Self {
        Self::Space(error)
    }
}

impl From<Invalid> for BuildError {
    fn from(error: Invalid) -> Self {
        Self::Freshness(error)
    }
}

impl From<EngineError> for BuildError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
