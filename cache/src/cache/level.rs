//! The first level: entries by place, absences apart, and what has failed lately.

use std::sync::Arc;

use super::Entry;
use crate::engine::{self, Capacity, Engine, EngineError, Policy, TooHeavy, Usage};
use crate::error::LoadError;
use crate::freshness::{Backoff, Lifetime};
use crate::place::Asked;

/// Keys whose loads have failed lately, at most. With an outage everything fails; who is forgotten is
/// loaded once more.
const FAILURES: usize = 4096;

pub(crate) struct Level<V> {
    values: Box<dyn Engine<u64, Arc<Entry<V>>>>,
    /// In an engine of their own: a flood of unknown keys pushes out no value.
    absences: Box<dyn Engine<u64, Arc<Entry<V>>>>,
    failures: Box<dyn Engine<u64, Failure>>,
}

/// How the loads of one key have failed.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) backoff: Backoff,
    pub(crate) error: LoadError,
}

impl<V: Send + Sync + 'static> Level<V> {
    pub(crate) fn new(
        policy: Policy,
        capacity: Capacity,
        absences: usize,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            values: engine::build_hashed(policy, capacity)?,
            absences: engine::build_hashed(policy, Capacity::entries(absences))?,
            failures: engine::build_hashed(taking_all(policy), Capacity::entries(FAILURES))?,
        })
    }

    /// The value at a place, current or not, and maybe another key's.
    #[inline]
    pub(crate) fn value(&self, place: u64) -> Option<Arc<Entry<V>>> {
        self.values.get(&place)
    }

    /// What is kept for a key, current or not.
    #[inline]
    pub(crate) fn find(&self, place: u64, bytes: &[u8]) -> Option<Arc<Entry<V>>> {
        let found = match self.value(place) {
            Some(entry) => entry,
            None => self.absences.get(&place)?,
        };
        found.key.is(Asked::Bytes(bytes)).then_some(found)
    }

    /// Keeps an entry in place of what there is, value or absence.
    pub(crate) fn insert(
        &self,
        place: u64,
        entry: Arc<Entry<V>>,
        weight: usize,
    ) -> Result<(), TooHeavy> {
        if entry.value.is_some() {
            self.absences.remove(&place);
            self.values.insert(place, entry, weight)
        } else {
            self.values.remove(&place);
            self.absences.insert(place, entry, 1)
        }
    }

    pub(crate) fn remove(&self, place: u64) {
        self.values.remove(&place);
        self.absences.remove(&place);
        self.failures.remove(&place);
    }

    pub(crate) fn clear(&self) {
        self.values.clear();
        self.absences.clear();
        self.failures.clear();
    }

    pub(crate) fn failure(&self, place: u64) -> Option<Failure> {
        self.failures.get(&place)
    }

    pub(crate) fn set_failure(&self, place: u64, failure: Failure) {
        // Weight 1 always fits.
        let _ = self.failures.insert(place, failure, 1);
    }

    pub(crate) fn forget_failure(&self, place: u64) {
        self.failures.remove(&place);
    }

    pub(crate) fn usage(&self) -> (Usage, Usage) {
        (self.values.usage(), self.absences.usage())
    }
}

/// A policy of the same library that refuses nothing: a failure that is not remembered is no backoff.
fn taking_all(policy: Policy) -> Policy {
    match policy {
        Policy::TinyLfu => Policy::MokaLru,
        other => other,
    }
}

/// What may still be served of an entry.
pub(crate) fn lifetime<V>(entry: Option<&Arc<Entry<V>>>) -> Option<&Lifetime> {
    entry.map(|entry| &entry.lifetime)
}
