use super::{Line, history};
use crate::history::Outcome::{self, Failed, Ok as Answered, Unknown};
use crate::history::register::{Anomaly, Answer, Call, RegisterReport, Stored, check};

const KEY: u64 = 7;

fn at(value: u64) -> Answer {
    Some(Stored { value, version: 0 })
}

fn write(process: u32, value: u64, began: u64, ended: u64) -> Line<Call, Answer> {
    (process, Call::Write { key: KEY, value }, began, ended, Answered(at(value)))
}

fn read(process: u32, value: Option<u64>, began: u64, ended: u64) -> Line<Call, Answer> {
    (process, Call::Read { key: KEY }, began, ended, Answered(value.and_then(at)))
}

fn ending(mut line: Line<Call, Answer>, outcome: Outcome<Answer>) -> Line<Call, Answer> {
    line.4 = outcome;
    line
}

fn anomaly(report: &RegisterReport) -> Option<Anomaly> {
    report.offences.first().map(|offence| offence.anomaly)
}

#[test]
fn reads_beside_a_write_may_see_either_value() {
    for seen in [Some(1), Some(2)] {
        let ops = vec![write(1, 1, 0, 1), write(1, 2, 2, 9), read(2, seen, 3, 4)];
        let report = check(&history(ops));
        assert!(report.is_ok(), "{report}");
    }
}

#[test]
fn a_stale_read_is_reported_with_its_key_and_the_write_it_missed() {
    let ops = vec![write(1, 1, 0, 1), write(1, 2, 2, 3), read(2, Some(1), 4, 5)];
    let report = check(&history(ops));
    assert_eq!(anomaly(&report), Some(Anomaly::NotLinearizable));
    assert_eq!((report.offences[0].key, report.offences[0].at.index), (KEY, 2));
    assert!(report.to_string().contains("write 7 = 2"), "{report}");
}

#[test]
fn a_lost_write_is_reported() {
    let report = check(&history(vec![write(1, 1, 0, 1), read(2, None, 2, 3)]));
    assert_eq!(anomaly(&report), Some(Anomaly::NotLinearizable));
}

#[test]
fn two_readers_must_not_see_two_writes_in_two_orders() {
    let beside = |last| {
        vec![
            write(1, 1, 0, 20),
            write(2, 2, 1, 21),
            read(3, Some(1), 2, 3),
            read(3, Some(2), 4, 5),
            read(4, Some(last), 6, 7),
        ]
    };
    assert!(check(&history(beside(2))).is_ok());
    assert_eq!(anomaly(&check(&history(beside(1)))), Some(Anomaly::NotLinearizable));
}

#[test]
fn a_read_from_the_future_is_reported() {
    let report = check(&history(vec![read(2, Some(1), 0, 1), write(1, 1, 2, 3)]));
    assert_eq!(anomaly(&report), Some(Anomaly::NotLinearizable));
    let unknown = vec![read(2, Some(1), 0, 1), ending(write(1, 1, 2, 3), Unknown)];
    assert_eq!(anomaly(&check(&history(unknown))), Some(Anomaly::NotLinearizable));
}

#[test]
fn a_failed_write_must_never_be_seen() {
    let ops =
        |seen| vec![write(1, 1, 0, 1), ending(write(2, 2, 2, 3), Failed), read(3, seen, 4, 5)];
    assert!(check(&history(ops(Some(1)))).is_ok());
    assert_eq!(anomaly(&check(&history(ops(Some(2))))), Some(Anomaly::FailedWriteSeen(2)));
}

#[test]
fn a_value_out_of_thin_air_is_reported() {
    let report = check(&history(vec![write(1, 1, 0, 1), read(2, Some(9), 2, 3)]));
    assert_eq!(anomaly(&report), Some(Anomaly::OutOfThinAir(9)));
}

#[test]
fn an_unknown_write_may_take_effect_late_or_never() {
    let unknown = || ending(write(1, 2, 2, 3), Unknown);
    let never = vec![write(1, 1, 0, 1), unknown(), read(2, Some(1), 4, 5), read(2, Some(1), 6, 7)];
    assert!(check(&history(never)).is_ok());
    let late = vec![write(1, 1, 0, 1), unknown(), read(2, Some(1), 4, 5), read(2, Some(2), 6, 7)];
    assert!(check(&history(late)).is_ok());
}

#[test]
fn an_unknown_write_takes_effect_only_once() {
    let ops = vec![
        write(1, 1, 0, 1),
        ending(write(1, 2, 2, 3), Unknown),
        read(2, Some(2), 4, 5),
        write(2, 3, 6, 7),
        read(2, Some(2), 8, 9),
    ];
    assert_eq!(anomaly(&check(&history(ops))), Some(Anomaly::NotLinearizable));
}

#[test]
fn a_value_written_twice_is_the_tests_own_fault() {
    let report = check(&history(vec![write(1, 1, 0, 1), write(2, 1, 2, 3)]));
    assert_eq!(anomaly(&report), Some(Anomaly::NotUnique(1)));
}

#[test]
fn keys_are_judged_apart() {
    let other = |line: Line<Call, Answer>, key| {
        let call = match line.1 {
            Call::Read { .. } => Call::Read { key },
            Call::Write { value, .. } => Call::Write { key, value },
        };
        (line.0, call, line.2, line.3, line.4)
    };
    let ops = vec![write(1, 1, 0, 1), other(write(1, 1, 2, 3), 8), other(read(2, None, 4, 5), 8)];
    let report = check(&history(ops));
    assert_eq!(report.offences.iter().map(|o| o.key).collect::<Vec<_>>(), [8]);
}

#[test]
fn too_much_at_once_is_undecided_and_not_fine() {
    let ops = (0..200).map(|n| write(n, u64::from(n), u64::from(n), 1000 + u64::from(n)));
    let report = check(&history(ops.collect()));
    assert_eq!(report.undecided, [KEY]);
    assert!(!report.is_ok());
}
