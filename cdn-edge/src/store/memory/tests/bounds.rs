//! How much is held, and what is forgotten for it.

use super::*;

/// The most that was held while objects of this weight were put in.
fn peak(engine: Engine, capacity: u64, weight: u64, off: Option<Rule>) -> u64 {
    let memory = memory(engine, capacity);
    let held = |number| {
        rule::without(off, || memory.update(key(number), |_| put(number, weight))).unwrap();
        memory.held()
    };
    (0..250).map(held).max().unwrap_or_default()
}

#[test]
fn objects_in_a_row_never_take_more_than_the_capacity() {
    for engine in ENGINES {
        for capacity in [16 << 20, 256 << 20] {
            for part in [10, 100] {
                let peak = peak(*engine, capacity, capacity / part, None);
                assert!(peak <= capacity, "{engine:?}: {peak}");
                assert!(peak >= capacity * 8 / 10, "{engine:?}: {peak}");
            }
        }
    }
}

#[test]
#[cfg(feature = "moka")]
fn if_moka_forgot_when_it_likes_it_would_take_several_times_the_capacity() {
    let capacity = 16 << 20;
    let peak = peak(Engine::Moka, capacity, capacity / 8, Some(Rule::Settle));
    assert!(peak > 2 * capacity, "{peak}");
}

/// What the memory believes to hold beyond what it holds, after a value was replaced by one of another
/// weight, which then was removed.
fn left_over(engine: Engine, first: u64, second: u64, off: Option<Rule>) -> i128 {
    let memory = memory(engine, 1 << 20);
    memory.update(1, |_| put(1, 100_000)).unwrap();
    memory.update(2, |_| put(2, first)).unwrap();
    assert_eq!(memory.weight(), memory.held());
    rule::without(off, || {
        memory.update(2, |_| put(2, second)).unwrap();
        memory.update(2, |_| Change::Remove).unwrap();
    });
    i128::from(memory.weight()) - i128::from(memory.held())
}

#[test]
fn what_was_replaced_and_removed_does_not_weigh_any_more() {
    for engine in ENGINES {
        assert_eq!(left_over(*engine, 2000, 1000, None), 0, "{engine:?}");
        assert_eq!(left_over(*engine, 1000, 2000, None), 0, "{engine:?}");
    }
}

#[test]
#[cfg(feature = "moka")]
fn if_moka_counted_when_it_likes_the_weight_would_be_wrong_for_ever() {
    let off = Some(Rule::Settle);
    // Room that is lost, and room that is not there.
    assert!(left_over(Engine::Moka, 2000, 1000, off) > 900);
    assert!(left_over(Engine::Moka, 1000, 2000, off) < -900);
}

#[test]
fn what_is_too_heavy_is_refused_and_pushes_nothing_out() {
    for engine in ENGINES {
        // Large enough for all parts that there can be.
        let memory = memory(*engine, 256 << 20);
        let limit = memory.limit();
        assert!(limit > memory.capacity() / 8);
        for number in 0..100 {
            memory.update(key(number), |_| put(number, 1000)).unwrap();
        }
        for weight in [limit + 1, memory.capacity() + 1, u64::MAX] {
            let refused = memory.update(key(1000), |_| put(1000, weight)).unwrap_err();
            assert_eq!(refused, TooHeavy { weight, limit });
            assert!(refused.to_string().contains(&weight.to_string()), "{refused}");
        }
        assert_eq!(memory.get(key(1000)), None);
        assert_eq!(memory.len(), 100);
        assert!((0..100).all(|number| memory.get(key(number)).is_some()));
        assert_eq!(memory.evictions(), Evictions::default());
        // And what is just light enough is taken by an empty one.
        memory.clear();
        memory.update(key(1000), |_| put(1000, limit)).unwrap();
        assert_eq!(memory.len(), 1, "{engine:?}");
        assert!(memory.get(key(1000)).is_some());
    }
}

/// What is found after an object that was there is followed by one that is too heavy.
fn after_a_heavy_one(engine: Engine, off: Option<Rule>) -> Option<Arc<Weighed>> {
    let memory = memory(engine, 16 << 20);
    memory.update(1, |_| put(1, 1000)).unwrap();
    let heavy = rule::without(off, || memory.update(1, |_| put(2, u64::MAX)));
    assert!(heavy.is_err());
    memory.get(1)
}

#[test]
fn what_a_too_heavy_one_replaces_is_gone() {
    for engine in ENGINES {
        assert_eq!(after_a_heavy_one(*engine, None), None);
        // Control: the outdated one would still be served.
        assert!(after_a_heavy_one(*engine, Some(Rule::ForgetOutdated)).is_some());
    }
}

#[test]
fn what_is_forgotten_is_counted_and_what_is_replaced_is_not() {
    for engine in ENGINES {
        let memory = memory(*engine, 1 << 20);
        for round in 0..10 {
            for number in 0..100 {
                memory.update(key(number), |_| put(round, 1000)).unwrap();
            }
        }
        memory.update(key(0), |_| Change::Remove).unwrap();
        assert_eq!(memory.evictions(), Evictions::default());
        assert_eq!(memory.len(), 99);

        for number in 100..5000 {
            memory.update(key(number), |_| put(number, 1000)).unwrap();
        }
        let (left, weight) = (memory.len() as u64, memory.weight());
        let Evictions { count, bytes } = memory.evictions();
        assert_eq!(count, 4999 - left, "{engine:?}");
        assert_eq!(bytes, (weight / left) * count, "{engine:?}");
        // Most of the room is used.
        assert!(weight > memory.capacity() * 9 / 10, "{engine:?}: {weight}");
    }
}

#[test]
fn objects_without_weight_are_bounded_too() {
    for engine in ENGINES {
        let memory = memory(*engine, 64 << 10);
        for number in 0..5000 {
            memory.update(key(number), |_| put(number, 0)).unwrap();
        }
        assert!(memory.len() < 1000, "{engine:?}: {}", memory.len());
    }
}

#[test]
fn what_is_asked_for_outlives_what_is_not() {
    for engine in ENGINES {
        let memory = memory(*engine, 1 << 20);
        let popular = || (0..100).map(key);
        for (number, key) in (0..).zip(popular()) {
            memory.update(key, |_| put(number, 1000)).unwrap();
        }
        for number in 1000..6000 {
            let _ =
                popular().nth(usize::try_from(number % 100).unwrap()).map(|key| memory.get(key));
            memory.update(key(number), |_| put(number, 1000)).unwrap();
        }
        let left = popular().filter(|key| memory.get(*key).is_some()).count();
        assert!(left > 80, "{engine:?}: {left}");
    }
}
