//! What is asked for most and not found, in bounded memory.
//!
//! Counting every key would cost memory for every key that a stranger makes up. This is Space-Saving (Metwally,
//! Agrawal and El Abbadi, 2005): so many counters, and a key without one takes over the smallest, with its count as
//! the error. Whatever has more than its share of all misses is there, be the others ever so many and new.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::rule::{Rule, on};
use crate::key::Same;
use crate::semantics::Reason;

/// Bytes of one key that are shown.
const TEXT: usize = 256;

/// Something that is asked for and not found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopMiss {
    /// Its key: scheme, authority, path and what counts of the query; 256 bytes of it at most.
    pub url: String,
    /// How often the origin was asked for it, at least. What is rare, or began to be asked for only when there was
    /// much else, is counted from a later moment on.
    pub count: u64,
    /// Why the last time: why the answer was not stored, if it was not, or else why it was not found.
    pub reason: Reason,
    /// Bytes of bodies that the origin sent for it meanwhile.
    pub bytes: u64,
}

#[derive(Debug)]
struct Slot {
    hash: u128,
    text: String,
    /// How often at most.
    count: u64,
    /// By how much that may be too high.
    error: u64,
    reason: Reason,
    bytes: u64,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Top {
    capacity: usize,
    slots: Vec<Slot>,
    places: HashMap<u128, usize, BuildHasherDefault<Same>>,
}

impl Top {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), slots: Vec::new(), places: HashMap::default() }
    }

    /// A key was not found.
    pub(super) fn missed(&mut self, hash: u128, key: &[u8], reason: Reason) {
        if let Some(slot) = self.places.get(&hash).and_then(|at| self.slots.get_mut(*at)) {
            slot.count += 1;
            slot.reason = reason;
            return;
        }
        if self.slots.len() < self.capacity {
            self.places.insert(hash, self.slots.len());
            let text = String::new();
            let mut slot = Slot { hash, text, count: 1, error: 0, reason, bytes: 0 };
            write(&mut slot.text, key);
            self.slots.push(slot);
            return;
        }
        let Some((at, slot)) = self.slots.iter_mut().enumerate().min_by_key(|(_, it)| it.count)
        else {
            return;
        };
        self.places.remove(&slot.hash);
        self.places.insert(hash, at);
        write(&mut slot.text, key);
        // It may have been here before, and have lost its counter: as often as this one, at most.
        slot.error = if on(Rule::Inherit) { slot.count } else { 0 };
        slot.count = slot.error + 1;
        (slot.hash, slot.reason, slot.bytes) = (hash, reason, 0);
    }

    /// There is a better reason.
    pub(super) fn explained(&mut self, hash: u128, reason: Reason) {
        if let Some(slot) = self.places.get(&hash).and_then(|at| self.slots.get_mut(*at)) {
            slot.reason = reason;
        }
    }

    /// The origin sent so much for a key.
    pub(super) fn received(&mut self, hash: u128, bytes: u64) {
        if let Some(slot) = self.places.get(&hash).and_then(|at| self.slots.get_mut(*at)) {
            slot.bytes += bytes;
        }
    }

    /// The first ones, those first that were surely asked for most.
    pub(super) fn list(&self, most: usize) -> Vec<TopMiss> {
        let mut slots: Vec<&Slot> = self.slots.iter().collect();
        slots.sort_unstable_by_key(|slot| {
            std::cmp::Reverse((slot.count - slot.error, slot.bytes, slot.hash))
        });
        let shown = |slot: &&Slot| TopMiss {
            url: slot.text.clone(),
            count: slot.count - slot.error,
            reason: slot.reason,
            bytes: slot.bytes,
        };
        slots.iter().take(most).map(shown).collect()
    }
}

/// The beginning of a key as text, in the memory of the one before.
fn write(text: &mut String, key: &[u8]) {
    text.clear();
    for chunk in key[..key.len().min(TEXT)].utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    // A replacement is longer than what it stands for.
    while text.len() > TEXT {
        text.pop();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::rule::{Rule, without};
    use super::{Reason, TEXT, Top};

    const CAPACITY: usize = 8;

    /// What the sketch promises of such a sequence of keys, by counting all of them.
    fn check(keys: &[u8]) -> Result<(), String> {
        let mut top = Top::new(CAPACITY);
        let mut exact: BTreeMap<u8, u64> = BTreeMap::new();
        for key in keys {
            top.missed(u128::from(*key), &[*key], Reason::Miss);
            *exact.entry(*key).or_default() += 1;
        }
        let share = keys.len() as u64 / CAPACITY as u64;
        for (key, count) in &exact {
            let slot = top.slots.iter().find(|slot| slot.hash == u128::from(*key));
            match slot {
                None if *count > share => return Err(format!("{key} is missing: {count}")),
                Some(slot) if slot.error > share => {
                    return Err(format!("error of {key}: {slot:?}"));
                }
                Some(slot) if slot.count < *count || slot.count - slot.error > *count => {
                    return Err(format!("{key} was there {count} times: {slot:?}"));
                }
                None | Some(_) => {}
            }
        }
        match (top.slots.len(), top.places.len()) {
            (slots, places) if slots == places && slots <= CAPACITY => Ok(()),
            sizes => Err(format!("{sizes:?}")),
        }
    }

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        // Few that are frequent, many that are not.
        let key = prop_oneof![2 => 0..4_u8, 1 => any::<u8>()];
        proptest::collection::vec(key, 0..600)
    }

    proptest! {
        #[test]
        fn counts_are_as_exact_as_promised_and_nothing_frequent_is_missing(keys in keys()) {
            let checked = check(&keys);
            prop_assert!(checked.is_ok(), "{checked:?}");
        }

        #[test]
        fn any_bytes_are_shown_in_at_most_256(key in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut top = Top::new(1);
            top.missed(1, &key, Reason::Miss);
            let shown = top.list(1);
            prop_assert!(shown[0].url.len() <= TEXT);
            let lossy = String::from_utf8_lossy(&key);
            if lossy.len() <= TEXT {
                prop_assert_eq!(&shown[0].url, &lossy);
            }
        }
    }

    #[test]
    fn control_without_the_inherited_count_what_is_frequent_is_lost() {
        // Two that are frequent, and come after others that were.
        let before = (100..108).flat_map(|key| [key; 20]);
        let keys: Vec<u8> = before.chain([1, 2].repeat(100)).collect();
        assert_eq!(check(&keys), Ok(()));
        let naive = without(Rule::Inherit, || check(&keys));
        // Missing, or counted as far too few: whichever key is looked at first.
        assert!(naive.is_err(), "{naive:?}");
    }

    #[test]
    fn the_list_begins_with_the_most_frequent_and_names_reason_and_bytes() {
        let mut top = Top::new(4);
        for _ in 0..3 {
            top.missed(1, b"http://a/often", Reason::Miss);
        }
        top.missed(2, b"http://a/once", Reason::Miss);
        top.missed(1, b"http://a/often", Reason::Private);
        top.received(1, 70);
        top.received(9, 1000);
        let list = top.list(10);
        let shown: Vec<_> =
            list.iter().map(|it| (it.url.as_str(), it.count, it.reason, it.bytes)).collect();
        assert_eq!(
            shown,
            [("http://a/often", 4, Reason::Private, 70), ("http://a/once", 1, Reason::Miss, 0)]
        );
        assert_eq!(top.list(1).len(), 1);
    }

    #[test]
    fn a_counter_that_is_taken_over_keeps_nothing_of_the_key_before_but_the_error() {
        let mut top = Top::new(1);
        top.missed(1, b"http://a/old", Reason::Private);
        top.received(1, 70);
        top.missed(2, b"http://a/new", Reason::Miss);
        let list = top.list(1);
        let new = &list[0];
        assert_eq!((new.url.as_str(), new.count, new.bytes), ("http://a/new", 1, 0));
    }
}
