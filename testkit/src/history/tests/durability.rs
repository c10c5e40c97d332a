use super::history;
use crate::history::Outcome::{self, Failed, Ok as Answered, Unknown};
use crate::history::durability::{DurabilityReport, audit};

fn report(writes: &[(u64, Outcome<()>)], stored: &[u64]) -> DurabilityReport {
    let lines = writes.iter().map(|(id, outcome)| (1, *id, *id * 2, *id * 2 + 1, outcome.clone()));
    audit(&history(lines.collect()), |&id| Some(id), stored)
}

#[test]
fn acknowledged_writes_and_some_unknown_ones_are_stored() {
    let writes = [(1, Answered(())), (2, Unknown), (3, Unknown), (4, Failed)];
    let report = report(&writes, &[1, 3]);
    assert!(report.is_ok(), "{report}");
    assert_eq!((&report.unknown_absent[..], &report.unknown_applied[..]), (&[2][..], &[3][..]));
}

#[test]
fn lost_acknowledged_writes_are_listed() {
    let report = report(&[(1, Answered(())), (2, Answered(()))], &[2]);
    assert_eq!(report.lost, [1]);
    assert!(!report.is_ok() && report.is_exact());
    assert!(report.to_string().contains("acknowledged and lost (1):\n  1"), "{report}");
}

#[test]
fn a_write_stored_twice_or_without_right_is_listed() {
    let report = report(&[(1, Answered(())), (2, Unknown), (3, Failed)], &[1, 2, 2, 3, 9]);
    assert_eq!(report.doubled, [2]);
    assert_eq!(report.refused_but_stored, [3]);
    assert_eq!(report.strangers, [9]);
    assert!(!report.is_exact());
}

#[test]
fn a_write_asked_for_again_counts_with_its_best_outcome() {
    let report = report(&[(1, Failed), (1, Answered(()))], &[1]);
    assert!(report.is_ok(), "{report}");
    assert!(!self::report(&[(1, Failed), (1, Answered(()))], &[]).is_ok());
}
