use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An error of any type, as an origin's body returns it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a body ends before its end.
///
/// Whoever sends it on must break the message off: a clean end would make a short body look whole. A
/// clone shares the origin's error: all who read one body get the same one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The origin's body failed, or the request with which this reader went on by itself.
    Origin(Arc<dyn Error + Send + Sync>),
    /// The body is shorter than was announced.
    Incomplete {
        /// The byte up to which the reader was to get it.
        expected: u64,
        /// The byte at which it ended.
        got: u64,
    },
    /// The body is longer than was announced.
    TooLong,
    /// The reader was more than the window behind, and had no way to go on by itself.
    FellBehind,
    /// The fill was given up.
    Aborted,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(source) => write!(f, "the origin's body failed: {source}"),
            Self::Incomplete { expected, got } => {
                write!(f, "the body ended at byte {got} instead of {expected}")
            }
            Self::TooLong => f.write_str("the body is longer than was announced"),
            Self::FellBehind => f.write_str("the reader was too slow for a body that is not kept"),
            Self::Aborted => f.write_str("the fill of the body was given up"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Origin(source) => Some(&**source),
            Self::Incomplete { .. } | Self::TooLong | Self::FellBehind | Self::Aborted => None,
        }
    }
}

/// Why a fill is over before its end. Its readers have been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError {
    /// The body is not kept, and nobody reads it any more.
    Gone,
    /// The body is longer than was announced.
    TooLong,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "nobody reads the body any more",
            Self::TooLong => "the body is longer than was announced",
        })
    }
}

impl Error for PushError {}

/// A body that is not as long as it was announced. Its readers have been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// How many bytes were announced.
    pub expected: u64,
    /// How many came.
    pub got: u64,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, got } = self;
        write!(f, "the body has {got} bytes instead of {expected}")
    }
}

impl Error for Incomplete {}
