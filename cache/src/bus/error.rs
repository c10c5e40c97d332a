use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A bus could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no Tokio runtime here to run its tasks on.
    NoRuntime,
    /// Something about the directory or the socket in it failed.
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path of a socket in this directory would be too long.
    TooLong {
        /// The socket's path.
        path: PathBuf,
        /// How many bytes the system takes.
        limit: usize,
    },
    /// It is no directory, or somebody else's, or others may enter it.
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A URL that does not name a Redis server. Shown without its password.
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A name for a bus that is none.
    Name {
        /// The name.
        name: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("a bus must be opened inside a Tokio runtime"),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::TooLong { path, limit } => write!(
                f,
                "{} has {} bytes, and a socket's path takes {limit}: choose a shorter directory",
                path.display(),
                path.as_os_str().len(),
            ),
            Self::NotPrivate { path, reason } => {
                write!(f, "{} {reason}", path.display())
            }
            Self::Url { url, reason } => write!(f, "{url:?} is no Redis URL: {reason}"),
            Self::Name { name } => {
                write!(f, "a bus called {name:?}: a name is 1 to 64 of A-Z a-z 0-9 _ . -")
            }
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
