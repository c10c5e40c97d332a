use crate::history::{History, OPEN, Outcome};

#[test]
fn operations_are_numbered_in_the_order_of_their_events() {
    let history = History::new();
    let first = history.invoke(1, "a");
    let second = history.invoke(2, "b");
    second.ok(20);
    first.ok(10);
    let ops = history.ops();
    assert_eq!((ops[0].began, ops[0].ended), (0, 3));
    assert_eq!((ops[1].began, ops[1].ended), (1, 2));
    assert_eq!(ops[0].answer(), Some(&10));
}

#[test]
fn a_dropped_operation_is_unknown_and_stays_open() {
    let history = History::<_, ()>::new();
    drop(history.invoke(1, "a"));
    history.invoke(1, "b").unknown();
    history.invoke(1, "c").fail();
    let ops = history.ops();
    assert!(ops[0].is_unknown() && ops[1].is_unknown() && ops[2].is_failed());
    assert_eq!(ops[0].ended, OPEN);
}

#[test]
fn clones_record_into_one_history() {
    let history = History::new();
    let clone = history.clone();
    clone.invoke(1, "a").ok(());
    assert_eq!(history.len(), 1);
    assert_eq!(history.ops()[0].outcome, Outcome::Ok(()));
}
