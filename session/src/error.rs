//! What stores report.

use std::error::Error;
use std::fmt;

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a store did not answer.
///
/// A session that is not there, was changed meanwhile, or has no room is an answer and no error.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing was done: no connection, refused before it began, circuit open. Trying again is safe.
    Unavailable(BoxError),
    /// It may have been done: the answer was lost, or did not come in time.
    Unknown(BoxError),
    /// What the store holds is not what was written, or it refused what it was asked. Trying again will not help.
    Invalid(BoxError),
}

impl StoreError {
    /// Whether nothing was done, so that the same may be asked again.
    #[must_use]
    pub fn is_retry_safe(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable(_) => "the session store cannot be reached",
            Self::Unknown(_) => {
                "the session store did not answer; it may have done what it was asked"
            }
            Self::Invalid(_) => "the session store cannot do this",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let (Self::Unavailable(source) | Self::Unknown(source) | Self::Invalid(source)) = self;
        Some(&**source)
    }
}
