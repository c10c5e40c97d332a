use std::error::Error;
use std::fmt;

/// Why a cookie cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCookie {
    /// The name is empty, or has something else than letters, digits, and ``!#$%&'*+-.^_`|~``.
    Name {
        /// The name.
        name: String,
    },
    /// The name begins with a prefix, which is the profile's to choose.
    Prefixed {
        /// The name.
        name: String,
    },
    /// Browsers would read another path, or none: it does not begin with `/`, is longer than 1024 bytes, or has
    /// a `;`, a space, or something else than ASCII.
    Path {
        /// The path.
        path: String,
    },
    /// It is no domain: labels of letters, digits and hyphens, with dots between them and not in front.
    Domain {
        /// The domain.
        domain: String,
    },
    /// A cookie with the `__Host-` prefix is for the path `/`.
    HostPath {
        /// The path.
        path: String,
    },
    /// A cookie with the `__Host-` prefix is for one host, and has no domain.
    HostDomain {
        /// The domain.
        domain: String,
    },
    /// Name and token have more than 4096 bytes: browsers ignore it.
    TooLong {
        /// So many they have.
        bytes: usize,
    },
}

impl fmt::Display for InvalidCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => {
                write!(
                    f,
                    "{name:?} is no name of a cookie: it needs letters, digits, or !#$%&'*+-.^_`|~"
                )
            }
            Self::Prefixed { name } => {
                write!(
                    f,
                    "the name {name:?} has a prefix already: the profile of the cookie adds one"
                )
            }
            Self::Path { path } => write!(
                f,
                "{path:?} is no path of a cookie: it needs a / in front, 1024 bytes at most, and no space or ;"
            ),
            Self::Domain { domain } => {
                write!(f, "{domain:?} is no domain of a cookie: it needs a form like example.com")
            }
            Self::HostPath { path } => write!(
                f,
                "the path {path:?} contradicts the __Host- prefix, which is for /: leave it out, or the prefix"
            ),
            Self::HostDomain { domain } => write!(
                f,
                "the domain {domain:?} contradicts the __Host- prefix, which is for one host: leave it out, or the prefix"
            ),
            Self::TooLong { bytes } => {
                write!(f, "name and token have {bytes} bytes, and browsers ignore more than 4096")
            }
        }
    }
}

impl Error for InvalidCookie {}
