//! Where sessions are found by key: a moka cache, for its bound in bytes and the order of use. Whether a session is
//! alive is the session's own to say, so that what the cache does late makes no wrong answer.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::session::Session;
use crate::record::Record;
use crate::token::SessionKey;

/// What a session takes beside its values: its record, the entries of the table and the index.
const SESSION: usize = 1024;
/// What a value takes beside its text.
const VALUE: usize = 128;
/// What a second key of a session takes.
const ALIAS: u32 = 256;
/// Weights are counted in steps of this, so that few patches change one.
const STEP: usize = 512;

/// Under a key.
#[derive(Clone, Debug)]
struct Slot {
    session: Arc<Session>,
    weight: u32,
    alias: bool,
}

pub(super) struct Table {
    slots: Cache<SessionKey, Slot>,
    evicted: Arc<Evicted>,
}

/// Who had to go. A leaf among the locks: moka calls from inside of its own, whoever's call it is in.
#[derive(Default)]
struct Evicted {
    count: AtomicU64,
    waiting: Mutex<Vec<Arc<Session>>>,
}

impl Table {
    pub(super) fn new(capacity: u64) -> Self {
        let evicted = Arc::new(Evicted::default());
        let listener = Arc::clone(&evicted);
        let slots = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, slot: &Slot| slot.weight)
            // The default would turn away new logins in favour of what was often used.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, slot: Slot, cause| listener.note(slot, cause))
            .build();
        Self { slots, evicted }
    }

    pub(super) fn get(&self, key: &SessionKey) -> Option<Arc<Session>> {
        self.slots.get(key).map(|slot| slot.session)
    }

    pub(super) fn insert(&self, key: SessionKey, session: &Arc<Session>, record: &Record) {
        let slot = Slot { session: Arc::clone(session), weight: weight(record), alias: false };
        self.slots.insert(key, slot);
        self.settle();
    }

    /// Lets a second key lead to a session.
    pub(super) fn insert_alias(&self, key: SessionKey, session: &Arc<Session>) {
        let slot = Slot { session: Arc::clone(session), weight: ALIAS, alias: true };
        self.slots.insert(key, slot);
        self.settle();
    }

    /// Weighs a session again. One that is not there any more stays away. Gives whether others had to make room.
    pub(super) fn reweigh(
        &self,
        key: &SessionKey,
        session: &Arc<Session>,
        record: &Record,
    ) -> bool {
        let weight = weight(record);
        let _ = self.slots.entry_by_ref(key).and_compute_with(|entry| match entry {
            Some(entry) if Arc::ptr_eq(&entry.value().session, session) => {
                Op::Put(Slot { weight, ..entry.into_value() })
            }
            _ => Op::Nop,
        });
        self.settle();
        !self.evicted.waiting().is_empty()
    }

    /// Lets a key lead to this session no more.
    pub(super) fn remove(&self, key: &SessionKey, session: &Arc<Session>) {
        if self.slots.get(key).is_some_and(|slot| Arc::ptr_eq(&slot.session, session)) {
            self.slots.invalidate(key);
        }
    }

    /// Those that were evicted since the last time.
    pub(super) fn take_evicted(&self) -> Vec<Arc<Session>> {
        mem::take(&mut *self.evicted.waiting())
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evicted.count.load(Ordering::Relaxed)
    }

    /// Keys and their weight, for tests.
    #[cfg(test)]
    pub(super) fn size(&self) -> (u64, u64) {
        self.slots.run_pending_tasks();
        (self.slots.entry_count(), self.slots.weighted_size())
    }

    /// Lets moka count at once: it miscounts the weight of what is replaced before it was counted, and holds more
    /// than its bound until it counts.
    fn settle(&self) {
        self.slots.run_pending_tasks();
    }
}

impl Evicted {
    fn note(&self, slot: Slot, cause: RemovalCause) {
        if cause != RemovalCause::Size || slot.alias {
            return;
        }
        slot.session.evict();
        self.count.fetch_add(1, Ordering::Relaxed);
        self.waiting().push(slot.session);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Session>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("keys", &self.slots.entry_count()).finish_non_exhaustive()
    }
}

/// Bytes, about.
pub(super) fn weight(record: &Record) -> u32 {
    let texts = [&record.device.label, &record.device.agent, &record.device.network];
    let device = texts.into_iter().flatten().map(String::len).sum::<usize>();
    let subject = record.subject.as_ref().map_or(0, |id| id.len());
    let values = crate::record::size(&record.values) + record.values.len() * VALUE;
    let bytes = SESSION + device + subject + values;
    u32::try_from(bytes.next_multiple_of(STEP)).unwrap_or(u32::MAX)
}
