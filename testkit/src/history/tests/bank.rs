use super::{Line, history};
use crate::history::Outcome::{Failed, Ok as Answered, Unknown};
use crate::history::bank::{Anomaly, Answer, Balances, BankReport, Books, Call, check};

fn balances(of: [i64; 2]) -> Balances {
    Balances::from([(1, of[0]), (2, of[1])])
}

/// Moves 10 from account 1 to account 2.
fn transfer(id: u64) -> Line<Call, Answer> {
    let call = Call::Transfer { id, from: 1, to: 2, amount: 10 };
    (1, call, id * 2, id * 2 + 1, Answered(Answer::Moved))
}

fn audit(of: [i64; 2]) -> Line<Call, Answer> {
    (2, Call::Audit, 100, 101, Answered(Answer::Balances(balances(of))))
}

fn report(lines: Vec<Line<Call, Answer>>, end: [i64; 2], transfers: &[u64]) -> BankReport {
    let books = Books { balances: balances(end), transfers: transfers.to_vec() };
    check(&history(lines), &balances([100, 0]), &books)
}

#[test]
fn money_that_only_moves_is_fine() {
    let lines = vec![transfer(1), audit([90, 10]), transfer(2), audit([80, 20]), audit([100, 0])];
    let report = report(lines, [80, 20], &[1, 2]);
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.audits, 3);
}

#[test]
fn a_snapshot_with_another_sum_is_reported() {
    let report = report(vec![transfer(1), audit([90, 0])], [90, 10], &[1]);
    let wrong = Anomaly::WrongSum { audit: Some(1), sum: 90, total: 100 };
    assert_eq!(report.anomalies, [wrong], "{report}");
}

#[test]
fn an_overdrawn_account_is_reported() {
    let report = report(vec![audit([110, -10])], [100, 0], &[]);
    let negative = Anomaly::Negative { audit: Some(0), account: 2, balance: -10 };
    assert_eq!(report.anomalies, [negative], "{report}");
}

#[test]
fn a_missing_account_is_reported() {
    let only = Answer::Balances(Balances::from([(1, 100)]));
    let report = report(vec![(2, Call::Audit, 0, 1, Answered(only))], [100, 0], &[]);
    assert_eq!(report.anomalies, [Anomaly::WrongAccounts { audit: Some(0) }]);
}

#[test]
fn a_lost_transfer_is_listed_though_the_sum_is_right() {
    let report = report(vec![transfer(1)], [100, 0], &[]);
    assert_eq!(report.transfers.lost, [1], "{report}");
    assert!(report.is_sound() && !report.is_ok());
}

#[test]
fn an_unknown_transfer_is_resolved_by_its_row() {
    let unknown = || vec![(1, transfer(1).1, 0, 0, Unknown)];
    assert!(report(unknown(), [100, 0], &[]).is_ok());
    assert!(report(unknown(), [90, 10], &[1]).is_ok());
    let moved_without_row = report(unknown(), [90, 10], &[]);
    assert!(!moved_without_row.is_ok());
    let row_without_move = report(unknown(), [100, 0], &[1]);
    let wrong = Anomaly::WrongBalance { account: 1, balance: 100, expected: 90 };
    assert!(row_without_move.anomalies.contains(&wrong), "{row_without_move}");
}

#[test]
fn a_transfer_applied_twice_or_in_spite_of_a_refusal_is_reported() {
    assert!(!report(vec![transfer(1)], [80, 20], &[1, 1]).is_ok());
    assert!(!report(vec![transfer(1)], [80, 20], &[1]).is_ok());
    let refused = vec![(1, transfer(1).1, 0, 1, Failed)];
    assert_eq!(report(refused, [90, 10], &[1]).transfers.refused_but_stored, [1]);
}
