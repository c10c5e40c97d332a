//! The public test suite for HTTP caches, run against the `edge` example in both profiles.
//!
//! `tests/live_suite/expected-PROFILE.txt` holds what each case must give, better and worse both
//! being errors: a case that passes by surprise wants to be written down. After a change that is
//! meant, `TERRACE_BLESS=1 cargo test -p terrace-cdn-edge --test live_suite` writes the files anew,
//! and the diff says what the change did.
//!
//! Surrogate-Control is left out: it is a draft that RFC 9213 replaced.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use terrace_testkit::cachetests::{CacheTests, Grades, Origin};
use terrace_testkit::{Process, tools};
use tokio::sync::OnceCell;

/// Longer than a start takes, even on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the expected results may never fall below: required and optional cases passed.
const FLOORS: [(&str, usize, usize); 2] = [("default", 152, 0), ("rfc", 154, 80)];
/// The cases that the suite has for the command line: what it shrinks to would count for more.
const CASES: (usize, usize) = (157, 86);

/// Installed once for all tests of this file.
async fn suite() -> Option<&'static CacheTests> {
    static SUITE: OnceCell<CacheTests> = OnceCell::const_new();
    tools::require_or_skip("node")?;
    tools::require_or_skip("npm")?;
    Some(SUITE.get_or_init(async || CacheTests::install().await.unwrap()).await)
}

fn expected_file(profile: &str) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live_suite"));
    folder.join(format!("expected-{profile}.txt"))
}

fn expected(profile: &str) -> Grades {
    let file = expected_file(profile);
    let text = std::fs::read_to_string(&file).unwrap();
    Grades::parse(&text).unwrap()
}

fn bless() -> bool {
    std::env::var_os("TERRACE_BLESS").is_some_and(|value| value == "1")
}

fn write_expected(profile: &str, grades: &Grades) {
    std::fs::write(expected_file(profile), grades.to_string()).unwrap();
    tell(&format!("{profile}: {} (written)", grades.score()));
}

/// Past the test harness's capture: the score is news also when the test passes.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The edge in front of `origin`, and its URL.
async fn edge(profile: &str, origin: &Origin) -> (Process, String) {
    let edge = Process::cargo_example("edge")
        .unwrap()
        .args(["--listen", "127.0.0.1:0", "--origin", &origin.url(), "--profile", profile])
        .spawn()
        .unwrap();
    let line = edge.wait_for_line("listening on http://", PATIENCE).await.unwrap();
    let url = line.trim_start_matches("listening on ").to_owned();
    (edge, url)
}

async fn passes_as_expected(profile: &str) {
    let Some(suite) = suite().await else { return };
    let origin = suite.origin().await.unwrap();
    let (_edge, url) = edge(profile, &origin).await;
    if bless() {
        write_expected(profile, &suite.run(&url).await.unwrap());
        return;
    }
    let found = suite.compare(&url, &expected(profile)).await.unwrap();
    tell(&format!("{profile}: {}", found.grades.score()));
    for case in &found.asked_again {
        tell(&format!("{profile}: asked again alone: {case}"));
    }
    let differences: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    assert!(
        differences.is_empty(),
        "{profile}: {} cases are not as expected:\n{}\nand the suite says:\n{}",
        differences.len(),
        differences.join("\n"),
        found.reasons.join("\n"),
    );
}

#[tokio::test]
async fn the_default_profile_passes_what_is_expected_of_it() {
    passes_as_expected("default").await;
}

#[tokio::test]
async fn the_rfc_profile_passes_what_is_expected_of_it() {
    passes_as_expected("rfc").await;
}

#[test]
fn what_is_expected_never_falls_below_the_floors() {
    for (profile, required, optional) in FLOORS {
        let score = expected(profile).score();
        assert!(score.required >= required, "{profile}: {score}, the floor is {required}");
        assert!(score.optimal >= optional, "{profile}: {score}, the floor is {optional}");
        assert_eq!((score.of_required, score.of_optimal), CASES, "{profile}");
    }
}

/// Proves that the grading can fail, and that asking again hides nothing: without a cache, no more
/// pass than those cases that only ask that no cache answers.
#[tokio::test]
async fn control_without_a_cache_most_cases_fail_and_an_unexpected_result_is_reported() {
    let Some(suite) = suite().await else { return };
    let origin = suite.origin().await.unwrap();
    if bless() {
        write_expected("no-cache", &suite.run(&origin.url()).await.unwrap());
        return;
    }
    let truth = expected("no-cache").to_string();
    let lie = truth
        .replace("vary-star required pass", "vary-star required fail")
        .replace("freshness-max-age optimal fail", "freshness-max-age optimal pass");
    let found = suite.compare(&origin.url(), &Grades::parse(&lie).unwrap()).await.unwrap();
    let score = found.grades.score();
    tell(&format!("without a cache: {score}"));
    let said: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    let reported = [
        "freshness-max-age: expected optimal pass, found optimal fail",
        "vary-star: expected required fail, found required pass",
    ];
    assert_eq!(said, reported, "{:?}", found.reasons);
    for case in &found.differences {
        assert!(found.asked_again.contains(case), "{case}");
    }
    assert_eq!((score.of_required, score.of_optimal), CASES);
    assert!(score.required < FLOORS[0].1 / 3, "{score}");
    assert!(score.optimal < CASES.1 / 10, "{score}");
}
