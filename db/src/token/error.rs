use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a token, or one of another version of this crate.
    Malformed,
    /// Nobody who has the key made it.
    Forged,
    /// It is older than tokens may be, or was made more than 60 s from now.
    Expired,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "this is not a token",
            Self::Forged => "the token was not signed with this key",
            Self::Expired => "the token is not of this time",
        })
    }
}

impl Error for TokenError {}

/// Why there is no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// It is shorter than 32 bytes.
    TooShort {
        /// How long it is.
        bytes: usize,
    },
    /// The operating system gave no random numbers.
    Random {
        /// What it said instead.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The key file can be neither read nor created.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is in the file is no key.
    Content {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => {
                write!(f, "a key of {bytes} bytes is too short: it needs at least 32")
            }
            Self::Random { .. } => f.write_str("the operating system gave no random numbers"),
            Self::File { path, .. } => write!(
                f,
                "the key file {} can be neither read nor created: make its directory, and let this \
                 process read and write there",
                path.display()
            ),
            Self::Content { path } => write!(
                f,
                "the key file {} holds no key, which is one line of 64 to 4096 hexadecimal digits: \
                 restore it, or remove it so that a new key is made (tokens of the old one are then \
                 forgotten)",
                path.display()
            ),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Random { source } => Some(source.as_ref()),
            Self::File { source, .. } => Some(source),
            Self::TooShort { .. } | Self::Content { .. } => None,
        }
    }
}
