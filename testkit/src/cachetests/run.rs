//! Running the parts of the suite: its origin, its client, its grading.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{CacheTests, Grades, Results, SuiteError, succeeds};
use crate::process::{Launch, Process};

/// node starts in a tenth of a second.
const START_WITHIN: Duration = Duration::from_secs(30);
/// All cases take 20 s, in four lots with pauses of 3 s.
const RUN_WITHIN: Duration = Duration::from_secs(90);
/// One case takes 10 s at most.
const CASE_WITHIN: Duration = Duration::from_secs(60);

/// The suite's origin, for any number of runs; killed when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    _process: Process,
}

impl Origin {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl CacheTests {
    /// Starts an origin on a port that is free.
    ///
    /// # Errors
    ///
    /// [`SuiteError`] when it does not say within 30 s where it listens.
    pub async fn origin(&self) -> Result<Origin, SuiteError> {
        self.origin_on(0).await
    }

    /// [`CacheTests::origin`] on this port, for a cache that was told of it before.
    ///
    /// # Errors
    ///
    /// [`SuiteError`] when it does not say within 30 s that it listens there.
    pub async fn origin_on(&self, port: u16) -> Result<Origin, SuiteError> {
        let step = "starting its origin";
        let process = Process::binary(&self.node)
            .name("the suite's origin")
            .arg("server/server.mjs")
            .current_dir(&self.package)
            .env("npm_config_protocol", "http")
            .env("npm_config_port", port.to_string())
            .env("npm_config_pidfile", self.dir.path().join("origin.pid"))
            .spawn()
            .map_err(|error| SuiteError::new(step, error))?;
        let line = process.wait_for_line("Listening on http://", START_WITHIN).await;
        let line = line.map_err(|error| SuiteError::new(step, error))?;
        let address = line.trim_start_matches("Listening on http://").trim_end_matches('/');
        let address = address.parse().map_err(|error| SuiteError::new(line.clone(), error))?;
        Ok(Origin { address, _process: process })
    }

    pub(super) async fn run_all(&self, base: &str) -> Result<Results, SuiteError> {
        let text = self.output("running cli.mjs", RUN_WITHIN, |shell| client(shell, base, ""));
        let text = text.await?;
        serde_json::from_str(&text).map_err(|error| unread("the results", &text, error))
    }

    /// The result of one case that runs alone, in the form that all results have.
    pub(super) async fn run_one(&self, base: &str, id: &str) -> Result<Value, SuiteError> {
        let step = format!("running {id} alone");
        let text = self.output(&step, CASE_WITHIN, |shell| client(shell, base, id)).await?;
        result_of_one(&text).ok_or_else(|| unread("the result", &text, "no result in it"))
    }

    pub(super) async fn grade(&self, results: &Results) -> Result<Grades, SuiteError> {
        let step = "grading";
        let file = tempfile::NamedTempFile::new_in(self.dir.path());
        let file = file.map_err(|error| SuiteError::new(step, error))?;
        let write = serde_json::to_writer(&file, results);
        write.map_err(|error| SuiteError::new(step, error))?;
        let script = self.dir.path().join("grade.mjs");
        let graded = |shell: Launch| shell.arg(script).arg(&self.package).arg(file.path());
        let text = self.output(step, START_WITHIN, graded).await?;
        let json: Value =
            serde_json::from_str(&text).map_err(|error| unread("the grades", &text, error))?;
        Grades::from_json(&json).map_err(|error| SuiteError::new(step, error))
    }

    /// What node prints on stdout with the arguments that `with` adds.
    ///
    /// Through a file: the log of a process mixes both streams and keeps only their end.
    async fn output(
        &self,
        step: &str,
        within: Duration,
        with: impl FnOnce(Launch) -> Launch,
    ) -> Result<String, SuiteError> {
        let failed = |error: std::io::Error| SuiteError::new(step, error);
        let file = tempfile::NamedTempFile::new_in(self.dir.path()).map_err(failed)?;
        let script = "file=$1; shift; exec \"$@\" > \"$file\"";
        let shell = Process::binary("/bin/sh").name("node").args(["-c", script, "sh"]);
        let shell = shell.arg(file.path()).arg(&self.node).arg("--no-warnings");
        let process = with(shell)
            .current_dir(&self.package)
            .spawn()
            .map_err(|error| SuiteError::new(step, error))?;
        succeeds(&process, step, within).await?;
        let text = fs::read_to_string(Path::new(file.path())).map_err(failed)?;
        if text.trim().is_empty() {
            let log = process.log().drained().await.tail(process.name());
            return Err(SuiteError::new(step, "it printed nothing").with_log(log));
        }
        Ok(text)
    }
}

/// `cli.mjs`, for one case or, with an empty id, for all.
///
/// Both variables for the id must be there: without the second one the client looks for a case
/// called "undefined".
fn client(shell: Launch, base: &str, id: &str) -> Launch {
    let shell = shell.arg("cli.mjs").env("npm_config_base", base);
    shell.env("npm_config_id", id).env("npm_package_config_id", id)
}

fn unread(what: &str, text: &str, error: impl Into<crate::error::Cause>) -> SuiteError {
    let begin: String = text.chars().take(2_000).collect();
    SuiteError::new(format!("reading {what}"), error).with_log(begin)
}

/// From the end of what `cli.mjs` prints for one case: `SYMBOL - MESSAGE`, graded by itself.
fn result_of_one(text: &str) -> Option<Value> {
    let mut lines = text.lines().skip_while(|line| !line.contains("==== Results")).skip(1);
    let (symbol, message) = lines.next()?.split_once(" - ")?;
    let kind = match symbol {
        "✅" | "Y" => return Some(Value::Bool(true)),
        "🔹" | "↻" => "Setup",
        "⛔️" | "⚠️" | "N" => "Assertion",
        _ => return None,
    };
    Some(Value::from(vec![kind, message]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_result_of_one_case_has_the_form_of_all_results() {
        let said = |line: &str| {
            result_of_one(&format!("Running x\n===\n\u{1b}[32m==== Results\u{1b}[0m\n{line}\n"))
        };
        assert_eq!(said("✅ - "), Some(json!(true)));
        assert_eq!(said("Y - "), Some(json!(true)));
        assert_eq!(said("↻ - retry"), Some(json!(["Setup", "retry"])));
        assert_eq!(said("🔹 - not there"), Some(json!(["Setup", "not there"])));
        assert_eq!(said("⛔️ - a - b"), Some(json!(["Assertion", "a - b"])));
        assert_eq!(said("N - no"), Some(json!(["Assertion", "no"])));
        assert_eq!(said("- - nothing"), None);
        assert_eq!(result_of_one("Running x\n✅ - \n"), None);
    }
}
