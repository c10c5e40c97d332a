//! The same promise with threads of the operating system, a bounded number of steps each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use crate::version::rule::{Rule, without};
use crate::version::{Stamp, Versions};

const KEYS: u64 = 4;
const SLOTS: usize = 4;
const LOADERS: u64 = 3;
const WRITERS: u64 = 2;
const STEPS: usize = 3000;

#[derive(Default)]
struct World {
    versions: Versions,
    l1: Mutex<BTreeMap<u64, (u64, Arc<Stamp>)>>,
    source: [AtomicU64; SLOTS],
    /// The oldest value that may still be served, raised once an invalidation is acknowledged.
    floor: [AtomicU64; SLOTS],
    hits: AtomicUsize,
    failed: AtomicBool,
}

fn tag(key: u64) -> u64 {
    100 + key % 2
}

impl World {
    fn source(&self, key: u64) -> &AtomicU64 {
        &self.source[usize::try_from(key).unwrap()]
    }

    fn floor(&self, key: u64) -> &AtomicU64 {
        &self.floor[usize::try_from(key).unwrap()]
    }

    fn read(&self, key: u64) {
        let least = self.floor(key).load(Ordering::SeqCst);
        let found = self.l1.lock().unwrap().get(&key).cloned();
        if let Some((value, stamp)) = found
            && stamp.is_current(&self.versions)
        {
            self.hits.fetch_add(1, Ordering::Relaxed);
            if value < least {
                self.failed.store(true, Ordering::SeqCst);
            }
            return;
        }
        let captured = self.versions.capture(key);
        let value = self.source(key).load(Ordering::SeqCst);
        // The others get a turn where it hurts most.
        std::thread::yield_now();
        let insert = |stamp| self.l1.lock().unwrap().insert(key, (value, Arc::new(stamp)));
        let _ = self.versions.publish(&captured, &[tag(key)], insert);
    }

    fn write(&self, key: u64, rng: &mut Rng) {
        let before: Vec<_> = match rng.u8(..8) {
            0..=3 => {
                let value = self.source(key).fetch_add(1, Ordering::SeqCst) + 1;
                self.versions.invalidate(key, || self.l1.lock().unwrap().remove(&key));
                vec![(key, value)]
            }
            4..=6 => {
                let concerned = (0..KEYS).filter(|other| tag(*other) == tag(key));
                let values = concerned.map(|key| (key, self.written(key))).collect();
                self.versions.bump_tag(tag(key));
                values
            }
            _ => {
                let values = (0..KEYS).map(|key| (key, self.written(key))).collect();
                self.versions.clear();
                values
            }
        };
        for (key, value) in before {
            self.floor(key).fetch_max(value, Ordering::SeqCst);
        }
    }

    fn written(&self, key: u64) -> u64 {
        self.source(key).fetch_add(1, Ordering::SeqCst) + 1
    }

    fn run(seed: u64, off: Option<Rule>) -> Self {
        let world = Self::default();
        std::thread::scope(|scope| {
            for number in 0..LOADERS + WRITERS {
                let world = &world;
                let mut rng = Rng::with_seed(seed * 100 + number);
                let mut work = move || {
                    for _ in 0..STEPS {
                        let key = rng.u64(..KEYS);
                        match number < LOADERS || rng.bool() {
                            true => world.read(key),
                            false => world.write(key, &mut rng),
                        }
                    }
                };
                scope.spawn(move || match off {
                    Some(rule) => without(rule, work),
                    None => work(),
                });
            }
        });
        world
    }
}

#[test]
fn threads_never_read_what_was_invalidated_before_they_came() {
    for seed in 0..10 {
        let world = World::run(seed, None);
        assert!(!world.failed.into_inner(), "seed {seed}");
        assert!(world.hits.into_inner() > 100, "seed {seed}: it is about hits");
    }
}

#[test]
fn control_threads_without_a_safeguard_do() {
    // Without this one a fault needs no luck with the scheduler.
    let caught = (0..20).any(|seed| World::run(seed, Some(Rule::TagCell)).failed.into_inner());
    assert!(caught);
    let caught = (0..20).any(|seed| World::run(seed, Some(Rule::Epoch)).failed.into_inner());
    assert!(caught);
}
