//! Figures of a cache. Every `cfg` for metrics and events is in this file and in the folder beside
//! it.
//!
//! The cache counts for itself, and [`Stats`] shows it. The `metrics` facade gets the same numbers,
//! handed over whenever something happens that costs more than a hit, and every 1024 hits: a hit does
//! not pay for a recorder.

mod counts;
#[cfg(feature = "metrics")]
mod recorded;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use self::counts::Counts;
pub use self::counts::Stats;
use crate::bus::BusError;
use crate::cache::{Cached, Status};
use crate::engine::{TooHeavy, Usage};
use crate::envelope::{Oversize, Unreadable};
use crate::error::LoadError;
use crate::key::Space;
use crate::store::StoreError;
use crate::version::Superseded;

/// Readers of one load from which it counts as a stampede that did not happen.
const STAMPEDE: u64 = 10;
/// How often the fill level is looked at, in values that were kept.
const LOOK_EVERY: u64 = 256;

/// A handle to a cache's figures.
#[derive(Clone)]
pub(crate) struct Telemetry {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Arc<str>,
    headroom: f64,
    counts: Counts,
    kept: AtomicU64,
    tight: AtomicBool,
    /// What was said once and need not be said again until it has changed.
    store_failing: AtomicBool,
    bus_failing: AtomicBool,
    too_heavy_said: AtomicBool,
    unreadable_said: AtomicBool,
    #[cfg(feature = "metrics")]
    recorded: std::sync::OnceLock<recorded::Recorded>,
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Telemetry {
    pub(crate) fn new(space: &Space, headroom: f64) -> Self {
        Self {
            shared: Arc::new(Shared {
                cache: space.name().into(),
                headroom,
                counts: Counts::default(),
                kept: AtomicU64::new(0),
                tight: AtomicBool::new(false),
                store_failing: AtomicBool::new(false),
                bus_failing: AtomicBool::new(false),
                too_heavy_said: AtomicBool::new(false),
                unreadable_said: AtomicBool::new(false),
                #[cfg(feature = "metrics")]
                recorded: std::sync::OnceLock::new(),
            }),
        }
    }

    fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    pub(crate) fn stats(&self, values: Usage, absences: Usage, in_flight: usize) -> Stats {
        self.hand_over();
        self.counts().stats(values, absences, in_flight)
    }

    /// A read was answered from memory. `place` is the key's, and spreads the counting.
    #[inline]
    pub(crate) fn hit(&self, place: u64) {
        if self.counts().hits.add(place) {
            self.hand_over();
        }
    }

    pub(crate) fn answered(&self, status: Status) {
        let counts = self.counts();
        let count = match status {
            Status::L1 => return counts.hits.add_one(),
            Status::L2 => &counts.l2_hits,
            Status::Loaded => &counts.loaded,
            Status::Joined => &counts.joined,
            Status::Stale(_) => &counts.stale,
            Status::Written => return,
        };
        add(count, 1);
    }

    /// A read that had to wait has its answer.
    pub(crate) fn resolved<V>(&self, answer: &Result<Cached<V>, LoadError>) {
        match answer {
            Ok(cached) => {
                self.answered(cached.status());
                if cached.is_negative() {
                    add(&self.counts().negative, 1);
                }
            }
            Err(_) => add(&self.counts().errors, 1),
        }
        self.hand_over();
    }

    /// A layer has sent a request past the cache.
    pub(crate) fn bypassed(&self) {
        add(&self.counts().bypassed, 1);
    }

    pub(crate) fn load_began(&self) {
        add(&self.counts().loads, 1);
    }

    pub(crate) fn load_ended(&self, took: Duration, error: Option<&LoadError>) {
        let counts = self.counts();
        add(&counts.load_nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if error.is_some() {
            add(&counts.failed_loads, 1);
        }
        #[cfg(feature = "metrics")]
        self.recorded().load_ended(took, error);
    }

    /// A flight has landed for which so many readers beside the first one waited.
    pub(crate) fn landed(&self, joined: u64) {
        if joined >= STAMPEDE {
            add(&self.counts().stampedes, 1);
        }
    }

    /// A value was kept. `usage` is asked now and then, for it looks at all shards.
    pub(crate) fn kept(&self, usage: impl FnOnce() -> Usage) {
        let kept = self.shared.kept.fetch_add(1, Ordering::Relaxed);
        if !kept.is_multiple_of(LOOK_EVERY) {
            return;
        }
        let usage = usage();
        let headroom = self.shared.headroom;
        let free = 1.0 - usage.weight as f64 / usage.capacity.max(1) as f64;
        let tight = headroom > 0.0 && free < headroom;
        #[cfg(feature = "metrics")]
        self.recorded().usage(usage, tight);
        if self.shared.tight.swap(tight, Ordering::Relaxed) != tight {
            #[cfg(feature = "tracing")]
            match tight {
                true => tracing::warn!(
                    cache = %self.shared.cache, weight = usage.weight, capacity = usage.capacity,
                    "less memory is free than the headroom asked for"
                ),
                false => {
                    tracing::info!(cache = %self.shared.cache, "the headroom is there again");
                }
            }
        }
    }

    pub(crate) fn superseded(&self, why: Superseded) {
        let counts = self.counts();
        add(&counts.superseded, 1);
        #[cfg(feature = "metrics")]
        self.recorded().superseded(why);
        #[cfg(not(feature = "metrics"))]
        let _ = why;
    }

    /// An entry was found that had come to its end, by its age or by a bump or a clear.
    pub(crate) fn expired(&self, by_age: bool) {
        add(if by_age { &self.counts().expired } else { &self.counts().outdated }, 1);
    }

    pub(crate) fn invalidated(&self, changes: usize) {
        add(&self.counts().invalidated, changes as u64);
        self.hand_over();
    }

    pub(crate) fn told(&self) {
        add(&self.counts().told, 1);
        self.hand_over();
    }

    pub(crate) fn missed(&self) {
        add(&self.counts().missed, 1);
        self.hand_over();
        #[cfg(feature = "tracing")]
        tracing::info!(
            cache = %self.shared.cache,
            "messages of other processes may have been lost; memory is taken for old"
        );
    }

    pub(crate) fn filled(&self) {
        add(&self.counts().filled, 1);
        self.store_answered();
    }

    pub(crate) fn fill_refused(&self) {
        add(&self.counts().refused, 1);
    }

    pub(crate) fn waited(&self, loads: usize) {
        add(&self.counts().waited, loads as u64);
    }

    pub(crate) fn unreadable(&self, why: Unreadable) {
        self.not_readable(why.as_str());
    }

    /// The envelope is whole, and its codec cannot read what is in it.
    pub(crate) fn undecodable(&self) {
        self.not_readable("payload");
    }

    fn not_readable(&self, why: &'static str) {
        add(&self.counts().unreadable, 1);
        #[cfg(feature = "metrics")]
        self.recorded().unreadable(why);
        let said = self.shared.unreadable_said.swap(true, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !said {
            tracing::warn!(
                cache = %self.shared.cache, why,
                "the second level holds what cannot be read; it counts as a miss"
            );
        }
        let _ = (why, said);
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        add(&self.counts().store_errors, 1);
        #[cfg(feature = "metrics")]
        self.recorded().store_failed(error);
        let said = self.shared.store_failing.swap(true, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !said {
            tracing::warn!(cache = %self.shared.cache, %error, "the second level fails");
        }
        let _ = (error, said);
    }

    /// Something was kept at the second level, so it is there again.
    fn store_answered(&self) {
        // A plain look first: it is nearly always false, and a write would be everybody's.
        if !self.shared.store_failing.load(Ordering::Relaxed) {
            return;
        }
        self.shared.store_failing.store(false, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        tracing::info!(cache = %self.shared.cache, "the second level takes values again");
    }

    pub(crate) fn bus_failed(&self, error: &BusError) {
        add(&self.counts().bus_errors, 1);
        let said = self.shared.bus_failing.swap(true, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !said {
            tracing::warn!(cache = %self.shared.cache, %error, "the bus fails");
        }
        let _ = (error, said);
    }

    pub(crate) fn bus_answered(&self) {
        if !self.shared.bus_failing.load(Ordering::Relaxed) {
            return;
        }
        self.shared.bus_failing.store(false, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        tracing::info!(cache = %self.shared.cache, "the bus takes messages again");
    }

    pub(crate) fn too_heavy(&self, heavy: TooHeavy) {
        self.not_kept("too_heavy", &heavy);
    }

    pub(crate) fn oversize(&self, oversize: Oversize) {
        self.not_kept("oversize", &oversize);
    }

    pub(crate) fn too_many_tags(&self, count: usize) {
        self.not_kept("tags", &Oversize::Tags { count });
    }

    pub(crate) fn unencodable(&self, error: &(dyn std::error::Error + Send + Sync)) {
        self.not_kept("codec", error);
    }

    fn not_kept(&self, why: &'static str, error: &dyn fmt::Display) {
        add(&self.counts().too_heavy, 1);
        #[cfg(feature = "metrics")]
        self.recorded().not_kept(why);
        let said = self.shared.too_heavy_said.swap(true, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !said {
            tracing::warn!(
                cache = %self.shared.cache, why, %error,
                "a value is not kept; further ones are only counted"
            );
        }
        let _ = (why, error, said);
    }

    fn hand_over(&self) {
        #[cfg(feature = "metrics")]
        self.recorded().counts(self.counts());
    }

    #[cfg(feature = "metrics")]
    fn recorded(&self) -> &recorded::Recorded {
        self.shared.recorded.get_or_init(|| recorded::Recorded::new(&self.shared.cache))
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("cache", &self.shared.cache).finish_non_exhaustive()
    }
}
