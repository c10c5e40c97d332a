use http::StatusCode;

use super::{Facts, Now, Reason, Rules, Stored};

/// How the origin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It answered with this status.
    Status(StatusCode),
    /// There was no answer: no connection, a broken one, a deadline, an open circuit.
    Unreachable,
}

impl Failure {
    /// Whether an answer counts as an error (RFC 5861, 4).
    #[must_use]
    pub fn of(status: StatusCode) -> Option<Self> {
        matches!(status.as_u16(), 500 | 502..=504).then_some(Self::Status(status))
    }
}

/// Whether a stored response stands in for an origin that failed, and by which right.
///
/// First `stale-if-error` (RFC 5861), of the response or of the rules; then, if there was no answer at all, the
/// leave that 4.2.4 gives to a cache that is disconnected. What forbids stale use forbids it here too.
#[must_use]
pub fn rescue(
    stored: &Stored,
    purged: bool,
    failure: Failure,
    facts: &Facts,
    now: Now,
    rules: &Rules,
) -> Option<Reason> {
    if stored.never_stale || stored.no_cache || facts.authorization && !stored.leave {
        return None;
    }
    if !purged && stored.is_fresh(now) {
        // It was asked for again only because the client wanted so.
        return Some(Reason::Fresh);
    }
    let staleness = stored.staleness(now);
    let asked = facts.directives.as_ref().and_then(|directives| directives.stale_if_error);
    if staleness < u64::from(stored.stale_if_error.max(asked.unwrap_or(0))) {
        return Some(Reason::StaleIfError);
    }
    match failure {
        Failure::Unreachable if staleness < u64::from(rules.stale_when_disconnected) => {
            Some(Reason::StaleDisconnected)
        }
        _ => None,
    }
}
