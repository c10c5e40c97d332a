use std::error::Error;
use std::fmt;

use crate::cookie::InvalidCookie;

/// Why there is no [`SessionLayer`](super::SessionLayer).
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is zero with which nothing could be kept or done.
    Zero {
        /// Which.
        what: &'static str,
    },
    /// The cookie contradicts itself, or its profile.
    Cookie(InvalidCookie),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { what } => write!(f, "{what} is 0, which leaves no session to anybody"),
            Self::Cookie(_) => f.write_str("no browser would keep this cookie, or it is not safe"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Zero { .. } => None,
            Self::Cookie(source) => Some(source),
        }
    }
}
