use std::time::Duration;

use tokio::time::Instant;

/// A time, counted from when its cache was made.
///
/// Eight bytes instead of an instant's sixteen, for every entry has several; "for ever" needs no
/// case of its own, and no sum overflows. The bytes of a shared store carry wall-clock milliseconds:
/// whoever reads them turns what is left of each into a moment, as their own process counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// When the cache was made.
    pub const ORIGIN: Self = Self(0);
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment that is this long after the origin.
    #[must_use]
    pub fn after(origin: Duration) -> Self {
        Self::ORIGIN.plus(origin)
    }

    /// What an instant is for a cache that was made at `origin`. Earlier ones count as the origin.
    #[inline]
    #[must_use]
    pub fn at(instant: Instant, origin: Instant) -> Self {
        Self::after(instant.saturating_duration_since(origin))
    }

    /// This moment as an instant, for a timer. `None` if it never comes.
    #[must_use]
    pub fn instant(self, origin: Instant) -> Option<Instant> {
        if self == Self::NEVER {
            return None;
        }
        origin.checked_add(Duration::from_nanos(self.0))
    }

    /// This much later. What is beyond 584 years is [`NEVER`](Self::NEVER).
    #[inline]
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(nanos(time)))
    }

    /// This much earlier, but not before the origin. [`NEVER`](Self::NEVER) stays.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        match self {
            Self::NEVER => Self::NEVER,
            Self(at) => Self(at.saturating_sub(nanos(time))),
        }
    }

    /// The time since an earlier moment, 0 if it is a later one.
    #[inline]
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    #[inline]
    pub(super) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
