use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use super::control::PurgeTarget;
use super::refusal::Refusal;
use crate::purge::Sequence;

/// What somebody asked for, and what became of it. There is one for every request that is
/// answered; a preload whose client hung up has none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When it was over, in seconds since 1970.
    pub unix: u64,
    /// The key that signed it. None if nobody has shown to have it.
    pub key: Option<Arc<str>>,
    /// The ID of a key that was claimed, whoever it was: 64 plain characters at most.
    pub claimed: Option<String>,
    /// What was asked for.
    pub action: Action,
    /// What it was to be done to, if the request got so far. Has no control characters.
    pub target: Option<String>,
    /// The number of the purge.
    pub sequence: Option<Sequence>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
    /// What was answered.
    pub status: StatusCode,
}

/// What a request is for, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// `/purge`.
    Purge,
    /// `/preload`.
    Preload,
    /// `/status`.
    Status,
    /// Anything else.
    Unknown,
}

impl Action {
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/purge" => Self::Purge,
            "/preload" => Self::Preload,
            "/status" => Self::Status,
            _ => Self::Unknown,
        }
    }

    /// One word for it, from a closed set.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::Preload => "preload",
            Self::Status => "status",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PurgeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "url {url}"),
            Self::UrlPath(url) => write!(f, "path {url}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Group { origin, name } => write!(f, "group {name} of {origin}"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}"),
            Self::All => f.write_str("all"),
        }
    }
}
