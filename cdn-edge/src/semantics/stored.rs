use http::StatusCode;

use super::{Now, Selecting};
use crate::field::etag::EntityTag;

/// What of a response matters once it is stored.
///
/// Everything that a decision needs was computed when the response came, so that a hit compares numbers.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(crate) status: StatusCode,
    /// The tick at which the response had age 0, possibly before the clock's beginning.
    pub(crate) born: i64,
    /// How long it is fresh, in seconds.
    pub(crate) lifetime: u32,
    /// How long after that it may be served while it is asked for again.
    pub(crate) stale_while_revalidate: u32,
    /// How long after that it may stand in for an error.
    pub(crate) stale_if_error: u32,
    /// Its `Date`, in seconds since 1970.
    pub(crate) date: u64,
    pub(crate) last_modified: Option<u64>,
    pub(crate) etag: Option<EntityTag>,
    /// The request fields that it was chosen by, and their values.
    pub(crate) selecting: Option<Box<Selecting>>,
    /// What of the representation it holds, if not all.
    pub(crate) span: Option<Span>,
    /// Never to be used stale: must-revalidate, proxy-revalidate, s-maxage (4.2.4).
    pub(crate) never_stale: bool,
    /// Never to be used without asking: no-cache (5.2.2.4).
    pub(crate) no_cache: bool,
    /// May answer requests with credentials (3.5).
    pub(crate) leave: bool,
    /// `immutable` (RFC 8246).
    pub(crate) immutable: bool,
}

/// A part of a representation: bytes `start..end` of `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Length of the whole.
    pub total: u64,
}

impl Stored {
    /// Current age in seconds (4.2.3).
    #[must_use]
    pub fn age(&self, now: Now) -> u64 {
        let tick = i64::try_from(now.tick).unwrap_or(i64::MAX);
        u64::try_from(tick.saturating_sub(self.born)).unwrap_or(0) / 1000
    }

    /// Seconds until it is stale; negative once it is (RFC 9211's `ttl`).
    #[must_use]
    pub fn ttl(&self, now: Now) -> i64 {
        let age = i64::try_from(self.age(now)).unwrap_or(i64::MAX);
        i64::from(self.lifetime).saturating_sub(age)
    }

    /// Whether it is fresh: its lifetime exceeds its age (4.2).
    #[must_use]
    pub fn is_fresh(&self, now: Now) -> bool {
        self.ttl(now) > 0
    }

    /// Seconds since it became stale; 0 while it is fresh.
    #[must_use]
    pub fn staleness(&self, now: Now) -> u64 {
        u64::try_from(self.ttl(now).saturating_neg()).unwrap_or(0)
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The lifetime it came with, in seconds.
    #[must_use]
    pub fn lifetime(&self) -> u32 {
        self.lifetime
    }

    /// Its entity tag.
    #[must_use]
    pub fn etag(&self) -> Option<&EntityTag> {
        self.etag.as_ref()
    }

    /// Its `Last-Modified`, in seconds since 1970.
    #[must_use]
    pub fn last_modified(&self) -> Option<u64> {
        self.last_modified
    }

    /// The part it holds, if not all.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The request fields that it was chosen by.
    #[must_use]
    pub fn selecting(&self) -> Option<&Selecting> {
        self.selecting.as_deref()
    }

    /// Whether the origin can be asked if it has changed.
    #[must_use]
    pub fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}
