use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

mod bounds;
mod races;

pub(super) const ENGINES: &[Engine] = &[
    Engine::Quick,
    #[cfg(feature = "moka")]
    Engine::Moka,
];

/// A number that weighs what it says.
#[derive(Debug, PartialEq, Eq)]
struct Weighed {
    number: u64,
    weight: u64,
}

impl Weigh for Weighed {
    fn weight(&self) -> u64 {
        self.weight
    }
}

/// As uniform as a hash.
fn key(number: u64) -> u128 {
    xxhash_rust::xxh3::xxh3_128(&number.to_be_bytes())
}

fn put(number: u64, weight: u64) -> Change<Weighed> {
    Change::Put(Arc::new(Weighed { number, weight }))
}

fn memory(engine: Engine, capacity: u64) -> Memory<Weighed> {
    Memory::builder().engine(engine).capacity_bytes(capacity).seed(7).build().unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, u64),
    Remove(u64),
    Keep(u64),
    Clear,
}

fn steps(weights: std::ops::Range<u64>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..20_u64, weights).prop_map(|(key, weight)| Step::Put(key, weight)),
        2 => (0..20_u64).prop_map(Step::Remove),
        2 => (0..20_u64).prop_map(Step::Keep),
        1 => Just(Step::Clear),
    ];
    vec(step, 0..100)
}

/// Does the steps to the memory and to a map, and asks for all after each. Whatever is found is what
/// the map has; `whole` says that nothing may be missing.
fn compare(engine: Engine, capacity: u64, steps: &[Step], whole: bool) {
    let memory = memory(engine, capacity);
    let mut model = HashMap::new();
    for (number, step) in (0..).zip(steps) {
        match *step {
            Step::Put(at, weight) => {
                if memory.update(key(at), |_| put(number, weight)).is_ok() {
                    model.insert(at, number);
                } else {
                    model.remove(&at);
                }
            }
            Step::Remove(at) => {
                memory.update(key(at), |_| Change::Remove).unwrap();
                model.remove(&at);
            }
            Step::Keep(at) => {
                let mut seen = None;
                memory
                    .update(key(at), |old| {
                        seen = old.map(|old| old.number);
                        Change::Keep
                    })
                    .unwrap();
                assert!(seen.is_none() || seen.as_ref() == model.get(&at));
            }
            Step::Clear => {
                memory.clear();
                model.clear();
                assert_eq!((memory.len(), memory.weight()), (0, 0));
            }
        }
        for at in 0..20 {
            let found = memory.get(key(at)).map(|found| found.number);
            assert!(found == model.get(&at).copied() || (!whole && found.is_none()), "{engine:?}");
        }
        assert!(memory.weight() <= memory.capacity());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn with_room_for_all_a_memory_is_a_map(steps in steps(0..1000)) {
        for engine in ENGINES {
            compare(*engine, 256 << 20, &steps, true);
        }
    }

    #[test]
    fn without_room_it_forgets_and_is_never_wrong(steps in steps(0..6000)) {
        for engine in ENGINES {
            compare(*engine, 16 << 10, &steps, false);
        }
    }
}

#[test]
fn a_capacity_that_holds_nothing_is_refused_with_its_value() {
    for engine in ENGINES {
        for bytes in [0, 1023] {
            let built = Memory::<Weighed>::builder().engine(*engine).capacity_bytes(bytes).build();
            let error = built.unwrap_err();
            assert_eq!(error, CapacityError { bytes });
            assert!(error.to_string().ends_with(&format!("not {bytes}")), "{error}");
        }
        for bytes in [1024, 1025, 1 << 40, u64::MAX] {
            let memory = memory(*engine, bytes);
            assert!(memory.capacity() <= bytes && memory.capacity() > bytes - 64);
            memory.update(1, |_| put(1, 1)).unwrap();
            assert_eq!(memory.get(1).unwrap().number, 1);
        }
    }
}

#[test]
fn an_update_sees_what_is_there_and_readers_do_not_wait_for_it() {
    for engine in ENGINES {
        let memory = memory(*engine, 1 << 20);
        memory.update(1, |old| if old.is_none() { put(1, 10) } else { Change::Keep }).unwrap();
        memory
            .update(1, |old| {
                // Under the lock of the update, with nobody to give it back.
                assert_eq!(memory.get(1).as_ref(), old);
                assert_eq!(old.unwrap().number, 1);
                put(2, 10)
            })
            .unwrap();
        assert_eq!(memory.get(1).unwrap().number, 2);
        assert_eq!((memory.len(), memory.is_empty()), (1, false));
    }
}

#[test]
fn a_closure_that_panics_leaves_what_was_there() {
    for engine in ENGINES {
        let memory = memory(*engine, 1 << 20);
        memory.update(1, |_| put(1, 10)).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            memory.update(1, |_| panic!("in the closure"))
        }));
        assert!(panicked.is_err());
        assert_eq!(memory.get(1).unwrap().number, 1);
        memory.update(1, |_| put(2, 10)).unwrap();
        memory.clear();
        assert_eq!(memory.get(1), None);
    }
}

#[test]
fn a_hit_allocates_nothing() {
    let memory = memory(Engine::Quick, 1 << 20);
    memory.update(1, |_| put(1, 10)).unwrap();
    let counted = allocation_counter::measure(|| {
        assert!(memory.get(1).is_some() && memory.get(2).is_none());
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_memory_prints_its_size_and_not_its_values() {
    let memory = memory(Engine::Quick, 4096);
    memory.update(1, |_| put(987_654, 10)).unwrap();
    let printed = format!("{memory:?} {:?}", Memory::<Weighed>::builder());
    assert!(printed.contains("4096") && !printed.contains("987654"), "{printed}");
}

#[test]
fn keys_that_share_one_half_are_folded_apart() {
    use std::hash::BuildHasher;
    let fold = |key: u128, seed| hasher::Fold::new(seed).hash_one(key);
    for seed in [0, 7] {
        let keys = (0..1000_u128).flat_map(|n| [n, n << 64]).skip(1);
        let folded: std::collections::HashSet<_> = keys.map(|key| fold(key, seed)).collect();
        assert_eq!(folded.len(), 1999);
        // Nor do they share the bits that choose a place in a table.
        let low = folded.iter().map(|hash| hash & 0xFF).collect::<std::collections::HashSet<_>>();
        assert!(low.len() > 200, "{}", low.len());
    }
    assert_ne!(fold(1, 0), fold(1, 7));
}
