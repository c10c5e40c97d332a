use std::collections::HashMap;

use proptest::prelude::*;

use super::{Change, Endpoint, EndpointId, HashSet, Status, Table};
use crate::policy::{P2c, Policy, Rng, Tried};

type Outcome = Result<(crate::Lease, u32), crate::BalanceError<()>>;

fn endpoint(name: &str, weight: u16) -> Endpoint<u32> {
    Endpoint::new(name, 0).expect("a good name").weight(weight)
}

fn pick(table: &Table<u32>) -> Outcome {
    let policy: &dyn Policy<()> = &P2c::new();
    table.snapshot(policy).pick(&(), &Tried::default(), &mut Rng::from_seed(1))
}

fn available(table: &Table<u32>) -> Vec<String> {
    let policy: &dyn Policy<()> = &P2c::new();
    let statuses = table.snapshot(policy).statuses();
    statuses.into_iter().filter(|e| e.available).map(|e| e.name.to_string()).collect()
}

#[test]
fn a_slot_that_is_used_again_is_another_endpoint() {
    // tower #856: an index kept over a removal sends the request to whoever moved into the place.
    let mut table = Table::new(false);
    let first = table.join(endpoint("a", 1));
    let (lease, _) = pick(&table).expect("picks a");
    table.apply(Change::Remove("a".into())).expect("leaves");
    let second = table.join(endpoint("b", 1));
    assert_eq!(first.slot, second.slot);
    assert_ne!(first, second);
    assert_eq!(table.service(first), None);
    assert_eq!(table.observe(first, false, 1, 1), None, "an old check says nothing about b");
    let policy: &dyn Policy<()> = &P2c::new();
    assert_eq!(table.snapshot(policy).statuses()[0].in_flight, 0, "a's request is not b's");
    assert_eq!(&**lease.name(), "a");
}

#[test]
fn a_replaced_list_keeps_who_stays() {
    let mut table = Table::new(false);
    table.apply(Change::Replace(vec![endpoint("a", 1), endpoint("b", 1)])).expect("a list");
    let _lease = pick(&table).expect("picks one");
    let before: u32 = in_flight(&table);
    let joined =
        table.apply(Change::Replace(vec![endpoint("b", 5), endpoint("a", 2), endpoint("c", 1)]));
    assert_eq!(joined.expect("a list").len(), 1);
    assert_eq!(in_flight(&table), before);
    table.apply(Change::Replace(Vec::new())).expect("an empty list");
    assert!(matches!(pick(&table), Err(crate::BalanceError::NoEndpoints)));
}

fn in_flight(table: &Table<u32>) -> u32 {
    let policy: &dyn Policy<()> = &P2c::new();
    table.snapshot(policy).statuses().iter().map(|e| e.in_flight).sum()
}

#[test]
fn a_change_that_makes_no_sense_changes_nothing() {
    let mut table = Table::new(false);
    table.apply(Change::Replace(vec![endpoint("a", 1)])).expect("a list");
    for change in [
        Change::Add(endpoint("a", 1)),
        Change::Remove("b".into()),
        Change::Weight("b".into(), 1),
        Change::Replace(vec![endpoint("x", 1), endpoint("y", 1), endpoint("x", 2)]),
    ] {
        assert!(table.apply(change).is_err());
        assert_eq!(available(&table), ["a"]);
    }
}

#[test]
fn weight_zero_drains_and_all_drained_is_an_answer() {
    let mut table = Table::new(false);
    table.apply(Change::Replace(vec![endpoint("a", 1), endpoint("b", 0)])).expect("a list");
    assert_eq!(available(&table), ["a"]);
    table.apply(Change::Weight("a".into(), 0)).expect("a member");
    match pick(&table) {
        Err(crate::BalanceError::AllUnavailable { down: 0, draining: 2 }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unchecked_endpoint_waits_unless_nobody_is_up() {
    let mut table = Table::new(true);
    let a = table.join(endpoint("a", 1));
    assert_eq!(available(&table), ["a"], "at the start all are tried");
    table.observe(a, true, 2, 3);
    let b = table.join(endpoint("b", 1));
    assert_eq!(available(&table), ["a"], "b first proves itself");
    table.observe(b, true, 2, 3);
    assert_eq!(available(&table), ["a", "b"]);
    for _ in 0..3 {
        table.observe(a, false, 2, 3);
        table.observe(b, false, 2, 3);
    }
    assert!(matches!(pick(&table), Err(crate::BalanceError::AllUnavailable { down: 2, .. })));
}

#[derive(Clone, Debug)]
enum Op {
    Add(u8, u16),
    Remove(u8),
    Weight(u8, u16),
    Replace(Vec<(u8, u16)>),
    Observe(usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let weight = 0_u16..4;
    prop_oneof![
        (0_u8..6, weight.clone()).prop_map(|(n, w)| Op::Add(n, w)),
        (0_u8..6).prop_map(Op::Remove),
        (0_u8..6, weight.clone()).prop_map(|(n, w)| Op::Weight(n, w)),
        prop::collection::vec((0_u8..6, weight), 0..6).prop_map(Op::Replace),
        (any::<usize>(), any::<bool>()).prop_map(|(i, ok)| Op::Observe(i, ok)),
    ]
}

proptest! {
    /// The table against a plain map of name to weight and health, under any sequence of changes.
    #[test]
    fn available_is_who_has_weight_and_the_best_known_health(ops in prop::collection::vec(op(), 0..40)) {
        let mut table: Table<u32> = Table::new(true);
        let mut model: HashMap<String, (u16, Status)> = HashMap::new();
        let mut stays: Vec<(EndpointId, String)> = Vec::new();
        let name = |n: u8| format!("e{n}");
        for op in ops {
            match op {
                Op::Add(n, w) => {
                    let added = table.apply(Change::Add(endpoint(&name(n), w)));
                    prop_assert_eq!(added.is_ok(), !model.contains_key(&name(n)));
                    if let Ok(ids) = added {
                        model.insert(name(n), (w, Status::Unchecked));
                        stays.push((ids[0], name(n)));
                    }
                }
                Op::Remove(n) => {
                    let removed = table.apply(Change::Remove(name(n).into()));
                    prop_assert_eq!(removed.is_ok(), model.remove(&name(n)).is_some());
                }
                Op::Weight(n, w) => {
                    let known = model.get_mut(&name(n)).map(|member| member.0 = w);
                    let set = table.apply(Change::Weight(name(n).into(), w));
                    prop_assert_eq!(set.is_ok(), known.is_some());
                }
                Op::Replace(list) => {
                    let new = list.iter().map(|&(n, w)| endpoint(&name(n), w)).collect();
                    let joined = table.apply(Change::Replace(new));
                    let names: HashMap<String, u16> = list.iter().map(|&(n, w)| (name(n), w)).collect();
                    prop_assert_eq!(joined.is_ok(), names.len() == list.len());
                    if let Ok(ids) = joined {
                        model.retain(|name, _| names.contains_key(name));
                        for (name, weight) in names {
                            model.entry(name).or_insert((weight, Status::Unchecked)).0 = weight;
                        }
                        for id in ids {
                            stays.push((id, table.name(id).expect("just joined").to_string()));
                        }
                    }
                }
                Op::Observe(i, ok) if !stays.is_empty() => {
                    let (id, name) = &stays[i % stays.len()];
                    if table.observe(*id, ok, 1, 1).is_some() {
                        let status = if ok { Status::Up } else { Status::Down };
                        model.get_mut(name).expect("only a member changes").1 = status;
                    }
                }
                Op::Observe(..) => {}
            }
            let serving = |status| model.values().any(|&(w, s)| w > 0 && s == status);
            let best = if serving(Status::Up) { Status::Up } else { Status::Unchecked };
            let expected = model.iter().filter(|(_, (w, s))| *w > 0 && *s == best);
            let mut expected: Vec<String> = expected.map(|(name, _)| name.clone()).collect();
            let mut actual = available(&table);
            expected.sort();
            actual.sort();
            prop_assert_eq!(actual, expected);
            let ids: HashSet<_> = stays.iter().map(|(id, _)| id).collect();
            prop_assert_eq!(ids.len(), stays.len(), "no identity is ever given twice");
        }
    }
}
