//! What holds for every policy.

use super::*;

#[test]
fn what_was_inserted_is_found_until_it_is_removed() {
    for policy in policies() {
        let engine = engine(policy, Capacity::entries(1000));
        for key in 0..100_u64 {
            engine.insert(key, key * 10, 1).unwrap();
        }
        for key in 0..100 {
            assert_eq!(engine.get(&key), Some(key * 10), "{policy}");
        }
        engine.remove(&7);
        engine.remove(&1000);
        for key in 0..100 {
            assert_eq!(engine.get(&key), (key != 7).then_some(key * 10), "{policy}");
        }
        engine.insert(7, 1, 1).unwrap();
        engine.insert(8, 2, 1).unwrap();
        assert_eq!((engine.get(&7), engine.get(&8)), (Some(1), Some(2)), "{policy}");
        assert_eq!(engine.usage().entries, 100, "{policy}");
    }
}

#[test]
fn what_was_cleared_is_gone_and_its_room_is_free() {
    for policy in policies() {
        let engine = engine(policy, Capacity::entries(1000));
        for round in 0..3_u64 {
            for key in 0..2000 {
                engine.insert(key, round, 1).unwrap();
            }
            assert!(engine.usage().weight > 900, "{policy}: {:?}", engine.usage());
            engine.clear();
            assert!((0..2000).all(|key| engine.get(&key).is_none()), "{policy}");
            let Usage { entries, weight, .. } = engine.usage();
            assert_eq!((entries, weight), (0, 0), "{policy}");
        }
        for key in 0..100 {
            engine.insert(key, 9, 1).unwrap();
        }
        assert!((0..100).all(|key| engine.get(&key) == Some(9)), "{policy}");
    }
}

#[test]
fn what_was_forgotten_to_make_room_is_counted_and_nothing_else() {
    for policy in policies() {
        let engine = engine(policy, Capacity::entries(1000));
        for key in 0..3000_u64 {
            engine.insert(key, 0, 1).unwrap();
        }
        let usage = engine.usage();
        assert_eq!(usage.evicted, 3000 - usage.entries as u64, "{policy}: {usage:?}");
        let kept = (0..3000).find(|key| engine.get(key).is_some()).unwrap();
        // Removed first: to replace an entry of a full shard may push out another one.
        engine.remove(&kept);
        engine.insert(kept, 1, 1).unwrap();
        engine.clear();
        assert_eq!(engine.usage().evicted, usage.evicted, "{policy}");
    }
}

#[test]
fn the_weight_never_exceeds_the_capacity() {
    for policy in policies() {
        for capacity in [Capacity::weight(10_007).expected_entries(500), Capacity::weight(999)] {
            let engine = engine(policy, capacity);
            let mut rng = fastrand::Rng::with_seed(1);
            for _ in 0..2000 {
                let weight = rng.usize(0..=engine.limit().min(200));
                engine.insert(rng.u64(0..500), (), weight).unwrap();
                let usage = engine.usage();
                assert!(usage.weight <= usage.capacity, "{policy}: {usage:?}");
                assert!(usage.entries <= usage.weight, "{policy}: {usage:?}");
                assert!(usage.capacity <= capacity.weight, "{policy}: {usage:?}");
            }
            let usage = engine.usage();
            assert!(usage.weight > usage.capacity / 2, "{policy} holds little: {usage:?}");
        }
    }
}

#[test]
fn what_is_too_heavy_is_refused_and_costs_only_its_own_key() {
    for policy in policies() {
        let engine = engine(policy, Capacity::weight(8000).expected_entries(800));
        for key in 0..50_u64 {
            engine.insert(key, "light", 10).unwrap();
        }
        let limit = engine.limit();
        for weight in [limit + 1, 8001, usize::MAX] {
            assert_eq!(engine.insert(99, "heavy", weight), Err(TooHeavy { weight, limit }));
            assert_eq!(engine.get(&99), None, "{policy}");
        }
        assert_eq!(engine.usage().entries, 50, "{policy}");
        // Its old value is known to be out of date.
        assert!(engine.insert(3, "heavy", limit + 1).is_err());
        for key in 0..50 {
            assert_eq!(engine.get(&key), (key != 3).then_some("light"), "{policy}");
        }
        let said = TooHeavy { weight: 77, limit: 66 }.to_string();
        assert!(said.contains("77") && said.contains("66"), "{said}");
    }
}

#[test]
fn the_heaviest_that_is_accepted_is_held() {
    for policy in policies() {
        for capacity in [1, 2, 7, 33, 100, 1000, 12_345] {
            let engine = engine(policy, Capacity::entries(capacity));
            let limit = engine.limit();
            assert!(limit >= 1 && limit <= capacity, "{policy} {capacity}: {limit}");
            engine.insert(1_u64, "heavy", limit).unwrap();
            assert_eq!(engine.get(&1), Some("heavy"), "{policy} {capacity}");
        }
    }
}

#[test]
fn a_weight_of_0_counts_as_1() {
    for policy in policies() {
        let engine = engine(policy, Capacity::entries(100));
        for key in 0..1000_u64 {
            engine.insert(key, (), 0).unwrap();
        }
        let usage = engine.usage();
        assert!(usage.entries <= 100 && usage.weight == usage.entries, "{policy}: {usage:?}");
    }
}

#[test]
fn the_same_requests_give_the_same_hits() {
    let mut rng = fastrand::Rng::with_seed(5);
    let keys: Vec<u64> = (0..5000).map(|_| rng.u64(0..1000).min(rng.u64(0..1000))).collect();
    for policy in policies() {
        let once = replay(policy, 300, SEED, &keys);
        assert_eq!(once, replay(policy, 300, SEED, &keys), "{policy}");
        assert!(once.contains(&true) && once[1000..].contains(&false), "{policy}");
    }
}

#[test]
fn threads_at_once_never_see_the_value_of_another_key() {
    for policy in policies() {
        let engine = engine(policy, Capacity::entries(200));
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let engine = &engine;
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    for step in 0..2000 {
                        let key = rng.u64(0..400);
                        match (step % 500, rng.u8(0..4)) {
                            (499, _) => engine.clear(),
                            (_, 0) => engine.remove(&key),
                            (_, 1) => engine.insert(key, key + 1, 1).unwrap(),
                            _ => assert!(engine.get(&key).is_none_or(|value| value == key + 1)),
                        }
                    }
                });
            }
        });
        let usage = engine.usage();
        assert!(usage.weight <= usage.capacity, "{policy}: {usage:?}");
    }
}

/// A value that clears the engine while a reader is copying it.
#[cfg(feature = "foyer")]
mod held {
    use std::sync::{Arc, Weak};

    use super::*;

    #[derive(Default)]
    struct Clears(Weak<Box<dyn Engine<u64, Clears>>>);

    impl Clone for Clears {
        fn clone(&self) -> Self {
            if let Some(engine) = self.0.upgrade() {
                engine.clear();
            }
            Self::default()
        }
    }

    #[test]
    fn what_a_reader_holds_during_a_clear_is_gone_afterwards() {
        // Only foyer-memory copies outside of its locks.
        for policy in policies().filter(|policy| policy.feature() == "foyer") {
            let engine = Arc::new(engine(policy, Capacity::entries(100)));
            engine.insert(1, Clears(Arc::downgrade(&engine)), 1).unwrap();
            engine.insert(2, Clears::default(), 1).unwrap();
            // The control: without a clear it stays.
            assert!(engine.get(&2).is_some() && engine.get(&2).is_some(), "{policy}");
            assert!(engine.get(&1).is_some(), "{policy}");
            assert!(engine.get(&1).is_none() && engine.get(&2).is_none(), "{policy}");
        }
    }
}
