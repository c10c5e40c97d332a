//! Versions of tags: exact for entries, coarse for loads in flight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rule::{self, Rule};
use super::{Superseded, spread};

/// As many locks as are enough for the threads of one machine.
const SHARDS: usize = 64;
/// With [`SHARDS`] of these there are 1024 floors.
const FLOORS: usize = 16;
/// A shard with fewer cells is not swept: they are cheaper than the search.
const SWEEP_FROM: usize = 64;

/// The version of one tag, shared by all entries that carry it.
#[derive(Debug)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(super) struct Tags {
    shards: Box<[Mutex<Shard>]>,
    /// The number of the last bump, of any tag.
    sequence: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    /// The number of the last bump of any tag that shares the floor.
    floors: [u64; FLOORS],
    cells: BTreeMap<u64, Arc<Cell>>,
    sweep_at: usize,
}

impl Tags {
    pub(super) fn new() -> Self {
        let shard = || Shard { floors: [0; FLOORS], cells: BTreeMap::new(), sweep_at: SWEEP_FROM };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            sequence: AtomicU64::new(0),
        }
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    pub(super) fn bump(&self, tag: u64) {
        let (mut shard, floor) = self.shard(tag);
        // A load that captures from here on reads the source after the write that is behind this
        // bump, so it may keep what it reads.
        let number = self.sequence.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        shard.floors[floor] = number;
        if let Some(cell) = shard.cells.get(&tag) {
            cell.0.store(number, Ordering::Release);
        }
    }

    /// Whether the tag, or one that shares its floor, was bumped after this number.
    pub(super) fn bumped_since(&self, tag: u64, sequence: u64) -> bool {
        let (shard, floor) = self.shard(tag);
        shard.bumped_since(floor, sequence)
    }

    /// The tag's cell and its version, for a value that was captured at this number.
    ///
    /// One step for a bump: either the bump was first, and its number is seen here, or it finds the
    /// cell that the entry will hold.
    pub(super) fn hold(&self, tag: u64, sequence: u64) -> Result<(Arc<Cell>, u64), Superseded> {
        let (mut shard, floor) = self.shard(tag);
        if shard.bumped_since(floor, sequence) {
            return Err(Superseded::Tag);
        }
        let first = shard.floors[floor];
        let cell = match shard.cells.get(&tag) {
            Some(cell) => Arc::clone(cell),
            None => {
                if shard.cells.len() >= shard.sweep_at {
                    shard.sweep();
                }
                let cell = Arc::new(Cell(AtomicU64::new(first)));
                shard.cells.insert(tag, Arc::clone(&cell));
                cell
            }
        };
        let version = cell.version();
        Ok((cell, version))
    }

    pub(super) fn sweep(&self) {
        for shard in &self.shards {
            lock(shard).sweep();
        }
    }

    pub(super) fn cells(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).cells.len()).sum()
    }

    fn shard(&self, tag: u64) -> (MutexGuard<'_, Shard>, usize) {
        let place = spread(tag, SHARDS * FLOORS);
        (lock(&self.shards[place / FLOORS]), place % FLOORS)
    }
}

impl Shard {
    fn bumped_since(&self, floor: usize, sequence: u64) -> bool {
        rule::on(Rule::TagFloor) && self.floors[floor] > sequence
    }

    /// Forgets the cells that no entry holds. Nobody can come to hold one meanwhile: new holders
    /// come only through this shard's lock, or from a holder.
    fn sweep(&mut self) {
        self.cells.retain(|_, cell| rule::on(Rule::HeldCell) && Arc::strong_count(cell) > 1);
        // Twice what is left, so that sweeping costs a constant per new cell.
        self.sweep_at = SWEEP_FROM.max(self.cells.len() * 2);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing of a caller runs under this lock, so there is no half-done state to fear.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
