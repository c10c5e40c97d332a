use proptest::prelude::*;

use super::*;
use crate::record::{Limits, apply};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn value(number: u8) -> Value {
    Value::of(&number).unwrap()
}

#[derive(Clone, Debug)]
struct Op {
    name: &'static str,
    to: Option<u8>,
    blind: bool,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (prop::sample::select(vec!["a", "b", "c"]), prop::option::of(0u8..3), any::<bool>())
        .prop_map(|(name, to, blind)| Op { name, to, blind });
    prop::collection::vec(op, 0..12)
}

fn there() -> impl Strategy<Value = Values> {
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "d"]), 0u8..3, 0..4).prop_map(
        |map| map.into_iter().map(|(at, number)| (name(at), value(number))).collect::<Values>(),
    )
}

fn logged(ops: &[Op], there: &Values) -> Log {
    let mut log = Log::default();
    for op in ops {
        let to = op.to.map(value);
        if op.blind {
            log.wish_blindly(name(op.name), to);
        } else {
            log.wish(name(op.name), to, there);
        }
    }
    log
}

proptest! {
    #[test]
    fn a_log_comes_to_what_a_plain_map_comes_to(ops in ops(), there in there()) {
        let mut reference = there.clone();
        for op in &ops {
            match op.to {
                Some(to) => drop(reference.insert(name(op.name), value(to))),
                None => drop(reference.remove(op.name)),
            }
        }
        let log = logged(&ops, &there);
        for at in ["a", "b", "c", "d"] {
            prop_assert_eq!(log.read(at, Some(&there)), reference.get(at));
        }
        let mut stored = there;
        prop_assert!(apply(&mut stored, &log.patch(), Limits::default()));
        prop_assert_eq!(stored, reference);
    }

    #[test]
    fn names_that_were_not_asked_for_are_not_touched(ops in ops(), there in there()) {
        let patch = logged(&ops, &there).patch();
        let touched = patch.set.keys().chain(&patch.remove);
        for at in touched {
            prop_assert!(ops.iter().any(|op| op.name == at.as_str()));
        }
    }

    #[test]
    fn what_was_seen_and_is_the_same_is_not_written(ops in ops(), there in there()) {
        let seen: Vec<Op> = ops.into_iter().map(|op| Op { blind: false, ..op }).collect();
        let patch = logged(&seen, &there).patch();
        for (at, to) in &patch.set {
            prop_assert_ne!(there.get(at), Some(to));
        }
        for at in &patch.remove {
            prop_assert!(there.contains_key(at));
        }
    }

    #[test]
    fn a_log_fits_where_its_patch_fits(
        ops in ops(), there in there(), bytes in 0usize..10, values in 0usize..5, value in 0usize..2,
    ) {
        let limits = Limits { bytes, values, value };
        let log = logged(&ops, &there);
        let fits = apply(&mut there.clone(), &log.patch(), limits);
        prop_assert_eq!(log.fits(Some(&there), limits), fits);
    }

    #[test]
    fn what_was_done_is_not_done_again(ops in ops(), there in there()) {
        let mut log = logged(&ops, &there);
        let patch = log.patch();
        log.done(&patch);
        prop_assert!(log.is_empty());
    }
}

#[test]
fn a_wish_made_while_another_was_carried_out_stays() {
    let mut log = Log::default();
    log.wish_blindly(name("a"), Some(value(1)));
    let patch = log.patch();
    log.wish_blindly(name("a"), Some(value(2)));
    log.done(&patch);
    assert_eq!(log.read("a", None), Some(&value(2)));
    assert!(!log.is_empty());
}

#[test]
fn a_blind_wish_is_written_even_if_the_same_is_there() {
    let there: Values = [(name("a"), value(1))].into();
    let mut log = Log::default();
    log.wish_blindly(name("a"), Some(value(2)));
    log.wish(name("a"), Some(value(1)), &there);
    assert_eq!(log.patch().set.get("a"), Some(&value(1)));
}
