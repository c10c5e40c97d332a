use super::*;

mod contract;
mod floors;
mod model;

/// Where hashing starts in tests.
const SEED: u64 = 42;

fn engine<K, V>(policy: Policy, capacity: Capacity) -> Box<dyn Engine<K, V>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    build(policy, capacity, SEED).unwrap_or_else(|error| panic!("{policy}: {error}"))
}

/// Those that this build has.
fn policies() -> impl Iterator<Item = Policy> {
    Policy::all().iter().copied().filter(|policy| match policy.feature() {
        "foyer" => cfg!(feature = "foyer"),
        "moka" => cfg!(feature = "moka"),
        _ => cfg!(feature = "quick-cache"),
    })
}

/// Asks for each key and inserts it if it is not there; says for each whether it was.
fn replay(policy: Policy, capacity: usize, seed: u64, keys: &[u64]) -> Vec<bool> {
    let engine = build::<u64, ()>(policy, Capacity::entries(capacity), seed)
        .unwrap_or_else(|error| panic!("{policy}: {error}"));
    let ask = |key: &u64| {
        let hit = engine.get(key).is_some();
        if !hit {
            engine.insert(*key, (), 1).unwrap();
        }
        hit
    };
    keys.iter().map(ask).collect()
}

#[test]
fn every_policy_is_found_by_its_name() {
    for &policy in Policy::all() {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    assert_eq!("default".parse(), Ok(Policy::S3Fifo));
    assert_eq!(Policy::default(), Policy::S3Fifo);
}

#[test]
fn an_unknown_name_is_told_what_there_is() {
    for name in ["LRU", "", "arc", "s3fifo"] {
        let said = name.parse::<Policy>().unwrap_err().to_string();
        assert!(said.starts_with(&format!("unknown policy {name:?}: ")), "{said}");
        assert!(Policy::all().iter().all(|policy| said.contains(policy.name())), "{said}");
    }
}

#[test]
fn a_capacity_of_0_is_an_error() {
    for &policy in Policy::all() {
        for capacity in [Capacity::entries(0), Capacity::weight(0).expected_entries(9)] {
            let refused = build::<u64, ()>(policy, capacity, SEED).err();
            assert_eq!(refused, Some(EngineError::ZeroCapacity), "{policy}");
        }
    }
}

#[test]
fn a_policy_that_was_left_out_says_which_feature_brings_it() {
    let there: Vec<Policy> = policies().collect();
    for &policy in Policy::all() {
        let error = build::<u64, ()>(policy, Capacity::entries(10), SEED).err();
        let feature = policy.feature();
        let expected = EngineError::FeatureOff { policy, feature };
        assert_eq!(error, (!there.contains(&policy)).then_some(expected));
        let said = expected.to_string();
        assert!(said.contains(policy.name()) && said.contains(feature), "{said}");
    }
}

#[cfg(any(feature = "foyer", feature = "quick-cache"))]
#[test]
fn shards_are_halved_until_each_can_expect_32_entries() {
    for (entries, shards) in [(1, 1), (63, 1), (64, 2), (255, 4), (256, 8), (1 << 30, 8)] {
        assert_eq!(Capacity::entries(entries).shards(), shards, "{entries}");
    }
    assert_eq!(Capacity::weight(1 << 20).shards(), SHARDS);
    assert_eq!(Capacity::weight(1 << 20).expected_entries(10).shards(), 1);
    // Whatever is expected, a shard can hold something.
    assert_eq!(Capacity::weight(3).expected_entries(1_000_000).shards(), 1);
}
