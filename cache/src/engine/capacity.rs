/// How many parts an engine is cut into, unless it is for few entries.
///
/// Fixed, and not a function of the number of cores, so that hits are the same on every machine. Eight
/// keep a lock free enough for the few cores that one process usually serves on. They cost LRU up to
/// half a point of the hit ratio (`lru` beside `moka-lru`, which has one, in
/// `benches/results/cache-traces.md`).
pub const SHARDS: usize = 8;

/// With fewer entries in a shard, the luck of the hash decides what is forgotten.
#[cfg(any(feature = "foyer", feature = "quick-cache"))]
const ENTRIES_PER_SHARD: usize = 32;

/// What an entry is taken to weigh where weights are bytes: a small row of a table, encoded.
const TYPICAL_BYTES: usize = 1024;

/// How much an engine holds: a number of entries, or a sum of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub(super) weight: usize,
    expected: usize,
}

impl Capacity {
    /// Room for this many entries, each of which is inserted with weight 1.
    #[must_use]
    pub fn entries(entries: usize) -> Self {
        Self { weight: entries, expected: entries }
    }

    /// Room for entries whose weights, usually bytes, sum up to this.
    ///
    /// Expects one entry for each 1024: see [`expected_entries`](Capacity::expected_entries).
    #[must_use]
    pub fn weight(weight: usize) -> Self {
        Self { weight, expected: weight / TYPICAL_BYTES }
    }

    /// Says how many entries there will be, roughly, where weights are not 1. It decides the number of
    /// shards, and so the heaviest entry that fits. Ten times too many or too few does little harm.
    #[must_use]
    pub fn expected_entries(self, entries: usize) -> Self {
        Self { expected: entries, ..self }
    }

    /// At least one, since every engine has room for something.
    pub(crate) fn expected(self) -> usize {
        self.expected.clamp(1, self.weight.max(1))
    }

    /// How many shards: a power of two. Never more than the weight, or a shard would hold nothing.
    #[cfg(any(feature = "foyer", feature = "quick-cache"))]
    pub(super) fn shards(self) -> usize {
        let entries = self.expected.min(self.weight);
        let mut shards = SHARDS;
        while shards > 1 && entries / shards < ENTRIES_PER_SHARD {
            shards /= 2;
        }
        shards
    }
}
