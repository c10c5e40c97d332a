//! What an edge counts and tells. Every `cfg` for metrics and tracing is in this file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::semantics::Reason;

/// What an edge has done and holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Answers from the store.
    pub hits: u64,
    /// Of these, stale ones.
    pub stale: u64,
    /// Answers for which the origin was asked.
    pub misses: u64,
    /// Answers shared with another request that had asked the origin.
    pub collapsed: u64,
    /// Answers that the edge made itself because there was no other.
    pub failures: u64,
    /// Requests to the origin.
    pub origin_requests: u64,
    /// Of these, failed ones.
    pub origin_failures: u64,
    /// Bytes of bodies that came from the origin to be stored.
    pub origin_bytes: u64,
    /// Bytes of bodies that were answered from the store.
    pub served_bytes: u64,
    /// Responses stored.
    pub stored: u64,
    /// Purges.
    pub purges: u64,
    /// Keys in memory.
    pub objects: usize,
    /// Bytes in memory.
    pub bytes: u64,
    /// Bytes that the memory may hold.
    pub capacity: u64,
    /// Requests to the origin that others may join, at the moment.
    pub in_flight: usize,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    stale: AtomicU64,
    misses: AtomicU64,
    collapsed: AtomicU64,
    failures: AtomicU64,
    origin_requests: AtomicU64,
    origin_failures: AtomicU64,
    origin_bytes: AtomicU64,
    served_bytes: AtomicU64,
    stored: AtomicU64,
    purges: AtomicU64,
}

/// What an edge tells the outside.
#[derive(Debug)]
pub(crate) struct Telemetry {
    counts: Counts,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "the label of the metrics"))]
    name: Arc<str>,
}

impl Telemetry {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { counts: Counts::default(), name }
    }

    /// A request was answered from the store.
    pub(crate) fn hit(&self, reason: Reason, bytes: u64) {
        self.counts.hits.fetch_add(1, Relaxed);
        self.counts.served_bytes.fetch_add(bytes, Relaxed);
        if reason != Reason::Fresh {
            self.counts.stale.fetch_add(1, Relaxed);
        }
    }

    /// A request was answered by the origin.
    pub(crate) fn missed(&self, _reason: Reason, _unstored: Option<Reason>) {
        self.counts.misses.fetch_add(1, Relaxed);
    }

    /// A request shared another's answer.
    pub(crate) fn collapsed(&self, _reason: Reason) {
        self.counts.collapsed.fetch_add(1, Relaxed);
    }

    /// The edge answered by itself.
    pub(crate) fn failed(&self, _reason: Reason) {
        self.counts.failures.fetch_add(1, Relaxed);
    }

    /// The origin is asked.
    pub(crate) fn asked(&self) {
        self.counts.origin_requests.fetch_add(1, Relaxed);
    }

    /// The origin failed.
    pub(crate) fn origin_failed(&self) {
        self.counts.origin_failures.fetch_add(1, Relaxed);
    }

    /// Bytes came from the origin.
    pub(crate) fn received(&self, bytes: u64) {
        self.counts.origin_bytes.fetch_add(bytes, Relaxed);
    }

    /// A response was stored.
    pub(crate) fn stored(&self) {
        self.counts.stored.fetch_add(1, Relaxed);
    }

    /// Something was purged.
    pub(crate) fn purged(&self) {
        self.counts.purges.fetch_add(1, Relaxed);
    }

    pub(crate) fn stats(
        &self,
        objects: usize,
        bytes: u64,
        capacity: u64,
        in_flight: usize,
    ) -> Stats {
        let counts = &self.counts;
        Stats {
            hits: counts.hits.load(Relaxed),
            stale: counts.stale.load(Relaxed),
            misses: counts.misses.load(Relaxed),
            collapsed: counts.collapsed.load(Relaxed),
            failures: counts.failures.load(Relaxed),
            origin_requests: counts.origin_requests.load(Relaxed),
            origin_failures: counts.origin_failures.load(Relaxed),
            origin_bytes: counts.origin_bytes.load(Relaxed),
            served_bytes: counts.served_bytes.load(Relaxed),
            stored: counts.stored.load(Relaxed),
            purges: counts.purges.load(Relaxed),
            objects,
            bytes,
            capacity,
            in_flight,
        }
    }
}
