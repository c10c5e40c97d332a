use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::error::{BoxError, LoadError};

/// Why a [`CacheService`](super::CacheService) has no response.
///
/// One type for all inner services, also for those whose error is a box: [`inner`](Self::inner) finds
/// the service's own error again, whichever way the request went.
#[derive(Debug)]
#[non_exhaustive]
pub enum LayerError {
    /// The inner service failed for a request that went past the cache. This is its own error, and
    /// what it says of trying again holds.
    Inner(BoxError),
    /// There was no response for the request's key, cached or new. All who waited have the same
    /// error. Requests with a key only read, so trying again is safe.
    Load(LoadError),
}

impl LayerError {
    /// Whether the request may be sent again whatever the inner service did with it.
    ///
    /// If not, the inner service's error has to say it: the request may be one that changes
    /// something.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        matches!(self, Self::Load(_))
    }

    /// How long it makes no sense to ask again: so long the error is answered without the service.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Inner(_) => None,
            Self::Load(error) => error.retry_after(),
        }
    }

    /// The inner service's error, if it was that which failed, and with this type.
    #[must_use]
    pub fn inner<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Inner(error) => error.downcast_ref(),
            Self::Load(LoadError::Failed { source, .. }) => source.downcast_ref(),
            Self::Load(_) => None,
        }
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(error) => write!(f, "the service failed: {error}"),
            Self::Load(error) => error.fmt(f),
        }
    }
}

impl Error for LayerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(error) => Some(&**error),
            Self::Load(error) => error.source(),
        }
    }
}
