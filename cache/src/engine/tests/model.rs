//! Against a map that never forgets: an engine may know less, and never anything else.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    Insert(u8, usize),
    Remove(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..24_u8;
    prop_oneof![
        8 => key.clone().prop_map(Step::Get),
        // Some are too heavy.
        8 => (key.clone(), 0..14_usize).prop_map(|(key, weight)| Step::Insert(key, weight)),
        2 => key.prop_map(Step::Remove),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn only_the_last_inserted_value_is_ever_returned(
        steps in prop::collection::vec(step(), 1..80),
        capacity in 1..40_usize,
    ) {
        for policy in policies() {
            let engine = engine::<u8, usize>(policy, Capacity::entries(capacity));
            let mut model = HashMap::new();
            for (now, step) in steps.iter().enumerate() {
                match *step {
                    Step::Get(key) => {
                        if let Some(value) = engine.get(&key) {
                            prop_assert_eq!(Some(&value), model.get(&key), "{}", policy);
                        }
                    }
                    Step::Insert(key, weight) => {
                        let refused = engine.insert(key, now, weight).is_err();
                        prop_assert_eq!(refused, weight.max(1) > engine.limit(), "{}", policy);
                        if refused {
                            model.remove(&key);
                        } else {
                            model.insert(key, now);
                        }
                    }
                    Step::Remove(key) => {
                        engine.remove(&key);
                        model.remove(&key);
                    }
                    Step::Clear => {
                        engine.clear();
                        model.clear();
                    }
                }
                let usage = engine.usage();
                prop_assert!(usage.weight <= capacity, "{}: {:?}", policy, usage);
            }
        }
    }
}
