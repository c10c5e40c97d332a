use super::{Line, history};
use crate::history::Outcome::Ok as Answered;
use crate::history::register::{Answer, Call, Stored};
use crate::history::session::{Broken, check, check_but};
use std::collections::HashSet;

const KEY: u64 = 7;

fn write(process: u32, version: u64, began: u64, ended: u64) -> Line<Call, Answer> {
    wrote(process, Stored { value: version * 10, version }, began, ended)
}

fn wrote(process: u32, stored: Stored, began: u64, ended: u64) -> Line<Call, Answer> {
    let call = Call::Write { key: KEY, value: stored.value };
    (process, call, began, ended, Answered(Some(stored)))
}

fn read(process: u32, version: u64, began: u64, ended: u64) -> Line<Call, Answer> {
    let stored = (version > 0).then_some(Stored { value: version * 10, version });
    (process, Call::Read { key: KEY }, began, ended, Answered(stored))
}

#[test]
fn a_session_that_misses_its_own_write_is_reported() {
    let report = check(&history(vec![write(1, 1, 0, 1), write(1, 2, 2, 3), read(1, 1, 4, 5)]));
    assert_eq!(report.count(Broken::ReadYourWrites), 1, "{report}");
    assert!(report.to_string().contains("did not read its own write"), "{report}");
}

#[test]
fn a_session_may_miss_the_writes_of_others() {
    let report = check(&history(vec![write(1, 1, 0, 1), read(2, 0, 2, 3)]));
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.reads, report.bound, report.sessions), (1, 0, 2));
}

#[test]
fn a_session_that_goes_backwards_is_reported() {
    let ops = vec![write(1, 1, 0, 1), write(1, 2, 2, 3), read(2, 2, 4, 5), read(2, 1, 6, 7)];
    let report = check(&history(ops));
    assert_eq!(report.count(Broken::MonotonicReads), 1, "{report}");
}

#[test]
fn operations_of_one_session_that_overlap_owe_each_other_nothing() {
    let beside = vec![write(1, 1, 0, 1), read(1, 0, 0, 2), read(2, 1, 3, 8), read(2, 0, 4, 9)];
    let report = check(&history(beside));
    assert!(report.is_ok(), "{report}");
    let after = vec![write(1, 1, 0, 1), read(1, 0, 2, 3)];
    assert!(!check(&history(after)).is_ok());
}

#[test]
fn one_version_with_two_values_is_reported() {
    let ops = vec![
        wrote(1, Stored { value: 10, version: 1 }, 0, 1),
        wrote(2, Stored { value: 99, version: 1 }, 2, 3),
        (1, Call::Read { key: KEY }, 4, 5, Answered(Some(Stored { value: 99, version: 1 }))),
    ];
    assert_eq!(check(&history(ops)).count(Broken::AnotherValue), 1);
}

#[test]
fn a_write_reported_as_lost_binds_nobody_and_only_that_one() {
    let ops = history(vec![write(1, 1, 0, 1), write(1, 2, 2, 3), read(1, 1, 4, 5)]);
    assert!(!check(&ops).is_ok());
    assert!(check_but(&ops, &HashSet::from([(KEY, 20)])).is_ok());
    assert!(!check_but(&ops, &HashSet::from([(KEY, 10)])).is_ok());
    let too_much = history(vec![write(1, 1, 0, 1), write(1, 2, 2, 3), read(1, 0, 4, 5)]);
    assert!(!check_but(&too_much, &HashSet::from([(KEY, 20)])).is_ok());
}
