use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{Key, Same};
use crate::field::no_vary_search::NoVarySearch;

/// Paths whose rule is remembered: beyond it the one learned first is forgotten, and its queries are compared as
/// they are again.
const PATHS: usize = 4096;

/// What stored responses have said about the queries of their paths (`No-Vary-Search`).
///
/// The key has to be known before the response is, so it is made by the rule that the path's newest stored
/// response had. Each rule that is learned gets a number, which is part of the keys made by it: what was stored
/// under one rule is not found under another, and not by accident later either, when the first comes back.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// How many paths have a rule: most sites have none, and then a key costs one load.
    count: AtomicU64,
    paths: RwLock<Paths>,
}

#[derive(Debug, Default)]
struct Paths {
    rules: HashMap<u128, Arc<Numbered>, BuildHasherDefault<Same>>,
    /// By age.
    order: VecDeque<u128>,
    last: u32,
}

/// A rule, and its number.
#[derive(Debug)]
struct Numbered {
    rule: NoVarySearch,
    number: u32,
}

impl Learned {
    /// The key as what is known of its path makes it.
    pub(crate) fn settle(&self, key: Key, seed: u64) -> Key {
        if self.count.load(Ordering::SeqCst) == 0 {
            return key;
        }
        let path = key.path_hash(seed);
        let paths = self.paths.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = paths.rules.get(&path).map(Arc::clone) else { return key };
        drop(paths);
        key.under(&known.rule, known.number, seed)
    }

    /// Learns from a response, and says where it belongs: `key` is that of its request's own URL.
    ///
    /// A response without the field takes away what others have said: it holds for its own query only.
    pub(crate) fn learn(&self, key: Key, rule: &NoVarySearch, seed: u64) -> Key {
        if rule.is_default() && self.count.load(Ordering::SeqCst) == 0 {
            return key;
        }
        let path = key.path_hash(seed);
        match self.number(path, rule) {
            Some(number) => key.under(rule, number, seed),
            None => key,
        }
    }

    /// The number of a path's rule, which is now this one.
    fn number(&self, path: u128, rule: &NoVarySearch) -> Option<u32> {
        let known = |paths: &Paths| {
            paths.rules.get(&path).filter(|known| known.rule == *rule).map(|known| known.number)
        };
        // As good as always the rule is known, and nobody waits for anybody.
        let paths = self.paths.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known(&paths) {
            return Some(number);
        }
        drop(paths);
        // A poisoned table is as good as another: each step leaves it whole.
        let mut paths = self.paths.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known(&paths) {
            return Some(number);
        }
        // Numbers never come twice. When they are used up, nothing is learned any more.
        let next = paths.last.checked_add(1).filter(|_| !rule.is_default());
        if paths.rules.remove(&path).is_some() {
            paths.order.retain(|known| *known != path);
        }
        if let Some(number) = next {
            paths.last = number;
            if paths.order.len() >= PATHS
                && let Some(first) = paths.order.pop_front()
            {
                paths.rules.remove(&first);
            }
            paths.order.push_back(path);
            paths.rules.insert(path, Arc::new(Numbered { rule: rule.clone(), number }));
        }
        self.count.store(paths.rules.len() as u64, Ordering::SeqCst);
        next
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.paths.read().unwrap_or_else(PoisonError::into_inner).rules.len()
    }
}
