//! What all handles of one cache share, and the lookup.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::level::Level;
use super::shared::Shared;
use super::{Cached, Entry, Status, Why};
use crate::bus::Bus;
use crate::flight::Flights;
use crate::freshness::{Freshness, Lifetime, Moment, Verdict};
use crate::key::{CacheKey, Space};
use crate::load::Loaders;
use crate::place::{Kept, Placed, Places};
use crate::telemetry::Telemetry;
use crate::version::{Captured, Versions};

pub(crate) type Weigher<V> = Box<dyn Fn(&[u8], &V) -> usize + Send + Sync>;

pub(crate) struct Core<K, V> {
    pub(crate) space: Space,
    pub(crate) places: Places,
    pub(crate) level: Level<V>,
    pub(crate) versions: Versions,
    pub(crate) flights: Arc<Flights<V>>,
    pub(crate) freshness: Freshness,
    pub(crate) loaders: Loaders<K, V>,
    /// How many loads may run at a time.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) weigher: Option<Weigher<V>>,
    pub(crate) shared: Option<Shared<V>>,
    pub(crate) bus: Option<Arc<dyn Bus>>,
    pub(crate) origin: Instant,
    pub(crate) draws: AtomicU64,
    pub(crate) telemetry: Telemetry,
}

/// What a lookup says.
pub(crate) enum Look<V> {
    /// This is the answer.
    Hit(Cached<V>),
    /// This is the answer, and somebody should load.
    Refresh(Cached<V>, Ask<V>),
    /// It must be loaded.
    Ask(Ask<V>),
}

/// A reader who needs a load.
pub(crate) struct Ask<V> {
    pub(crate) placed: Placed,
    pub(crate) captured: Captured,
    pub(crate) came: Moment,
    /// What is there and will not do, if it may still be served otherwise.
    pub(crate) held: Option<Arc<Entry<V>>>,
}

impl<K, V> Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        Moment::at(Instant::now(), self.origin)
    }

    /// A number by chance, the next of the cache's seed.
    pub(crate) fn draw(&self) -> u64 {
        // SplitMix64: one addition is the whole state.
        let state = self.draws.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The value if it is there and plainly fresh: nearly every read, and so without anything that
    /// the others need.
    #[inline]
    pub(crate) fn hit(&self, key: &K) -> Option<Cached<V>> {
        self.places.look(key, |place, asked| {
            let entry = self.level.value(place)?;
            if !entry.key.is(asked)
                || !self.is_current(&entry)
                || Instant::now() >= entry.plain_until
            {
                return None;
            }
            self.telemetry.hit(place);
            Some(Cached::new(entry, Status::L1))
        })
    }

    /// An entry that was never kept.
    pub(crate) fn entry(
        &self,
        value: Option<V>,
        bytes: &[u8],
        lifetime: Lifetime,
        loaded: Moment,
        written: u64,
    ) -> Entry<V> {
        let plain = lifetime.plainly_fresh_until().instant(self.origin);
        // What no clock can show is far enough away in a year.
        let plain_until = plain.unwrap_or_else(far);
        Entry { value, key: Kept::new(bytes), stamp: None, lifetime, plain_until, loaded, written }
    }

    pub(crate) fn look(&self, key: &K) -> Look<V> {
        self.places.with(key, |place, bytes| {
            let now = self.now();
            let found = self.level.find(place, bytes);
            if let Some(entry) = found {
                match self.verdict(&entry, now) {
                    Verdict::Fresh => {
                        self.telemetry.hit(place);
                        return Look::Hit(Cached::new(entry, Status::L1));
                    }
                    Verdict::Gone => self.telemetry.expired(self.is_current(&entry)),
                    verdict => return self.past_its_best(entry, verdict, place, bytes, now),
                }
            }
            Look::Ask(self.ask(place, bytes, now, None))
        })
    }

    /// What may be done with an entry now; what is not current is gone.
    #[inline]
    pub(crate) fn verdict(&self, entry: &Entry<V>, now: Moment) -> Verdict {
        match self.is_current(entry) {
            true => entry.lifetime.judge(now, || self.draw()),
            false => Verdict::Gone,
        }
    }

    /// Whether it is kept, and neither a clear nor a bump of one of its tags came since.
    #[inline]
    pub(crate) fn is_current(&self, entry: &Entry<V>) -> bool {
        entry.stamp.as_ref().is_some_and(|stamp| stamp.is_current(&self.versions))
    }

    #[cold]
    fn past_its_best(
        &self,
        entry: Arc<Entry<V>>,
        verdict: Verdict,
        place: u64,
        bytes: &[u8],
        now: Moment,
    ) -> Look<V> {
        let status = match verdict {
            Verdict::FreshRefreshEarly => Status::L1,
            Verdict::StaleRevalidate => Status::Stale(Why::Revalidating),
            _ => return Look::Ask(self.ask(place, bytes, now, Some(entry))),
        };
        self.telemetry.answered(status);
        let ask = self.ask(place, bytes, now, Some(Arc::clone(&entry)));
        Look::Refresh(Cached::new(entry, status), ask)
    }

    fn ask(&self, place: u64, bytes: &[u8], came: Moment, held: Option<Arc<Entry<V>>>) -> Ask<V> {
        Ask {
            placed: Placed { place, bytes: bytes.into() },
            captured: self.versions.capture(place),
            came,
            held,
        }
    }

    /// What is there now and may be served in place of a value that cannot be had.
    pub(crate) fn fallback(&self, placed: &Placed) -> Option<Arc<Entry<V>>> {
        let entry = self.level.find(placed.place, &placed.bytes)?;
        (self.verdict(&entry, self.now()) < Verdict::Gone).then_some(entry)
    }

    pub(crate) fn weigh(&self, bytes: &[u8], value: Option<&V>) -> usize {
        match (&self.weigher, value) {
            (Some(weigher), Some(value)) => weigher(bytes, value),
            _ => 1,
        }
    }
}

/// A time so late that it does not matter when.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
