//! Instruction counts of one function, by valgrind's callgrind.
//!
//! Wall time on a shared machine varies by tens of percents; the number of instructions that a
//! function executes does not. [`Callgrind`] runs a program under callgrind, which collects only
//! between entering and leaving the named function, and returns the sum. It says nothing of cache
//! misses, contention or system calls.
//!
//! The function must be `#[inline(never)]`, not generic, not recursive, and its name must be found
//! in the symbols of the program (`debug = "line-tables-only"` is enough).
//!
//! # Examples
//!
//! A test that measures a function in its own executable: the child runs the same test again,
//! takes the other branch, and calls the function.
//!
//! ```no_run
//! use terrace_testkit::callgrind::Callgrind;
//! use terrace_testkit::tools;
//!
//! #[inline(never)]
//! fn pick_once(n: u64) -> u64 {
//!     std::hint::black_box(n) * 3
//! }
//!
//! // #[test]
//! fn a_pick_costs_few_instructions() {
//!     if Callgrind::is_child() {
//!         std::hint::black_box(pick_once(7));
//!         return;
//!     }
//!     let Some(_) = tools::require_or_skip("valgrind") else { return };
//!     let run = Callgrind::this_test("tests::a_pick_costs_few_instructions").unwrap();
//!     let instructions = run.count("pick_once").unwrap();
//!     assert!(instructions < 100, "{instructions}");
//! }
//! ```

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Tells the child that it is one.
const CHILD: &str = "TERRACE_CALLGRIND_CHILD";

/// Why there is no count.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallgrindError {
    /// valgrind is not installed: skip the test, and say so.
    Missing,
    /// valgrind could not be run or watched.
    Io(io::Error),
    /// The program failed or did not end in time; the text is the end of its output.
    Failed(String),
    /// The program ran and the function was never entered: inlined away, or named otherwise.
    NeverCalled(String),
    /// callgrind's file has no sum.
    NoTotal,
}

impl fmt::Display for CallgrindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("valgrind is not installed (apt-get install valgrind)"),
            Self::Io(_) => f.write_str("valgrind could not be run"),
            Self::Failed(log) => write!(f, "the program failed under valgrind:\n{log}"),
            Self::NeverCalled(function) => write!(
                f,
                "no instruction was counted in {function:?}: it was never called, or inlined, or \
                 its symbol has another name"
            ),
            Self::NoTotal => f.write_str("callgrind's output has no totals"),
        }
    }
}

impl std::error::Error for CallgrindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for CallgrindError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A program to run under callgrind.
#[derive(Clone, Debug)]
pub struct Callgrind {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
}

impl Callgrind {
    /// A program without arguments, which may run for two minutes (callgrind is about fifty times
    /// slower than the machine).
    pub fn program(path: impl Into<PathBuf>) -> Self {
        Self {
            program: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            limit: Duration::from_secs(120),
        }
    }

    /// This test executable again, with only the test of this full name (without the crate).
    ///
    /// In the child [`is_child`](Self::is_child) is true.
    ///
    /// # Errors
    ///
    /// If the system does not tell the path of the executable.
    pub fn this_test(name: &str) -> Result<Self, CallgrindError> {
        let run = Self::program(std::env::current_exe()?);
        Ok(run.arguments([name, "--exact", "--test-threads=1"]))
    }

    /// Whether this process was started by [`this_test`](Self::this_test) or
    /// [`program`](Self::program).
    #[must_use]
    pub fn is_child() -> bool {
        std::env::var_os(CHILD).is_some()
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn environment(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Kills the program after this time.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it and returns the instructions executed in all calls of `function`, with everything
    /// that it calls.
    ///
    /// `function` is the last part of a path (`pick_once`) or more of it (`lb::pick_once`). It
    /// blocks.
    ///
    /// # Errors
    ///
    /// [`CallgrindError::Missing`] without valgrind, the others as their names say.
    pub fn count(&self, function: &str) -> Result<u64, CallgrindError> {
        let folder = tempfile::tempdir()?;
        let (profile, log) = (folder.path().join("profile"), folder.path().join("log"));
        let output = std::fs::File::create(&log)?;
        let mut command = Command::new("valgrind");
        command
            .arg("--tool=callgrind")
            .arg("--collect-atstart=no")
            // With the path before it, and only up to its end: a closure inside it has a longer
            // name, and entering it would switch the collection off again.
            .arg(format!("--toggle-collect=*::{function}"))
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(CHILD, "1")
            // A backtrace of a panic would be symbolised under valgrind for minutes.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output);
        let child = match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CallgrindError::Missing);
            }
            child => child?,
        };
        if !Supervised(child).succeeds_within(self.limit)? {
            return Err(CallgrindError::Failed(tail(&log)));
        }
        match total(&std::fs::read_to_string(&profile)?) {
            None => Err(CallgrindError::NoTotal),
            Some(0) => Err(CallgrindError::NeverCalled(function.into())),
            Some(instructions) => Ok(instructions),
        }
    }
}

/// Killed and reaped when dropped.
struct Supervised(Child);

impl Supervised {
    fn succeeds_within(&mut self, limit: Duration) -> io::Result<bool> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status.success());
            }
            if began.elapsed() > limit {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Both fail only on a child that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The sum in callgrind's file; the last line of its kind, if there are several parts.
fn total(profile: &str) -> Option<u64> {
    profile
        .lines()
        .filter_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))
        .filter_map(|value| value.split_whitespace().next()?.parse().ok())
        .next_back()
}
