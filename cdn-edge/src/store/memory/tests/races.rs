//! Several threads at one key.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const ROUNDS: u64 = 300;

/// How many of the additions of four threads are missing in the end.
fn lost(engine: Engine, off: Option<Rule>) -> u64 {
    let memory = memory(engine, 1 << 20);
    memory.update(1, |_| put(0, 10)).unwrap();
    let add = |old: Option<&Arc<Weighed>>| {
        let number = old.unwrap().number;
        // Here another thread has the best chance to come between.
        thread::yield_now();
        put(number + 1, 10)
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                rule::without(off, || {
                    for _ in 0..ROUNDS {
                        memory.update(1, add).unwrap();
                    }
                });
            });
        }
    });
    4 * ROUNDS - memory.get(1).unwrap().number
}

#[test]
fn no_update_of_a_key_is_lost() {
    for engine in ENGINES {
        assert_eq!(lost(*engine, None), 0, "{engine:?}");
    }
}

#[test]
fn without_one_step_updates_are_lost() {
    for engine in ENGINES {
        assert_ne!(lost(*engine, Some(Rule::OneAtATime)), 0, "{engine:?}");
    }
}

/// In how many rounds an update that had begun before this brings back what it took away.
fn brought_back(engine: Engine, off: Option<Rule>, take_away: fn(&Memory<Weighed>)) -> u64 {
    let memory = memory(engine, 1 << 20);
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let (looked, taken) = (AtomicBool::new(false), AtomicBool::new(false));
    let renew = |old: Option<&Arc<Weighed>>| {
        let number = old.unwrap().number;
        looked.store(true, Ordering::SeqCst);
        // Long enough for whoever does not wait. Who does would never come.
        for _ in 0..100 {
            if taken.load(Ordering::SeqCst) {
                break;
            }
            thread::yield_now();
        }
        put(number, 20)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                start.wait();
                memory.update(1, renew).unwrap();
                end.wait();
            }
        });
        let mut back = 0;
        for round in 0..ROUNDS {
            memory.update(1, |_| put(round, 10)).unwrap();
            looked.store(false, Ordering::SeqCst);
            taken.store(false, Ordering::SeqCst);
            start.wait();
            while !looked.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            rule::without(off, || take_away(&memory));
            taken.store(true, Ordering::SeqCst);
            end.wait();
            back += u64::from(memory.get(1).is_some());
        }
        back
    })
}

fn remove(memory: &Memory<Weighed>) {
    memory.update(1, |_| Change::Remove).unwrap();
}

#[test]
fn an_update_under_way_does_not_bring_back_what_was_removed_or_cleared() {
    for engine in ENGINES {
        assert_eq!(brought_back(*engine, None, remove), 0, "{engine:?}");
        assert_eq!(brought_back(*engine, None, Memory::clear), 0, "{engine:?}");
    }
}

#[test]
fn if_removing_and_clearing_did_not_wait_updates_would_bring_back() {
    for engine in ENGINES {
        assert_ne!(brought_back(*engine, Some(Rule::OneAtATime), remove), 0, "{engine:?}");
        assert_ne!(brought_back(*engine, Some(Rule::ClearWaits), Memory::clear), 0, "{engine:?}");
    }
}

#[test]
fn readers_see_whole_values_while_others_write_remove_and_clear() {
    for engine in ENGINES {
        let memory = memory(*engine, 32 << 10);
        let seed = 11;
        thread::scope(|scope| {
            for writer in 0..2 {
                let memory = &memory;
                scope.spawn(move || {
                    let mut chance = fastrand::Rng::with_seed(seed + writer);
                    for _ in 0..2000 {
                        let at = chance.u64(0..50);
                        let change = match chance.u32(0..10) {
                            0 => Change::Remove,
                            // What is under a key says so.
                            _ => put(at, chance.u64(0..2000)),
                        };
                        memory.update(key(at), |_| change).unwrap();
                        if chance.u32(0..200) == 0 {
                            memory.clear();
                        }
                    }
                });
            }
            scope.spawn(|| {
                let mut chance = fastrand::Rng::with_seed(seed + 9);
                for _ in 0..10_000 {
                    let at = chance.u64(0..50);
                    if let Some(found) = memory.get(key(at)) {
                        assert_eq!(found.number, at, "{engine:?}, seed {seed}");
                    }
                }
            });
        });
        assert!(memory.weight() <= memory.capacity());
        assert_eq!(memory.weight(), memory.held(), "{engine:?}");
        memory.clear();
        assert_eq!((memory.len(), memory.weight()), (0, 0), "{engine:?}");
    }
}
