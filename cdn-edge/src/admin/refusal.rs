use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// Why a request was not done.
///
/// This is for the operator: [`AuditEvent`](super::AuditEvent) has it. Whoever has not shown to
/// have a key is told none of it: all 401 are the same to the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 401: no signature.
    Unsigned,
    /// 401: a signature that cannot be read, or more than one.
    Malformed,
    /// 401: signed more than a minute from now. A clock may be wrong.
    Stale,
    /// 401: no key of this ID.
    UnknownKey,
    /// 401: not signed with the secret of this key, or not this request.
    WrongMac,
    /// 401: the request was done before.
    Replayed,
    /// 403: the key may not do this.
    Scope,
    /// 429: the key asks too often.
    Rate {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// 503: more requests of the key than can be remembered, and what cannot be remembered could be
    /// replayed.
    Full,
    /// 413: the body is too large.
    TooLarge,
    /// 408: the body came too slowly.
    TooSlow,
    /// 400: the body did not come whole.
    Broken,
    /// 400: the body asks for nothing that can be done.
    Invalid,
    /// 404: no such path.
    NotFound,
    /// 405: not with this method.
    Method,
    /// 504: it took too long. What was fetched until then may be in the cache.
    Deadline,
}

impl Refusal {
    /// The status that the client gets.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unsigned
            | Self::Malformed
            | Self::Stale
            | Self::UnknownKey
            | Self::WrongMac
            | Self::Replayed => StatusCode::UNAUTHORIZED,
            Self::Scope => StatusCode::FORBIDDEN,
            Self::Rate { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// One word for it, from a closed set.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Malformed => "malformed",
            Self::Stale => "stale",
            Self::UnknownKey => "unknown-key",
            Self::WrongMac => "wrong-mac",
            Self::Replayed => "replayed",
            Self::Scope => "scope",
            Self::Rate { .. } => "rate",
            Self::Full => "full",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::Broken => "broken",
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Method => "method",
            Self::Deadline => "deadline",
        }
    }

    /// What the client is told.
    pub(super) fn told(self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "not signed as it must be",
            StatusCode::FORBIDDEN => "the key may not do this",
            StatusCode::TOO_MANY_REQUESTS => "too many requests",
            StatusCode::SERVICE_UNAVAILABLE => "too many requests to remember",
            StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
            StatusCode::REQUEST_TIMEOUT => "the body came too slowly",
            StatusCode::NOT_FOUND => "no such path",
            StatusCode::METHOD_NOT_ALLOWED => "not with this method",
            StatusCode::GATEWAY_TIMEOUT => "it took too long",
            _ => "the body cannot be read",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
