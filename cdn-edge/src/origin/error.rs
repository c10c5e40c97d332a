use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Any error that can travel between tasks.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why the origin has not answered, or not to the end.
#[derive(Debug)]
#[non_exhaustive]
pub enum OriginError {
    /// No connection could be opened.
    Connect(BoxError),
    /// The connection closed before anything of the request was written to it.
    Unsent(BoxError),
    /// It failed after the request was, or may have been, sent and before the response's head was
    /// there. Also whatever a service says that is none of this crate's.
    Exchange(BoxError),
    /// The request cannot be sent, or its body failed: no fault of the origin's.
    Request(BoxError),
    /// The head of the response was not there after this time.
    FirstByteTimeout(Duration),
    /// The head of the response was not there after this time, of which sending the request's body
    /// took its part.
    UploadTimeout(Duration),
    /// The body was awaited for this time and nothing came.
    BetweenBytesTimeout(Duration),
    /// The whole took longer than this.
    TotalTimeout(Duration),
    /// The response's body broke off.
    Body(BoxError),
    /// The origin has failed lately, and nobody asks it now.
    Refused {
        /// When asking may make sense again.
        retry_after: Duration,
    },
    /// As many fills as may be are under way.
    Overloaded {
        /// How long this one has waited for its place; 0 if as many wait as may.
        waited: Duration,
    },
}

impl OriginError {
    /// What a service said before there was a response.
    pub(crate) fn of_call(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::Exchange(other),
        }
    }

    /// What a body said.
    pub(crate) fn of_body(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::Body(other),
        }
    }

    /// Whether nothing of the request can have reached the origin, so that any request may be sent
    /// again. One that is idempotent may be in any case.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Unsent(_) | Self::Refused { .. } | Self::Overloaded { .. } => {
                true
            }
            Self::Exchange(_)
            | Self::Request(_)
            | Self::FirstByteTimeout(_)
            | Self::UploadTimeout(_)
            | Self::BetweenBytesTimeout(_)
            | Self::TotalTimeout(_)
            | Self::Body(_) => false,
        }
    }

    /// Whether this tells something about the origin. What was not asked has not failed, and the
    /// time that a body took in all depends on who sends or reads it.
    #[must_use]
    pub fn blames_origin(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Unsent(_)
            | Self::Exchange(_)
            | Self::FirstByteTimeout(_)
            | Self::BetweenBytesTimeout(_)
            | Self::Body(_) => true,
            Self::Request(_)
            | Self::UploadTimeout(_)
            | Self::TotalTimeout(_)
            | Self::Refused { .. }
            | Self::Overloaded { .. } => false,
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("cannot connect to the origin"),
            Self::Unsent(_) => {
                f.write_str("the connection to the origin closed before the request was written")
            }
            Self::Exchange(_) => f.write_str("the origin failed before its response"),
            Self::Request(_) => f.write_str("the request cannot be sent to the origin"),
            Self::FirstByteTimeout(limit) => {
                write!(f, "the origin has not answered within {limit:?}")
            }
            Self::UploadTimeout(limit) => {
                write!(f, "sending the request and its answer took longer than {limit:?}")
            }
            Self::BetweenBytesTimeout(limit) => {
                write!(f, "nothing more of the body came within {limit:?}")
            }
            Self::TotalTimeout(limit) => write!(f, "the response was not whole after {limit:?}"),
            Self::Body(_) => f.write_str("the body of the origin's response broke off"),
            Self::Refused { retry_after } => {
                write!(f, "the origin has failed lately: nobody asks it for {retry_after:?}")
            }
            Self::Overloaded { waited } => {
                write!(f, "too many fills are under way: no place after {waited:?}")
            }
        }
    }
}

impl Error for OriginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(source)
            | Self::Unsent(source)
            | Self::Exchange(source)
            | Self::Request(source)
            | Self::Body(source) => Some(&**source),
            Self::FirstByteTimeout(_)
            | Self::UploadTimeout(_)
            | Self::BetweenBytesTimeout(_)
            | Self::TotalTimeout(_)
            | Self::Refused { .. }
            | Self::Overloaded { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_comes_through_a_box_as_it_was() {
        let inner = OriginError::FirstByteTimeout(Duration::from_secs(1));
        let outer = OriginError::of_call(BoxError::from(inner));
        assert!(matches!(outer, OriginError::FirstByteTimeout(_)), "{outer:?}");
    }

    #[test]
    fn a_stranger_is_kept_as_the_source() {
        let call = OriginError::of_call("no idea");
        assert_eq!(call.source().unwrap().to_string(), "no idea");
        assert!(!call.is_safe_to_retry());
        let body = OriginError::of_body("broken");
        assert_eq!(body.source().unwrap().to_string(), "broken");
    }

    #[test]
    fn what_was_not_asked_has_not_failed() {
        let refused = OriginError::Refused { retry_after: Duration::ZERO };
        let overloaded = OriginError::Overloaded { waited: Duration::ZERO };
        for error in [refused, overloaded] {
            assert!(error.is_safe_to_retry());
            assert!(!error.blames_origin());
        }
    }
}
