use super::{Line, history};
use crate::history::Outcome::{Failed, Ok as Answered, Unknown};
use crate::history::append::{Anomaly, Answer, AppendReport, Call, Lists, Step, check};

fn append(element: u64, began: u64) -> Line<Call, Answer> {
    (1, Call::append(1, element), began, began + 1, Answered(Vec::new()))
}

fn read(list: &[u64], began: u64) -> Line<Call, Answer> {
    (2, Call::read(1), began, began + 1, Answered(vec![list.to_vec()]))
}

fn transaction(steps: &[Step], lists: &[&[u64]]) -> Line<Call, Answer> {
    let lists = lists.iter().map(|list| list.to_vec()).collect();
    (1, Call(steps.to_vec()), 0, 1, Answered(lists))
}

fn put(key: u64, element: u64) -> Step {
    Step::Append { key, element }
}

fn get(key: u64) -> Step {
    Step::Read { key }
}

fn report(lines: Vec<Line<Call, Answer>>, last: &[(u64, &[u64])]) -> AppendReport {
    let finals: Lists = last.iter().map(|(key, list)| (*key, list.to_vec())).collect();
    check(&history(lines), &finals)
}

#[test]
fn growing_lists_are_fine() {
    let lines = vec![append(1, 0), read(&[], 0), read(&[1], 2), append(2, 4), read(&[1, 2], 6)];
    let report = report(lines, &[(1, &[1, 2])]);
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.reads, 3);
}

#[test]
fn a_lost_or_doubled_element_is_reported() {
    let lost = report(vec![append(1, 0), append(2, 2)], &[(1, &[2])]);
    assert_eq!(lost.elements[&1].lost, [1], "{lost}");
    let doubled = report(vec![append(1, 0)], &[(1, &[1, 1])]);
    assert_eq!(doubled.elements[&1].doubled, [1], "{doubled}");
    let nowhere = report(vec![append(1, 0)], &[]);
    assert_eq!(nowhere.elements[&1].lost, [1], "{nowhere}");
}

#[test]
fn an_unknown_append_is_there_at_most_once() {
    let unknown = || vec![(1, Call::append(1, 5), 0, 0, Unknown)];
    assert!(report(unknown(), &[(1, &[])]).is_ok());
    assert!(report(unknown(), &[(1, &[5])]).is_ok());
    assert!(!report(unknown(), &[(1, &[5, 5])]).is_ok());
}

#[test]
fn a_failed_append_must_never_be_seen() {
    let failed = || (1, Call::append(1, 5), 0, 1, Failed);
    assert!(report(vec![failed(), read(&[], 2)], &[(1, &[])]).is_ok());
    let seen = report(vec![failed(), read(&[5], 2)], &[(1, &[])]);
    let anomaly = Anomaly::FailedAppendSeen { reader: 1, key: 1, element: 5 };
    assert!(seen.anomalies.contains(&anomaly), "{seen}");
    let stored = report(vec![failed()], &[(1, &[5])]);
    assert_eq!(stored.elements[&1].refused_but_stored, [5]);
}

#[test]
fn a_read_that_is_no_prefix_is_reported() {
    let lines = vec![append(1, 0), append(2, 2), read(&[2], 4)];
    let report = report(lines, &[(1, &[1, 2])]);
    assert_eq!(report.anomalies, [Anomaly::NotPrefix { reader: 2, key: 1, at: 0 }], "{report}");
}

#[test]
fn writes_in_a_circle_are_reported() {
    let both = |n: u64| transaction(&[put(1, n), put(2, n)], &[]);
    assert!(report(vec![both(1), both(2)], &[(1, &[1, 2]), (2, &[1, 2])]).is_ok());
    let circle = report(vec![both(1), both(2)], &[(1, &[1, 2]), (2, &[2, 1])]);
    assert_eq!(circle.anomalies, [Anomaly::WriteCycle(vec![0, 1])], "{circle}");
}

#[test]
fn reads_and_writes_in_a_circle_are_reported() {
    let lines = |seen: &[u64]| {
        vec![transaction(&[put(1, 1), get(2)], &[seen]), transaction(&[put(2, 2), get(1)], &[&[1]])]
    };
    let last: &[(u64, &[u64])] = &[(1, &[1]), (2, &[2])];
    assert!(report(lines(&[]), last).is_ok());
    let circle = report(lines(&[2]), last);
    assert_eq!(circle.anomalies, [Anomaly::ReadCycle(vec![0, 1])], "{circle}");
}

#[test]
fn a_transaction_seen_in_half_is_reported() {
    let lines = |seen: &[u64]| {
        vec![transaction(&[put(1, 1), put(1, 2)], &[]), transaction(&[get(1)], &[seen])]
    };
    assert!(report(lines(&[1, 2]), &[(1, &[1, 2])]).is_ok());
    let half = report(lines(&[1]), &[(1, &[1, 2])]);
    assert_eq!(half.anomalies, [Anomaly::HalfSeen { reader: 1, key: 1, writer: 0 }], "{half}");
}

#[test]
fn a_transaction_may_read_its_own_half() {
    let own = transaction(&[put(1, 1), get(1), put(1, 2), get(1)], &[&[1], &[1, 2]]);
    let report = report(vec![own], &[(1, &[1, 2])]);
    assert!(report.is_ok(), "{report}");
}
