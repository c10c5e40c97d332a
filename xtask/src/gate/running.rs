//! One step while it runs: its output, its clock, its counts.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::counts::Counts;
use crate::exec::{self, Ended, cargo, plain};

/// Why a step is not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It found something wrong.
    Failed(String),
    /// It could not do its work here, and that is no error: a missing server on a person's machine.
    Skipped(String),
    /// There is nothing of its kind in the workspace yet.
    Nothing,
}

impl Stop {
    /// A failure that says `why`.
    pub(crate) fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}

/// A step while it runs.
#[derive(Debug)]
pub(crate) struct Running {
    deadline: Instant,
    limit: Duration,
    log: Option<File>,
    verbose: bool,
    /// The tests that ran.
    pub(crate) counts: Counts,
    /// Lines that begin with `SKIPPED`: what tests could not do here.
    pub(crate) skips: Vec<String>,
}

impl Running {
    /// Begins a step that is ended after `limit`, with its whole output in `log`.
    pub(crate) fn begin(log: &Path, limit: Duration, verbose: bool) -> Self {
        Self {
            deadline: Instant::now() + limit,
            limit,
            // A log that cannot be written is no reason not to test.
            log: File::create(log).ok(),
            verbose,
            counts: Counts::default(),
            skips: Vec::new(),
        }
    }

    /// Prints a line of the step's own.
    pub(crate) fn say(&mut self, line: &str) {
        println!("    {line}");
        self.keep(line);
    }

    /// Runs `cargo` with these arguments; anything but success ends the step.
    pub(crate) fn cargo<A: AsRef<str>>(&mut self, arguments: &[A]) -> Result<(), Stop> {
        let mut command = Command::new(cargo());
        command.args(arguments.iter().map(AsRef::as_ref));
        self.run(&mut command)
    }

    /// Runs `cargo test` with these arguments and counts the tests.
    pub(crate) fn tests<A: AsRef<str>>(&mut self, arguments: &[A]) -> Result<(), Stop> {
        let failed_before = self.counts.failed;
        let mut command = Command::new(cargo());
        command.arg("test").args(arguments.iter().map(AsRef::as_ref));
        let result = self.run(&mut command);
        // A test program that crashed or never came to run printed no count of failures.
        if result.is_err() && self.counts.failed == failed_before {
            self.counts.failed += 1;
        }
        result
    }

    /// Runs `command`; anything but success ends the step.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<(), Stop> {
        let shown = show(command);
        println!("  $ {shown}");
        self.keep(&format!("$ {shown}"));
        let mut lines = Vec::new();
        let ended = {
            let deadline = self.deadline;
            exec::run(command, deadline, |line| {
                self.take(line);
                lines.push(());
            })
        };
        match ended {
            Ok(Ended::Success) => Ok(()),
            Ok(Ended::Failure(Some(code))) => {
                Err(Stop::failed(format!("`{shown}` exited with {code}")))
            }
            Ok(Ended::Failure(None)) => Err(Stop::failed(format!("`{shown}` was killed"))),
            Ok(Ended::TimedOut) => Err(Stop::failed(format!(
                "`{shown}` still ran at twice the step's budget ({} s)",
                self.limit.as_secs()
            ))),
            Err(error) => Err(Stop::failed(format!("`{shown}`: {error}"))),
        }
    }

    /// Ends the step when time is up between two commands.
    pub(crate) fn check_deadline(&self) -> Result<(), Stop> {
        if Instant::now() > self.deadline {
            return Err(Stop::failed(format!(
                "took more than twice its budget ({} s)",
                self.limit.as_secs()
            )));
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        self.keep(line);
        self.counts.read(line);
        let text = plain(line);
        if text.starts_with("SKIPPED") {
            self.skips.push(text.clone());
        }
        if self.verbose || !is_routine(&text) {
            println!("{line}");
        }
    }

    fn keep(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            // See `begin`: the log is a convenience.
            let _ = writeln!(log, "{}", plain(line));
        }
    }
}

/// Lines that say that all is well; thousands of them hide the one that does not.
fn is_routine(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || (line.starts_with("test ")
            && (line.ends_with("... ok") || line.ends_with("... ignored")))
        || (line.starts_with("running ") && line.contains(" test"))
        || line.starts_with("test result: ok. 0 passed")
        || ["Running ", "Executable ", "Doc-tests ", "Generated "]
            .iter()
            .any(|word| line.starts_with(word))
}

/// The command as a person would type it.
fn show(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy().into_owned();
        let quote = if value.contains(' ') { "'" } else { "" };
        words.push(format!("{}={quote}{value}{quote}", name.to_string_lossy()));
    }
    let program = Path::new(command.get_program());
    words.push(program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned());
    words.extend(command.get_args().map(|argument| {
        let argument = argument.to_string_lossy();
        // A script is better read in the source than on one line of the output.
        if argument.contains('\n') { "'…'".to_owned() } else { argument.into_owned() }
    }));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn begin(folder: &Scratch, limit: Duration) -> Running {
        Running::begin(&folder.path().join("log"), limit, false)
    }

    #[test]
    fn output_is_kept_and_counted() {
        let folder = Scratch::new();
        let mut step = begin(&folder, Duration::from_secs(30));
        let script = "echo 'test a ... ok'; echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; \
                      echo 'SKIPPED redis-server: not found' >&2";
        step.run(&mut shell(script)).unwrap();
        assert_eq!(step.counts.passed, 2);
        assert_eq!(step.skips, ["SKIPPED redis-server: not found"]);
        assert!(folder.read("log").contains("test a ... ok"));
    }

    #[test]
    fn a_failing_command_fails_the_step_with_its_name_and_code() {
        let folder = Scratch::new();
        let mut step = begin(&folder, Duration::from_secs(30));
        let stop = step.run(&mut shell("exit 3")).unwrap_err();
        assert_eq!(stop, Stop::failed("`sh -c exit 3` exited with 3"));
    }

    #[test]
    fn a_step_ends_at_twice_its_budget() {
        let folder = Scratch::new();
        let mut step = begin(&folder, Duration::from_millis(100));
        let Stop::Failed(why) = step.run(&mut shell("sleep 600")).unwrap_err() else {
            panic!("not a failure")
        };
        assert!(why.contains("twice the step's budget"), "{why}");
        assert!(step.check_deadline().is_err());
    }

    #[test]
    fn a_program_that_cannot_start_is_a_failure() {
        let folder = Scratch::new();
        let mut step = begin(&folder, Duration::from_secs(30));
        assert!(matches!(step.run(&mut Command::new("no-such-program")), Err(Stop::Failed(_))));
    }

    #[test]
    fn only_good_news_is_folded() {
        assert!(is_routine("test state::a_thing ... ok"));
        assert!(is_routine("running 12 tests"));
        assert!(!is_routine("test state::a_thing ... FAILED"));
        assert!(!is_routine("test result: ok. 3 passed; 0 failed; 0 ignored"));
        assert!(!is_routine("error: nothing is well"));
    }
}
