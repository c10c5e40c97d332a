use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::semantics::Reason;

/// An error that may come from anywhere.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why the edge answered for the origin; in the extensions of that answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EdgeFailure {
    /// The origin failed before its response began, and nothing stored could stand in.
    Origin(Arc<dyn Error + Send + Sync>),
    /// The origin's header did not come in time.
    Timeout(Duration),
    /// A response that may not be used stale could not be validated (RFC 9111, 5.2.2.2).
    NotValidated(Arc<dyn Error + Send + Sync>),
    /// The client wants only what is stored, and nothing fits.
    OnlyIfCached,
    /// The request has passed this edge too often (RFC 8586).
    Loop,
    /// The request has several hosts, or one that is none.
    BadHost,
    /// The request's header is larger than the edge lets through.
    HeaderTooLarge,
}

impl EdgeFailure {
    /// The status that it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Origin(_) => StatusCode::BAD_GATEWAY,
            Self::Timeout(_) | Self::NotValidated(_) | Self::OnlyIfCached => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::BadHost => StatusCode::BAD_REQUEST,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The reason for the metrics, and for whoever asks.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Origin(_) | Self::Timeout(_) | Self::NotValidated(_) => Reason::OriginFailed,
            Self::OnlyIfCached => Reason::OnlyIfCached,
            Self::Loop => Reason::Loop,
            Self::BadHost | Self::HeaderTooLarge => Reason::BadHeader,
        }
    }

    /// The same failure of a request whose stored answer needed validation.
    pub(crate) fn not_validated(self) -> Self {
        match self {
            Self::Origin(error) => Self::NotValidated(error),
            other => other,
        }
    }
}

impl fmt::Display for EdgeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(error) => write!(f, "the origin failed: {error}"),
            Self::Timeout(after) => write!(f, "the origin did not answer within {after:?}"),
            Self::NotValidated(error) => {
                write!(f, "what is stored could not be validated: {error}")
            }
            Self::OnlyIfCached => {
                f.write_str("nothing stored fits, and the client wants nothing else")
            }
            Self::Loop => f.write_str("the request goes in a circle"),
            Self::BadHost => f.write_str("the request does not name one host"),
            Self::HeaderTooLarge => f.write_str("the request's header is too large"),
        }
    }
}

impl Error for EdgeFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Origin(error) | Self::NotValidated(error) => Some(&**error),
            _ => None,
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The memory has no room for anything.
    Memory(u64),
    /// The name is not a token of RFC 9110.
    Name(String),
    /// A deadline of zero.
    Deadline(&'static str),
    /// `max_object` is zero or larger than the memory.
    MaxObject(u64),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "memory of {bytes} bytes: at least 65536 are needed"),
            Self::Name(name) => write!(f, "name {name:?} is not a token such as `edge-1`"),
            Self::Deadline(which) => write!(f, "{which} is zero: nothing could ever be in time"),
            Self::MaxObject(bytes) => {
                write!(f, "max_object of {bytes} bytes is not between 1 and the memory's size")
            }
        }
    }
}

impl Error for ConfigError {}
