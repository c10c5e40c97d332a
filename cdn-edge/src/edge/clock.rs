use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::semantics::Now;

/// Where the time comes from: tokio's clock for how long things last, a wall clock for dates.
#[derive(Clone)]
pub(crate) struct Clock {
    start: Instant,
    wall: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Seconds since 1970 at `start`, as of the last look at the wall.
    at_start: Arc<AtomicU64>,
}

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self::with(Arc::new(system_seconds))
    }

    /// A wall clock of the caller's own, in seconds since 1970.
    pub(crate) fn with(wall: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        let clock = Self { start: Instant::now(), wall, at_start: Arc::default() };
        clock.look();
        clock
    }

    /// The time, by the last look at the wall: a hit reads one clock.
    pub(crate) fn now(&self) -> Now {
        let tick = self.tick();
        Now { unix: self.at_start.load(Ordering::Relaxed) + tick / 1000, tick }
    }

    /// Looks at the wall, as each fill does: dates in its response are compared with it.
    pub(crate) fn look(&self) -> Now {
        let tick = self.tick();
        let unix = (self.wall)();
        self.at_start.store(unix.saturating_sub(tick / 1000), Ordering::Relaxed);
        Now { unix, tick }
    }

    fn tick(&self) -> u64 {
        let since = Instant::now().saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the one place where the wall clock comes in; tests bring their own"
)]
fn system_seconds() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish()
    }
}
