//! Waiting for a node only as long as it is there.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, sleep, timeout};

/// How often somebody who waits for an answer looks whether the node is still there, and whether
/// there is time left. A frozen node is found by its monitor; whoever waits for it learns of it this
/// much later, at most.
const TICK: Duration = Duration::from_millis(50);

/// One clock for all exchanges of a pool.
///
/// A timer for each of them would cost more than all the rest that the pool does for it. Here each
/// connection has a bell, which wakes whoever waits for an answer on it; they then look at the time.
#[derive(Clone)]
pub(crate) struct Ticks(Arc<Clock>);

struct Clock {
    began: Instant,
    /// Ticks until now.
    count: AtomicU64,
    /// The time of the last tick.
    now: AtomicU64,
    bells: Mutex<Vec<Weak<Bell>>>,
}

/// A time as of the last tick, in microseconds since the clock began. Every checkout compares two of
/// them, where looking at the real clock would cost as much as all the rest it does.
///
/// Of a process that was frozen, the first checkout may see the time of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coarse(u64);

impl Coarse {
    /// How long ago that was.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// So much later.
    pub(crate) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(micros(time)))
    }
}

/// Wakes whoever waits for an answer on one connection.
#[derive(Default)]
pub(crate) struct Bell(AtomicWaker);

impl Ticks {
    /// Ticks for as long as somebody has it.
    pub(crate) fn start() -> Self {
        let clock = Arc::new(Clock {
            began: Instant::now(),
            count: AtomicU64::new(0),
            now: AtomicU64::new(0),
            bells: Mutex::new(Vec::new()),
        });
        tokio::spawn(tick(Arc::downgrade(&clock)));
        Self(clock)
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.0.began
    }

    /// The time, as of the last tick.
    pub(crate) fn now(&self) -> Coarse {
        Coarse(self.0.now.load(Ordering::Relaxed))
    }

    pub(crate) fn bell(&self) -> Arc<Bell> {
        let bell = Arc::new(Bell::default());
        self.0.bells.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&bell));
        bell
    }

    /// Waits for an answer until `limit` has passed, or `lost` says that the node will not give it.
    ///
    /// The work is pinned by the caller: moved here, every byte of its future would be copied, for
    /// each statement.
    pub(crate) async fn answer<T>(
        &self,
        bell: &Bell,
        started: Instant,
        limit: Duration,
        lost: impl Fn() -> bool,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut looked = self.0.count.load(Ordering::Acquire);
        let mut left = limit;
        let answered = poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            // Before it looks: a tick in between is seen by one of the two.
            bell.0.register(cx.waker());
            let ticks = self.0.count.load(Ordering::Acquire);
            if ticks != looked {
                looked = ticks;
                left = limit.saturating_sub(Instant::now().saturating_duration_since(started));
            }
            // Towards the end of its time, it has a timer of its own.
            if left <= 2 * TICK || lost() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        if answered.is_some() || lost() {
            return answered;
        }
        patiently(started, limit, lost, work).await
    }
}

async fn tick(clock: Weak<Clock>) {
    loop {
        sleep(TICK).await;
        let Some(clock) = clock.upgrade() else { return };
        let now = Instant::now().saturating_duration_since(clock.began);
        clock.now.store(micros(now), Ordering::Relaxed);
        clock.count.fetch_add(1, Ordering::AcqRel);
        let mut bells = clock.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|bell| match bell.upgrade() {
            Some(bell) => {
                bell.0.wake();
                true
            }
            None => false,
        });
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The same by timers, for what is seldom waited for.
pub(crate) async fn patiently<T>(
    started: Instant,
    limit: Duration,
    lost: impl Fn() -> bool,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    loop {
        let waited = Instant::now().saturating_duration_since(started);
        let left = limit.saturating_sub(waited);
        if left.is_zero() || lost() {
            return None;
        }
        if let Ok(done) = timeout(left.min(TICK), &mut work).await {
            return Some(done);
        }
    }
}
