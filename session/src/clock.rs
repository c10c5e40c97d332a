//! Wall time, from outside.
//!
//! A session ends at a time of day that several processes have to agree on. Shared stores go by the clock of their
//! server: an app server whose clock is wrong ends nobody's session. A [`Clock`] takes its place in tests, and is
//! what stores inside a process go by.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Milliseconds since 1970, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// So much later. Stops at the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How much later this is than `earlier`; nothing if it is not later: clocks go backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// In whole milliseconds, as stores count.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells the time of day.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// What time it is. It may be earlier than the last time.
    fn now(&self) -> UnixMillis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_types, reason = "this is the clock that others inject")]
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
        // A clock before 1970 is a clock that was not set.
        UnixMillis(since.map_or(0, millis))
    }
}

/// A clock that goes when it is told to.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use terrace_session::{Clock, ManualClock, UnixMillis};
///
/// let clock = ManualClock::at(UnixMillis(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now(), UnixMillis(3_000));
/// ```
///
/// # Clone
///
/// Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: UnixMillis) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// Sets it, also backwards.
    pub fn set(&self, now: UnixMillis) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().after(duration));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}
