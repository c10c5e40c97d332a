use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use super::{Flight, Node, Outcome};
use crate::error::LoadError;
use crate::place::Placed;
use crate::version::{Captured, Versions};

/// As many locks as are enough for the threads of one machine.
const SHARDS: usize = 64;

/// All loads under way, by the place of their key.
pub(crate) struct Flights<V> {
    shards: Box<[Mutex<HashMap<u64, Arc<Flight<V>>>>]>,
}

/// What a reader found that would need a load.
pub(crate) enum Boarding<V> {
    /// One is under way.
    Joined(Arc<Flight<V>>),
    /// It is the reader's to start.
    Leads(Landing<V>),
}

impl<V> Flights<V> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() })
    }

    /// Joins the load of this key, or registers a new one under what the reader has captured.
    pub(crate) fn board(
        self: &Arc<Self>,
        placed: &Placed,
        captured: &Captured,
        versions: &Versions,
        node: &Arc<Node>,
    ) -> Boarding<V> {
        let new = || {
            Arc::new(Flight {
                captured: *captured,
                node: Arc::clone(node),
                bytes: placed.bytes.clone(),
                joined: AtomicU64::new(0),
                outcome: OnceLock::new(),
                landed: Notify::new(),
            })
        };
        let mut shard = self.shard(placed.place);
        let flight = match shard.entry(placed.place) {
            Slot::Vacant(slot) => Arc::clone(slot.insert(new())),
            Slot::Occupied(mut slot) => {
                let there = slot.get();
                if there.bytes != placed.bytes {
                    // Two keys in one place: this one loads without company.
                    new()
                } else if versions.may_join(&there.captured) {
                    there.joined.fetch_add(1, Ordering::Relaxed);
                    return Boarding::Joined(Arc::clone(there));
                } else {
                    // Who joined that one stays with it; whoever comes now joins this one.
                    let flight = new();
                    slot.insert(Arc::clone(&flight));
                    flight
                }
            }
        };
        drop(shard);
        Boarding::Leads(Landing { flights: Arc::clone(self), place: placed.place, flight })
    }

    /// How many loads are under way, at most one a key but for those that were superseded.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, place: u64) -> MutexGuard<'_, HashMap<u64, Arc<Flight<V>>>> {
        let index = usize::try_from(place % SHARDS as u64).unwrap_or_default();
        lock(&self.shards[index])
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code of others runs under this lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The duty to end a flight. Dropped without an outcome, it tells all who wait that there is none.
pub(crate) struct Landing<V> {
    flights: Arc<Flights<V>>,
    place: u64,
    flight: Arc<Flight<V>>,
}

impl<V> Landing<V> {
    pub(crate) fn flight(&self) -> &Arc<Flight<V>> {
        &self.flight
    }

    /// Ends the flight. What is to be found by those who come from now on must be in its place
    /// already.
    pub(crate) fn land(self, outcome: Outcome<V>) {
        // First: a reader who has seen an outcome that is too old for it would board the same flight
        // again, and take it for one that was begun after it came.
        self.leave();
        // The first outcome counts; there is no second, because this takes the duty with it.
        let _ = self.flight.outcome.set(outcome);
    }

    /// From now on nobody joins.
    fn leave(&self) {
        let mut shard = self.flights.shard(self.place);
        if let Slot::Occupied(slot) = shard.entry(self.place)
            && Arc::ptr_eq(slot.get(), &self.flight)
        {
            slot.remove();
        }
    }
}

impl<V> Drop for Landing<V> {
    fn drop(&mut self) {
        self.leave();
        // The loader's own panics are caught before. What is left: a codec's, a weigher's, or a task
        // that is dropped unfinished because its runtime ends.
        let error = match std::thread::panicking() {
            true => LoadError::Panicked { message: "in a codec or a weigher".into() },
            false => LoadError::NoRuntime,
        };
        let _ = self.flight.outcome.set(Outcome { result: Err(error) });
        self.flight.landed.notify_waiters();
    }
}
