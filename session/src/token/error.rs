use std::error::Error;
use std::fmt;

use crate::error::BoxError;

/// Why there are no keys.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret has fewer than 32 bytes.
    TooShort {
        /// So many it has.
        bytes: usize,
    },
    /// The operating system has no random numbers.
    Random {
        /// What it says.
        source: BoxError,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => {
                write!(f, "a secret needs 32 bytes or more, and this has {bytes}")
            }
            Self::Random { .. } => f.write_str("the operating system has no random numbers"),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooShort { .. } => None,
            Self::Random { source } => Some(&**source),
        }
    }
}
