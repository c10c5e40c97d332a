//! Flights: at most one request for one thing is on its way to the origin, and everybody else waits for it.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::error::EdgeFailure;
use crate::content::Resume;
use crate::key::Same;
use crate::object::Object;
use crate::purge::Sequence;

/// What a flight brought, for those who wait.
#[derive(Clone)]
pub(super) enum Landing {
    /// A response that may be shared; its body may still be on its way.
    Shared(Arc<Object>, Option<Arc<dyn Resume>>),
    /// One that may not: everybody fetches for themselves.
    Unshared,
    /// None.
    Failed(EdgeFailure, Trouble),
}

/// What kind of failure it was, for the question whether a stale response may stand in.
pub(super) type Trouble = crate::semantics::Failure;

/// One request on its way.
pub(super) struct Flight {
    landing: watch::Sender<Option<Landing>>,
    /// The number of the last write that was answered before it began.
    began: Sequence,
}

impl Flight {
    /// The number of the last write that was answered before it began.
    pub(super) fn began(&self) -> Sequence {
        self.began
    }

    /// What it brought, if it has landed.
    pub(super) fn landed(&self) -> Option<Landing> {
        self.landing.borrow().clone()
    }
}

/// A place among those who wait for a flight: until it is dropped, its body is not given up for want of readers.
pub(super) struct Wait(watch::Receiver<Option<Landing>>);

impl Wait {
    /// Waits until it has landed.
    pub(super) async fn landed(&mut self) -> Landing {
        match self.0.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone().unwrap_or_else(lost),
            // The sender says how it ended before it goes.
            Err(_) => lost(),
        }
    }
}

fn lost() -> Landing {
    Landing::Unshared
}

const SHARDS: usize = 16;
type Table = HashMap<u128, Arc<Flight>, BuildHasherDefault<Same>>;
type Shard = Mutex<Table>;

/// All flights.
pub(super) struct Flights {
    shards: [Shard; SHARDS],
}

/// Whether one leads a flight or waits for another's.
pub(super) enum Role {
    Lead(Lead),
    Wait(Wait),
}

impl Flights {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { shards: std::array::from_fn(|_| Mutex::default()) })
    }

    /// Joins the flight for a key, or begins one if there is none that is of use.
    pub(super) fn join(
        self: &Arc<Self>,
        key: u128,
        began: Sequence,
        is_of_use: impl FnOnce(&Flight) -> bool,
    ) -> Role {
        let mut shard = lock(self.shard(key));
        if let Some(flight) = shard.get(&key).filter(|flight| is_of_use(flight)) {
            // Under the lock, so that a flight is not given up between the two.
            return Role::Wait(Wait(flight.landing.subscribe()));
        }
        let flight = Arc::new(Flight { landing: watch::Sender::new(None), began });
        shard.insert(key, Arc::clone(&flight));
        Role::Lead(Lead { flights: Arc::clone(self), key, flight })
    }

    /// Joins the flight for a key, if there is one that is of use.
    pub(super) fn find(&self, key: u128, is_of_use: impl FnOnce(&Flight) -> bool) -> Option<Wait> {
        let shard = lock(self.shard(key));
        let flight = shard.get(&key).filter(|flight| is_of_use(flight))?;
        Some(Wait(flight.landing.subscribe()))
    }

    /// Begins a flight if there is none.
    pub(super) fn begin(self: &Arc<Self>, key: u128, began: Sequence) -> Option<Lead> {
        match self.join(key, began, |_| true) {
            Role::Lead(lead) => Some(lead),
            Role::Wait(_) => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    #[expect(clippy::cast_possible_truncation, reason = "any four bits of a hash will do")]
    fn shard(&self, key: u128) -> &Shard {
        &self.shards[(key >> 64) as usize % SHARDS]
    }
}

/// A poisoned table is as good as another: a flight is put in or taken out whole.
fn lock(shard: &Shard) -> std::sync::MutexGuard<'_, Table> {
    shard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("len", &self.len()).finish()
    }
}

/// The right to fly for a key, until it is dropped: those who come meanwhile find the flight.
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: u128,
    flight: Arc<Flight>,
}

impl Lead {
    /// When the flight began.
    pub(super) fn began(&self) -> Sequence {
        self.flight.began
    }

    /// Tells everybody what came.
    pub(super) fn land(&self, landing: Landing) {
        self.flight.landing.send_replace(Some(landing));
    }

    /// Lets nobody join any more, unless somebody has joined who has not got what it brought yet.
    pub(super) fn retire(&self) -> bool {
        let mut shard = lock(self.flights.shard(self.key));
        if self.flight.landing.receiver_count() > 0 {
            return false;
        }
        self.leave(&mut shard);
        true
    }

    /// Waits until all who have joined have got what it brought.
    pub(super) async fn told(&self) {
        self.flight.landing.closed().await;
    }

    fn leave(&self, shard: &mut Table) {
        if shard.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            shard.remove(&self.key);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // A task that panicked or was cancelled leaves nobody waiting.
        self.flight.landing.send_if_modified(|landing| {
            let was_open = landing.is_none();
            landing.get_or_insert_with(lost);
            was_open
        });
        self.leave(&mut lock(self.flights.shard(self.key)));
    }
}
