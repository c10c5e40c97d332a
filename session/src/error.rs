//! What stores report, and what handlers are told.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use crate::record::InvalidName;
use crate::token::KeyError;

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

/// Why a session could not be read or changed.
///
/// Through axum it is a response: see [`status`](Self::status). In a response that the layer had to replace, and in one
/// whose changes found their session ended, it is in the extensions.
///
/// # Clone
///
/// Cheap: sources are shared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The store cannot be reached, and nothing was done. Trying again is safe.
    Unavailable(Arc<StoreError>),
    /// The store did not answer in time, or the answer was lost: it may have been done.
    Unknown(Arc<StoreError>),
    /// The store cannot do this, or holds what is no session. Trying again will not help.
    Invalid(Arc<StoreError>),
    /// The session ended while the request was at work: a logout, a revocation, its deadline. Nothing was changed.
    Gone,
    /// Others changed the session each time that this was tried. Nothing was changed, and trying again is safe.
    Conflict,
    /// The session would hold more than the [`Limits`](crate::Limits) allow. Nothing was changed.
    Full,
    /// Nobody is logged in.
    NotLoggedIn,
    /// The subject has as many sessions as it may have.
    TooManySessions,
    /// All sessions of the subject were ended after the proof for this login was looked at.
    Revoked,
    /// The head of the response has left, and no cookie can be sent any more.
    Committed,
    /// Not a name for a value.
    Name(InvalidName),
    /// The value is no JSON, or that of another type.
    Value {
        /// Its name.
        name: Box<str>,
        /// What is wrong with it.
        source: Arc<serde_json::Error>,
    },
    /// There is no token for a new session.
    Token(Arc<KeyError>),
    /// Two tokens have been alike, which does not happen with a random source that works.
    TokenTaken,
    /// No [`SessionLayer`](crate::SessionLayer) is around this service.
    NoLayer,
}

impl SessionError {
    /// Whether nothing was done, so that the same may be asked again.
    #[must_use]
    pub fn is_retry_safe(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict)
    }

    /// The status of a response that says this.
    ///
    /// | error | status | why |
    /// |---|---|---|
    /// | `Unavailable`, `Unknown` | 503 | it passes; with `Retry-After: 1` |
    /// | `Conflict`, `Gone`, `Revoked`, `TooManySessions` | 409 | the request was fine, and somebody else was faster |
    /// | `Full` | 507 | there is no room for what the answer would promise; a 413 would blame the request's body, which may be empty |
    /// | `NotLoggedIn` | 403 | a 401 has to name a scheme of HTTP authentication |
    /// | all others | 500 | a mistake of the application, or of its store |
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable(_) | Self::Unknown(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Conflict | Self::Gone | Self::Revoked | Self::TooManySessions => {
                StatusCode::CONFLICT
            }
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
            Self::NotLoggedIn => StatusCode::FORBIDDEN,
            Self::Invalid(_)
            | Self::Committed
            | Self::Name(_)
            | Self::Value { .. }
            | Self::Token(_)
            | Self::TokenTaken
            | Self::NoLayer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the store is to blame, and not its answer.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unknown(_))
    }

    pub(crate) fn value(name: &str, source: serde_json::Error) -> Self {
        Self::Value { name: name.into(), source: Arc::new(source) }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable(_) => "the session cannot be reached",
            Self::Unknown(_) => "the session may have been changed; its store did not answer",
            Self::Invalid(_) => "the session's store cannot do this",
            Self::Gone => "the session has ended",
            Self::Conflict => "others kept changing the session",
            Self::Full => "the session has no room for this",
            Self::NotLoggedIn => "nobody is logged in",
            Self::TooManySessions => "no further session is allowed",
            Self::Revoked => "the login was revoked before it was done",
            Self::Committed => "the head of the response has left",
            Self::Name(_) => "not a name for a value of a session",
            Self::Value { name, .. } => {
                return write!(f, "the value {name:?} of the session is not what it should be");
            }
            Self::Token(_) => "there is no token for a new session",
            Self::TokenTaken => "two session tokens are alike: the random source is broken",
            Self::NoLayer => "no session layer is around this service",
        })
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(source) | Self::Unknown(source) | Self::Invalid(source) => {
                Some(&**source)
            }
            Self::Name(source) => Some(source),
            Self::Value { source, .. } => Some(&**source),
            Self::Token(source) => Some(&**source),
            _ => None,
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(Arc::new(error)),
            StoreError::Unknown(_) => Self::Unknown(Arc::new(error)),
            StoreError::Invalid(_) => Self::Invalid(Arc::new(error)),
        }
    }
}

impl From<KeyError> for SessionError {
    fn from(error: KeyError) -> Self {
        Self::Token(Arc::new(error))
    }
}

impl From<InvalidName> for SessionError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}
