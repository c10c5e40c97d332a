//! Counts of this very test executable.

use std::hint::black_box;
use std::time::Duration;

use super::{Callgrind, CallgrindError, total};
use crate::tools;

#[inline(never)]
fn work(rounds: u64) -> u64 {
    let mut sum = 0;
    let mut round = 0;
    while round < rounds {
        sum = black_box(sum ^ round);
        round += 1;
    }
    sum
}

/// The count of `function`, or None (said loudly) without valgrind.
fn count(test: &str, function: &str) -> Option<Result<u64, CallgrindError>> {
    tools::require_or_skip("valgrind")?;
    let run = Callgrind::this_test(&format!("callgrind::tests::{test}")).unwrap();
    Some(run.count(function))
}

#[test]
fn two_runs_count_the_same_and_ten_times_the_work_counts_ten_times() {
    let rounds = |variable: &str| std::env::var(variable).ok()?.parse().ok();
    if Callgrind::is_child() {
        black_box(work(rounds("TERRACE_ROUNDS").unwrap_or(1_000)));
        return;
    }
    let name = "two_runs_count_the_same_and_ten_times_the_work_counts_ten_times";
    let Some(first) = count(name, "tests::work").map(Result::unwrap) else {
        return;
    };
    let second = count(name, "tests::work").unwrap().unwrap();
    assert!(first.abs_diff(second) * 1_000 <= first, "{first}, then {second}");
    let more = Callgrind::this_test(&format!("callgrind::tests::{name}"))
        .unwrap()
        .environment("TERRACE_ROUNDS", "10000")
        .count("tests::work")
        .unwrap();
    assert!((9 * first..=10 * first).contains(&more), "{first}, ten times: {more}");
}

#[test]
fn a_function_that_is_never_called_is_an_error_and_not_zero() {
    if Callgrind::is_child() {
        return;
    }
    let name = "a_function_that_is_never_called_is_an_error_and_not_zero";
    let Some(result) = count(name, "tests::work") else {
        return;
    };
    assert!(matches!(result, Err(CallgrindError::NeverCalled(_))), "{result:?}");
}

#[test]
fn a_program_that_fails_shows_its_output() {
    let Some(_) = tools::require_or_skip("valgrind") else {
        return;
    };
    let run = Callgrind::program("/bin/sh").arguments(["-c", "echo oh no; exit 3"]);
    match run.count("anything") {
        Err(CallgrindError::Failed(log)) => assert!(log.contains("oh no"), "{log}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_hangs_is_killed() {
    let Some(_) = tools::require_or_skip("valgrind") else {
        return;
    };
    let run = Callgrind::program("/bin/sleep").arguments(["1000"]);
    let result = run.limit(Duration::from_millis(200)).count("anything");
    assert!(matches!(result, Err(CallgrindError::Failed(_))), "{result:?}");
}

#[test]
fn the_sum_is_read_from_either_line() {
    assert_eq!(total("events: Ir\n\ntotals: 42\n"), Some(42));
    assert_eq!(total("summary: 7 8\nfn=(1)\n"), Some(7));
    assert_eq!(total("fn=(1)\n16 4\n"), None);
}
