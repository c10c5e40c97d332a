use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::Usage;

/// Figures since the cache was built.
///
/// Counts are each exact; read while others go on, they are not of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads answered from memory, within the ttl.
    pub hits: u64,
    /// Reads answered by a value past its ttl.
    pub stale: u64,
    /// Reads answered by the second level.
    pub l2_hits: u64,
    /// Reads whose own load found the value.
    pub loaded: u64,
    /// Reads that waited for a load that another had begun.
    pub joined: u64,
    /// Of those that waited, the reads whose answer was that there is no value. They are counted
    /// above as well.
    pub negative: u64,
    /// Requests that a [`CacheLayer`](crate::CacheLayer) sent past the cache.
    pub bypassed: u64,
    /// Reads that ended with an error.
    pub errors: u64,
    /// Calls of a loader.
    pub loads: u64,
    /// Calls of a loader that failed, panicked or took too long.
    pub failed_loads: u64,
    /// Time that calls of a loader took, in nanoseconds.
    pub load_nanos: u64,
    /// Loads that ten readers or more beside the first one waited for: stampedes that did not reach
    /// the source.
    pub stampedes: u64,
    /// Values that were loaded or read and not kept, because something was invalidated meanwhile.
    pub superseded: u64,
    /// Entries that were found past all of their times.
    pub expired: u64,
    /// Entries that were found under an old version of a tag, or from before a clear.
    pub outdated: u64,
    /// Entries that were forgotten to make room.
    pub evicted: u64,
    /// Keys, tags and clears that were invalidated here.
    pub invalidated: u64,
    /// The same, by other processes.
    pub told: u64,
    /// How often the whole memory was taken for old, because a message may have been lost.
    pub missed: u64,
    /// Values at the second level that were filled.
    pub filled: u64,
    /// Values that the second level refused, because something was invalidated meanwhile.
    pub refused: u64,
    /// Values at the second level that could not be read.
    pub unreadable: u64,
    /// Calls to the second level that failed.
    pub store_errors: u64,
    /// Messages to other processes that could not be sent.
    pub bus_errors: u64,
    /// Times that a load waited for another process's.
    pub waited: u64,
    /// Values that were too heavy, too large or had too many tags to be kept.
    pub too_heavy: u64,
    /// Loads that are under way.
    pub in_flight: usize,
    /// Values in memory.
    pub entries: usize,
    /// The sum of their weights.
    pub weight: usize,
    /// What that sum stays below.
    pub capacity: usize,
    /// Absences in memory.
    pub absences: usize,
}

/// As many as keep the threads of one machine out of each other's way.
const STRIPES: usize = 16;
/// Hits of one stripe after which the recorder hears of them.
const HAND_OVER: u64 = 1024;

/// A count that many threads add to.
#[derive(Default)]
pub(super) struct Striped([Stripe; STRIPES]);

/// A count that shares its cache line, and its neighbour that is fetched along, with no other.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Striped {
    /// Adds one to the stripe of `place`. Returns whether it is time to hand over.
    #[inline]
    pub(super) fn add(&self, place: u64) -> bool {
        let [.., low] = place.to_be_bytes();
        let stripe = &self.0[usize::from(low) % STRIPES];
        let count = stripe.0.fetch_add(1, Ordering::Relaxed);
        count % HAND_OVER == HAND_OVER - 1
    }

    pub(super) fn add_one(&self) {
        self.0[0].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

macro_rules! counts {
    ($($name:ident)*) => {
        /// What [`Stats`] are made of.
        #[derive(Default)]
        pub(super) struct Counts {
            pub(super) hits: Striped,
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counts {
            pub(super) fn stats(&self, values: Usage, absences: Usage, in_flight: usize) -> Stats {
                Stats {
                    hits: self.hits.sum(),
                    evicted: values.evicted + absences.evicted,
                    in_flight,
                    entries: values.entries,
                    weight: values.weight,
                    capacity: values.capacity,
                    absences: absences.entries,
                    $($name: self.$name.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

counts!(
    stale l2_hits loaded joined negative bypassed errors loads failed_loads load_nanos stampedes
    superseded expired outdated invalidated told missed filled refused unreadable store_errors bus_errors
    waited too_heavy
);
