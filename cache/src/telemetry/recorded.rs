//! What the `metrics` facade gets. Handles are made at first use, once a cache: one made before the
//! application installs its recorder would be dead for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::counts::Counts;
use crate::engine::Usage;
use crate::error::LoadError;
use crate::store::StoreError;
use crate::version::Superseded;

pub(super) struct Recorded {
    cache: Arc<str>,
    hits: Counter,
    totals: Vec<(Counter, fn(&Counts) -> &AtomicU64)>,
    loaded: Histogram,
    failed: Histogram,
    panicked: Histogram,
    timed_out: Histogram,
    evicted: Counter,
    entries: Gauge,
    weight: Gauge,
    capacity: Gauge,
    tight: Gauge,
}

impl Recorded {
    pub(super) fn new(cache: &Arc<str>) -> Self {
        let name = || Arc::clone(cache);
        let reads = |result: &'static str| counter!("terrace.cache.reads", "cache" => name(), "result" => result);
        let gone = |cause: &'static str| counter!("terrace.cache.evictions", "cache" => name(), "cause" => cause);
        let changes = |from: &'static str| counter!("terrace.cache.invalidations", "cache" => name(), "from" => from);
        let fills = |result: &'static str| counter!("terrace.cache.fills", "cache" => name(), "result" => result);
        let load = |result: &'static str| histogram!("terrace.cache.load.duration", "cache" => name(), "result" => result);
        let totals: Vec<(Counter, fn(&Counts) -> &AtomicU64)> = vec![
            (reads("stale"), |counts| &counts.stale),
            (reads("l2"), |counts| &counts.l2_hits),
            (reads("loaded"), |counts| &counts.loaded),
            (reads("joined"), |counts| &counts.joined),
            (reads("error"), |counts| &counts.errors),
            (reads("bypassed"), |counts| &counts.bypassed),
            (counter!("terrace.cache.negative", "cache" => name()), |counts| &counts.negative),
            (counter!("terrace.cache.stampedes", "cache" => name()), |counts| &counts.stampedes),
            (gone("expired"), |counts| &counts.expired),
            (gone("outdated"), |counts| &counts.outdated),
            (changes("here"), |counts| &counts.invalidated),
            (changes("other"), |counts| &counts.told),
            (changes("gap"), |counts| &counts.missed),
            (fills("kept"), |counts| &counts.filled),
            (fills("refused"), |counts| &counts.refused),
            (counter!("terrace.cache.waits", "cache" => name()), |counts| &counts.waited),
            (counter!("terrace.cache.bus.errors", "cache" => name()), |counts| &counts.bus_errors),
        ];
        Self {
            hits: reads("hit"),
            totals,
            loaded: load("ok"),
            failed: load("error"),
            panicked: load("panic"),
            timed_out: load("timeout"),
            evicted: gone("capacity"),
            entries: gauge!("terrace.cache.entries", "cache" => name()),
            weight: gauge!("terrace.cache.weight", "cache" => name()),
            capacity: gauge!("terrace.cache.capacity", "cache" => name()),
            tight: gauge!("terrace.cache.tight", "cache" => name()),
            cache: name(),
        }
    }

    pub(super) fn counts(&self, counts: &Counts) {
        self.hits.absolute(counts.hits.sum());
        for (counter, count) in &self.totals {
            counter.absolute(count(counts).load(Ordering::Relaxed));
        }
    }

    pub(super) fn load_ended(&self, took: Duration, error: Option<&LoadError>) {
        let histogram = match error {
            None => &self.loaded,
            Some(LoadError::Panicked { .. }) => &self.panicked,
            Some(LoadError::TimedOut { .. }) => &self.timed_out,
            Some(_) => &self.failed,
        };
        histogram.record(took);
    }

    pub(super) fn usage(&self, usage: Usage, tight: bool) {
        self.evicted.absolute(usage.evicted);
        self.entries.set(usage.entries as f64);
        self.weight.set(usage.weight as f64);
        self.capacity.set(usage.capacity as f64);
        self.tight.set(f64::from(u8::from(tight)));
    }

    pub(super) fn superseded(&self, why: Superseded) {
        let why = match why {
            Superseded::Key => "key",
            Superseded::Clear => "clear",
            Superseded::Tag => "tag",
        };
        self.not_kept(why);
    }

    pub(super) fn not_kept(&self, why: &'static str) {
        let cache = Arc::clone(&self.cache);
        counter!("terrace.cache.not_kept", "cache" => cache, "reason" => why).increment(1);
    }

    pub(super) fn unreadable(&self, why: &'static str) {
        let cache = Arc::clone(&self.cache);
        counter!("terrace.cache.unreadable", "cache" => cache, "reason" => why).increment(1);
    }

    pub(super) fn store_failed(&self, error: &StoreError) {
        let cache = Arc::clone(&self.cache);
        let kind = error.as_str();
        counter!("terrace.cache.store.errors", "cache" => cache, "kind" => kind).increment(1);
    }
}
