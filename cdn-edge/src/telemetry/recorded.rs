//! What the `metrics` facade gets. Handles are made at first use, once an edge: one made before the application
//! installs its recorder would be dead for ever. A decision that was never taken has no handle, and no time series.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, counter, gauge};

use super::Stats;
use super::counts::{Counts, Outcome, PurgeKind};
use crate::semantics::Reason;

#[derive(Default)]
struct Lazy(OnceLock<Counter>);

impl Lazy {
    fn set(&self, value: u64, make: impl FnOnce() -> Counter) {
        if value > 0 {
            self.0.get_or_init(make).absolute(value);
        }
    }
}

pub(super) struct Recorded {
    edge: Arc<str>,
    decisions: [[Lazy; Reason::ALL.len()]; Outcome::ALL.len()],
    purges: [Lazy; PurgeKind::ALL.len()],
    origin_requests: Counter,
    origin_failures: Counter,
    origin_bytes: Counter,
    origin_down: Gauge,
    served_bytes: Counter,
    stored: Counter,
    evictions: Counter,
    objects: Gauge,
    memory: Gauge,
    capacity: Gauge,
    in_flight: Gauge,
}

impl Recorded {
    pub(super) fn new(edge: &Arc<str>) -> Self {
        let name = || Arc::clone(edge);
        Self {
            decisions: std::array::from_fn(|_| std::array::from_fn(|_| Lazy::default())),
            purges: std::array::from_fn(|_| Lazy::default()),
            origin_requests: counter!("terrace.cdn_edge.origin.requests", "edge" => name()),
            origin_failures: counter!("terrace.cdn_edge.origin.failures", "edge" => name()),
            origin_bytes: counter!("terrace.cdn_edge.origin.bytes", "edge" => name()),
            origin_down: gauge!("terrace.cdn_edge.origin.down", "edge" => name()),
            served_bytes: counter!("terrace.cdn_edge.served.bytes", "edge" => name()),
            stored: counter!("terrace.cdn_edge.stored", "edge" => name()),
            evictions: counter!("terrace.cdn_edge.evictions", "edge" => name()),
            objects: gauge!("terrace.cdn_edge.objects", "edge" => name()),
            memory: gauge!("terrace.cdn_edge.memory.bytes", "edge" => name()),
            capacity: gauge!("terrace.cdn_edge.memory.capacity", "edge" => name()),
            in_flight: gauge!("terrace.cdn_edge.in_flight", "edge" => name()),
            edge: name(),
        }
    }

    pub(super) fn all(&self, counts: &Counts, stats: &Stats) {
        let name = || Arc::clone(&self.edge);
        for outcome in Outcome::ALL {
            for reason in Reason::ALL {
                let count = counts.decided(outcome, reason);
                let (result, why) = (outcome.as_str(), reason.as_str());
                self.decisions[outcome as usize][reason as usize].set(count, || match outcome {
                    Outcome::Unstored => {
                        counter!("terrace.cdn_edge.unstored", "edge" => name(), "reason" => why)
                    }
                    _ => {
                        counter!("terrace.cdn_edge.requests", "edge" => name(), "result" => result, "reason" => why)
                    }
                });
            }
        }
        for kind in PurgeKind::ALL {
            let target = kind.as_str();
            self.purges[kind as usize].set(
                counts.purges(kind),
                || counter!("terrace.cdn_edge.purges", "edge" => name(), "target" => target),
            );
        }
        self.origin_requests.absolute(counts.origin_requests.load(Relaxed));
        self.origin_failures.absolute(counts.origin_failures.load(Relaxed));
        self.origin_bytes.absolute(counts.origin_bytes.load(Relaxed));
        self.origin_down.set(f64::from(u8::from(stats.origin_down)));
        self.served_bytes.absolute(stats.served_bytes);
        self.stored.absolute(stats.stored);
        self.evictions.absolute(stats.evictions);
        self.objects.set(stats.objects as f64);
        self.memory.set(stats.bytes as f64);
        self.capacity.set(stats.capacity as f64);
        self.in_flight.set(stats.in_flight as f64);
    }
}
