//! The public test suite for HTTP caches: npm's `http-cache-tests`, run and graded as its authors
//! do.
//!
//! Its client sends requests through the cache to its own origin, which answers each as the case
//! wants it and tells what it saw. A run takes 20 s, nearly all of it pauses in which responses
//! become stale, so several runs at once take hardly longer than one.
//!
//! Raw results are never counted: a case that builds on another one counts only if that one
//! passed. Without this rule a proxy that stores nothing would pass a third of the cases, most of
//! them by never answering from a cache.
//!
//! # Timing
//!
//! Most cases wait 3 s for a lifetime of 1 or 2 s to pass, which a slow machine only makes safer.
//! But some twenty, nearly all of them about what a 304 changes, must be answered from the cache
//! within a second after a response that lives for two (dates have whole seconds), while a hundred
//! cases run at the same time. So
//! [`CacheTests::compare`] asks again, alone, for each case that is not as expected, and the
//! second answer counts; every case that was asked twice is named in the result. A cache that is
//! wrong is wrong alone as well. What this hides is a fault that shows only sometimes, or only
//! under load: this suite is no test for those.

mod error;
mod grade;
mod install;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::error::SuiteError;
pub use self::grade::{Difference, Grades, Kind, NoGrade, Score, Verdict};
pub use self::run::Origin;
use crate::dirs::TempDir;
use crate::process::Process;
use crate::tools;

/// More cases than this that are not as expected are no matter of timing.
const ASKED_AGAIN: usize = 24;

/// The installed suite.
#[derive(Debug)]
pub struct CacheTests {
    node: PathBuf,
    package: PathBuf,
    dir: TempDir,
}

/// What a comparison found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// The results that count.
    pub grades: Grades,
    /// How they differ from what was expected.
    pub differences: Vec<Difference>,
    /// How the cases that were asked again had answered at first.
    pub asked_again: Vec<Difference>,
    /// What the suite says about each case that is not as expected, as far as it says anything.
    pub reasons: Vec<String>,
}

/// By id `true` for a case that passed, else `[kind of failure, message]`.
type Results = Map<String, Value>;

impl CacheTests {
    /// Installs the suite into a directory that goes away with this value.
    ///
    /// npm keeps the archives, so that only the first time on a machine needs a network.
    ///
    /// # Errors
    ///
    /// [`SuiteError`] when node or npm are missing ([`tools::require_or_skip`] first), when npm
    /// gets no package, or one with another content than it had when this was written.
    pub async fn install() -> Result<CacheTests, SuiteError> {
        let find = |name: &str| {
            tools::find(name).ok_or_else(|| SuiteError::new("installing", format!("no {name}")))
        };
        let (node, npm) = (find("node")?, find("npm")?);
        let dir = TempDir::new("cachetests", None)
            .map_err(|error| SuiteError::new("making a directory", error))?;
        let package = install::install(&npm, &dir).await?;
        Ok(CacheTests { node, package, dir })
    }

    /// Runs every case against the cache at `base` (`http://ADDR`), whose origin is an [`Origin`]
    /// of this suite.
    ///
    /// The cache needs room for some 500 entries, must pass `PUT` through, and must not answer
    /// from an earlier run.
    ///
    /// # Errors
    ///
    /// [`SuiteError`] when the suite cannot be run; never for what the cache did.
    pub async fn run(&self, base: &str) -> Result<Grades, SuiteError> {
        let results = self.run_all(base).await?;
        self.grade(&results).await
    }

    /// [`CacheTests::run`], compared with `expected`; what is not as expected is asked again.
    ///
    /// # Errors
    ///
    /// [`SuiteError`] when the suite cannot be run; never for what the cache did.
    pub async fn compare(&self, base: &str, expected: &Grades) -> Result<Comparison, SuiteError> {
        let mut results = self.run_all(base).await?;
        let mut asked_again: Vec<Difference> = Vec::new();
        loop {
            let grades = self.grade(&results).await?;
            let differences = grades.differences(expected);
            // Asking again may let a case speak that waited for another one.
            let is_new = |case: &&Difference| {
                case.is_root() && !asked_again.iter().any(|known| known.id == case.id)
            };
            let again: Vec<Difference> = differences.iter().filter(is_new).cloned().collect();
            if again.is_empty() || asked_again.len() + again.len() > ASKED_AGAIN {
                let reasons = differences.iter().filter_map(|case| reason(case, &results));
                let reasons = reasons.collect();
                return Ok(Comparison { grades, differences, asked_again, reasons });
            }
            for case in again {
                let result = self.run_one(base, &case.id).await?;
                results.insert(case.id.clone(), result);
                asked_again.push(case);
            }
        }
    }
}

fn reason(case: &Difference, results: &Results) -> Option<String> {
    let words = results.get(&case.id)?.as_array()?;
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    Some(format!("{}: {}", case.id, words.join(": ")))
}

/// Waits for the end of `process`, which must be a success.
async fn succeeds(process: &Process, what: &str, within: Duration) -> Result<(), SuiteError> {
    let status = process.wait(within).await.map_err(|error| SuiteError::new(what, error))?;
    if status.success() {
        return Ok(());
    }
    let log = process.log().drained().await.tail(process.name());
    Err(SuiteError::new(what, format!("it ended with {status}")).with_log(log))
}
