use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::error::StoreError;

/// The store was not asked, because it has failed too often just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitOpen {
    /// When it is asked again. Zero while a request is finding out.
    pub retry_after: Duration,
}

impl CircuitOpen {
    pub(super) fn unavailable(self) -> StoreError {
        StoreError::Unavailable(self.into())
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has failed too often, and ")?;
        match self.retry_after {
            Duration::ZERO => f.write_str("a request is finding out how it is"),
            wait => write!(f, "is asked again in {wait:?}"),
        }
    }
}

impl Error for CircuitOpen {}

/// The store took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut {
    /// How long it may take.
    pub limit: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it took longer than {:?}", self.limit)
    }
}

impl Error for TimedOut {}
