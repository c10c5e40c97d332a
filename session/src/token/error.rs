use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use crate::error::BoxError;

/// Why there are no keys. It never shows a secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret has fewer than 32 bytes.
    TooShort {
        /// So many it has.
        bytes: usize,
    },
    /// Two keys of a ring have the same version: which of them signed a token is not to be seen.
    Duplicate {
        /// The version.
        version: u8,
    },
    /// Two rings tag subjects differently. In one that is made of both, a subject's sessions would be where
    /// nobody looks for them: give both the same secret with [`Keys::tagged_by`](super::Keys::tagged_by).
    Tags,
    /// The operating system has no random numbers.
    Random {
        /// What it says.
        source: BoxError,
    },
    /// The file cannot be read, or not be made.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is there, and is not one of keys.
    Content {
        /// The file.
        path: PathBuf,
        /// Which line, from 1. What is missing is missed at the one after the last.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with a line of a file of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// It is neither `tags` nor a version from 0 to 255, followed by one secret.
    Unknown,
    /// The secret is not hexadecimal.
    NotHexadecimal,
    /// The secret has fewer than 32 bytes, that is 64 digits.
    TooShort {
        /// So many bytes it has.
        bytes: usize,
    },
    /// There is a key of this version further up.
    Duplicate {
        /// The version.
        version: u8,
    },
    /// There is a `tags` line further up.
    SecondTags,
    /// There is no `tags` line.
    NoTags,
    /// There is no key.
    NoKey,
    /// The file is longer than 64 KiB.
    TooLong,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => {
                write!(f, "a secret needs 32 bytes or more, and this has {bytes}")
            }
            Self::Duplicate { version } => write!(f, "two keys have the version {version}"),
            Self::Tags => f.write_str(
                "two rings of keys tag subjects differently: give both the same secret for tags first",
            ),
            Self::Random { .. } => f.write_str("the operating system has no random numbers"),
            Self::File { path, .. } => write!(f, "the key file {} cannot be used", path.display()),
            Self::Content { path, line, fault } => {
                write!(f, "line {line} of the key file {}: {fault}", path.display())
            }
        }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("neither `tags SECRET` nor `VERSION SECRET`"),
            Self::NotHexadecimal => f.write_str("the secret is not hexadecimal"),
            Self::TooShort { bytes } => {
                write!(f, "a secret needs 64 digits or more, and this has {}", bytes * 2)
            }
            Self::Duplicate { version } => write!(f, "a second key of version {version}"),
            Self::SecondTags => f.write_str("a second secret for tags"),
            Self::NoTags => f.write_str("there is no line `tags SECRET`"),
            Self::NoKey => f.write_str("there is no line `VERSION SECRET`"),
            Self::TooLong => f.write_str("the file is longer than 64 KiB"),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random { source } => Some(&**source),
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Error for LineFault {}
