//! The public test suite for HTTP caches, run against the `edge` example in both profiles.
//!
//! `tests/live_suite/expected-PROFILE.txt` holds what each case must give, better and worse both
//! being errors: a case that passes by surprise wants to be written down. After a change that is
//! meant, this writes the files anew and compares a second run with them; the diff says what the
//! change did:
//!
//! ```sh
//! cargo build -p terrace-cdn-edge --example edge
//! TERRACE_BLESS=1 cargo test -p terrace-cdn-edge --test live_suite
//! ```
//!
//! Surrogate-Control is left out: it never became a standard, and RFC 9213 does what it was for.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use terrace_testkit::cachetests::{CacheTests, Comparison, Grades};
use terrace_testkit::{Process, tools};
use tokio::sync::OnceCell;

/// Longer than a start takes, even on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The required cases that fail in both profiles, and why that is so. None else may.
const UNPASSED: [(&str, &str); 6] = [
    ("stale-close-must-revalidate", NO_ANSWER),
    ("stale-close-proxy-revalidate", NO_ANSWER),
    ("stale-close-no-cache", NO_ANSWER),
    ("stale-close-s-maxage=2", NO_ANSWER),
    (
        "age-parse-prefix",
        "wants `Age: 0,7200` read as 0, and four others want lists of ages read as stale; here no list is an age",
    ),
    (
        "304-etag-update-response-ETag",
        "wants a stored response updated by a 304 with another strong tag, which RFC 9111, 4.3.4 forbids",
    ),
];
/// The origin closes the connection without a word, and a cache that may not serve the stale response must answer
/// 504 by itself (RFC 9111, 5.2.2.2). The suite takes any answer without the origin's counter for one from the cache.
const NO_ANSWER: &str =
    "no answer that a cache may give passes: the suite wants one from an origin that gave none";

/// The required cases that fail in the default profile alone.
const UNPASSED_BY_DEFAULT: [(&str, &str); 2] = [
    ("headers-store-Set-Cookie", "a response with a cookie is not everybody's"),
    ("304-etag-update-response-Set-Cookie", "a response with a cookie is not everybody's"),
];

/// Optional cases that pass at least in the profile `rfc`; the default one is not there to pass them.
const OPTIONAL: usize = 80;
/// The cases that the suite has for the command line: what it shrinks to would count for more.
const CASES: (usize, usize) = (157, 86);

/// The results of the three runs.
struct Runs {
    default: Comparison,
    rfc: Comparison,
    no_cache: Comparison,
}

/// All runs at once, by the first test that wants one of them: a run is pauses nearly all the time,
/// and the harness may take one test after the other.
async fn runs() -> Option<&'static Runs> {
    static RUNS: OnceCell<Runs> = OnceCell::const_new();
    tools::require_or_skip("node")?;
    tools::require_or_skip("npm")?;
    let all = async || {
        let suite = CacheTests::install().await.unwrap();
        let (default, rfc, no_cache) = tokio::join!(
            with_edge(&suite, "default"),
            with_edge(&suite, "rfc"),
            without_cache(&suite)
        );
        Runs { default, rfc, no_cache }
    };
    Some(RUNS.get_or_init(all).await)
}

/// The suite through the edge in the profile of this name.
async fn with_edge(suite: &CacheTests, profile: &str) -> Comparison {
    let origin = suite.origin().await.unwrap();
    let edge = Process::cargo_example("edge")
        .unwrap()
        .args(["--listen", "127.0.0.1:0", "--origin", &origin.url(), "--profile", profile])
        .spawn()
        .unwrap();
    let line = edge.wait_for_line("listening on http://", PATIENCE).await.unwrap();
    let url = line.trim_start_matches("listening on ");
    run(suite, profile, url, |expected| expected).await
}

/// The suite straight to its origin, with two lies in what is expected.
async fn without_cache(suite: &CacheTests) -> Comparison {
    let origin = suite.origin().await.unwrap();
    run(suite, "no-cache", &origin.url(), |expected| {
        expected
            .replace("vary-star required pass", "vary-star required fail")
            .replace("freshness-max-age optimal fail", "freshness-max-age optimal pass")
    })
    .await
}

/// Compares the run against `url` with what is expected, after `change`.
async fn run(
    suite: &CacheTests,
    name: &str,
    url: &str,
    change: impl FnOnce(String) -> String,
) -> Comparison {
    if std::env::var_os("TERRACE_BLESS").is_some_and(|value| value == "1") {
        let grades = suite.run(url).await.unwrap();
        std::fs::write(expected_file(name), grades.to_string()).unwrap();
    }
    let expected = Grades::parse(&change(expected(name))).unwrap();
    let found = suite.compare(url, &expected).await.unwrap();
    tell(&format!("{name}: {}", found.grades.score()));
    for case in &found.asked_again {
        tell(&format!("{name}: asked again alone: {case}"));
    }
    found
}

fn expected_file(name: &str) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live_suite"));
    folder.join(format!("expected-{name}.txt"))
}

fn expected(name: &str) -> String {
    std::fs::read_to_string(expected_file(name)).unwrap()
}

/// Past the test harness's capture: the score is news also when the test passes.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn lines(found: &Comparison) -> Vec<String> {
    found.differences.iter().map(ToString::to_string).collect()
}

fn is_as_expected(found: &Comparison) {
    let differences = lines(found);
    assert!(
        differences.is_empty(),
        "{} cases are not as expected:\n{}\nand the suite says:\n{}",
        differences.len(),
        differences.join("\n"),
        found.reasons.join("\n"),
    );
}

#[tokio::test]
async fn the_default_profile_passes_what_is_expected_of_it() {
    let Some(runs) = runs().await else { return };
    is_as_expected(&runs.default);
}

#[tokio::test]
async fn the_rfc_profile_passes_what_is_expected_of_it() {
    let Some(runs) = runs().await else { return };
    is_as_expected(&runs.rfc);
}

#[test]
fn the_required_cases_that_fail_are_those_with_a_reason_and_no_others() {
    for (profile, more) in [("default", &UNPASSED_BY_DEFAULT[..]), ("rfc", &[])] {
        let grades = Grades::parse(&expected(profile)).unwrap();
        let mut named: Vec<&str> = UNPASSED.iter().chain(more).map(|(id, _)| *id).collect();
        named.sort_unstable();
        assert_eq!(grades.required_that_fail(), named, "{profile}");
        let score = grades.score();
        assert_eq!((score.of_required, score.of_optimal), CASES, "{profile}");
        assert_eq!(score.required, CASES.0 - named.len(), "{profile}");
        assert!(profile != "rfc" || score.optimal >= OPTIONAL, "{profile}: {score}");
    }
}

#[tokio::test]
async fn control_without_a_cache_only_cases_pass_that_ask_for_no_answer_from_one() {
    let Some(runs) = runs().await else { return };
    let score = runs.no_cache.grades.score();
    assert_eq!((score.of_required, score.of_optimal), CASES);
    assert!(score.required < CASES.0 / 3, "{score}");
    assert!(score.optimal < CASES.1 / 10, "{score}");
}

#[tokio::test]
async fn control_a_case_that_is_not_as_expected_is_asked_again_and_reported() {
    let Some(runs) = runs().await else { return };
    let found = &runs.no_cache;
    let reported = [
        "freshness-max-age: expected optimal pass, found optimal fail",
        "vary-star: expected required fail, found required pass",
    ];
    assert_eq!(lines(found), reported, "{:?}", found.reasons);
    for case in &found.differences {
        assert!(found.asked_again.contains(case), "{case}");
    }
}
