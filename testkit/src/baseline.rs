//! Committed instruction counts, and whether a new count is still within them.
//!
//! Counts depend on the compiler, so the file has one table for each `rustc` version. A count may
//! be 2 % above its baseline: below that, a new minor version of a dependency moves it.
//!
//! # Examples
//!
//! ```
//! use terrace_testkit::baseline::{Baseline, Comparison};
//!
//! let mut baseline = Baseline::default();
//! baseline.record("rustc 1.95.0", "lb/pick", 1_000);
//! assert!(baseline.compare("rustc 1.95.0", "lb/pick", 1_020).is_ok());
//! let worse = baseline.compare("rustc 1.95.0", "lb/pick", 1_021);
//! assert!(matches!(worse, Comparison::Worse { .. }));
//! assert_eq!(
//!     worse.to_string(),
//!     "1021 instructions, 2.10 % more than the baseline of 1000 (2 % are tolerated)"
//! );
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

/// A count may exceed its baseline by so many hundredths of a percent.
const TOLERANCE: u64 = 200;

/// Instruction counts by compiler version and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    tables: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A new count beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// There is no baseline for this compiler and name yet.
    New {
        /// The new count.
        measured: u64,
    },
    /// Within 2 % in either direction.
    Within {
        /// The baseline.
        baseline: u64,
        /// The new count.
        measured: u64,
    },
    /// More than 2 % below: good, and a reason to record it, so that it stays.
    Better {
        /// The baseline.
        baseline: u64,
        /// The new count.
        measured: u64,
    },
    /// More than 2 % above: a failure.
    Worse {
        /// The baseline.
        baseline: u64,
        /// The new count.
        measured: u64,
    },
}

impl Comparison {
    /// Everything but [`Worse`](Self::Worse).
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !matches!(self, Self::Worse { .. })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |baseline: u64, measured: u64| {
            measured.abs_diff(baseline) as f64 / baseline.max(1) as f64 * 100.0
        };
        match *self {
            Self::New { measured } => {
                write!(f, "{measured} instructions, no baseline for this compiler")
            }
            Self::Within { baseline, measured } => {
                write!(f, "{measured} instructions, baseline {baseline}")
            }
            Self::Better { baseline, measured } => write!(
                f,
                "{measured} instructions, {:.2} % fewer than the baseline of {baseline}: record it",
                percent(baseline, measured)
            ),
            Self::Worse { baseline, measured } => write!(
                f,
                "{measured} instructions, {:.2} % more than the baseline of {baseline} \
                 (2 % are tolerated)",
                percent(baseline, measured)
            ),
        }
    }
}

/// The file is no table of counts.
#[derive(Debug)]
pub struct InvalidBaseline(String);

impl fmt::Display for InvalidBaseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a baseline of instruction counts: {}", self.0)
    }
}

impl std::error::Error for InvalidBaseline {}

impl Baseline {
    /// Reads `{"rustc …": {"name": count}}`.
    ///
    /// # Errors
    ///
    /// If it is no JSON, or of another shape; the error names the place.
    pub fn parse(json: &str) -> Result<Self, InvalidBaseline> {
        let invalid = |what: String| InvalidBaseline(what);
        let value: Value = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
        let object = |value: Value, place: &str| match value {
            Value::Object(map) => Ok(map),
            _ => Err(invalid(format!("{place} is no object"))),
        };
        let mut tables = BTreeMap::new();
        for (rustc, table) in object(value, "the file")? {
            let mut counts = BTreeMap::new();
            for (name, count) in object(table, &rustc)? {
                let count = count.as_u64().ok_or_else(|| invalid(format!("{rustc}: {name}")))?;
                counts.insert(name, count);
            }
            tables.insert(rustc, counts);
        }
        Ok(Self { tables })
    }

    /// Reads a file; a missing one is an empty baseline.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is no baseline.
    pub fn load(path: &Path) -> io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(json) => Self::parse(&json).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the file, sorted and one count a line, so that a diff shows what moved.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.to_json())
    }

    /// The text of the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let tables: Map<_, _> = self
            .tables
            .iter()
            .map(|(rustc, counts)| {
                let counts = counts.iter().map(|(name, count)| (name.clone(), (*count).into()));
                (rustc.clone(), Value::Object(counts.collect()))
            })
            .collect();
        format!("{:#}\n", Value::Object(tables))
    }

    /// Sets the count of a name for a compiler.
    pub fn record(&mut self, rustc: &str, name: &str, count: u64) {
        self.tables.entry(rustc.into()).or_default().insert(name.into(), count);
    }

    /// The count of a name for a compiler.
    #[must_use]
    pub fn get(&self, rustc: &str, name: &str) -> Option<u64> {
        self.tables.get(rustc)?.get(name).copied()
    }

    /// Compares a new count with its baseline.
    #[must_use]
    pub fn compare(&self, rustc: &str, name: &str, measured: u64) -> Comparison {
        let Some(baseline) = self.get(rustc, name) else {
            return Comparison::New { measured };
        };
        // In hundredths of a percent and 128 bits: exact at the edge, for any count.
        let (old, new) = (u128::from(baseline) * 10_000, u128::from(measured) * 10_000);
        let tolerated = u128::from(baseline) * u128::from(TOLERANCE);
        if new > old + tolerated {
            Comparison::Worse { baseline, measured }
        } else if new + tolerated < old {
            Comparison::Better { baseline, measured }
        } else {
            Comparison::Within { baseline, measured }
        }
    }
}

/// The version line of the compiler in use, the key of the tables.
///
/// # Errors
///
/// If `rustc` (or what the variable `RUSTC` names) does not run.
pub fn rustc_version() -> io::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output()?;
    let line = String::from_utf8_lossy(&output.stdout);
    // Without the commit: "rustc 1.95.0".
    Ok(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::{Baseline, Comparison, rustc_version};

    fn baseline(count: u64) -> Baseline {
        let mut baseline = Baseline::default();
        baseline.record("rustc 1.95.0", "pick", count);
        baseline
    }

    #[test]
    fn two_percent_are_tolerated_and_not_one_instruction_more() {
        let compare = |measured| baseline(10_000).compare("rustc 1.95.0", "pick", measured);
        assert!(matches!(compare(10_200), Comparison::Within { .. }));
        assert!(matches!(compare(10_201), Comparison::Worse { .. }));
        assert!(matches!(compare(9_800), Comparison::Within { .. }));
        assert!(matches!(compare(9_799), Comparison::Better { .. }));
        assert!(!compare(10_201).is_ok());
        assert!(compare(9_799).is_ok());
    }

    #[test]
    fn extreme_counts_compare_without_overflow() {
        let compare = |old, new| baseline(old).compare("rustc 1.95.0", "pick", new);
        assert!(matches!(compare(u64::MAX, u64::MAX), Comparison::Within { .. }));
        assert!(matches!(compare(0, 1), Comparison::Worse { .. }));
        assert!(matches!(compare(0, 0), Comparison::Within { .. }));
        assert!(!compare(0, 1).to_string().is_empty());
    }

    #[test]
    fn another_compiler_has_no_baseline_yet() {
        let compared = baseline(10).compare("rustc 1.96.0", "pick", 999);
        assert_eq!(compared, Comparison::New { measured: 999 });
        assert!(compared.is_ok());
    }

    #[test]
    fn a_file_survives_the_round_trip() {
        let mut written = baseline(10);
        written.record("rustc 1.96.0", "release", 7);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.json");
        assert_eq!(Baseline::load(&path).unwrap(), Baseline::default());
        written.save(&path).unwrap();
        assert_eq!(Baseline::load(&path).unwrap(), written);
    }

    #[test]
    fn a_file_of_another_shape_is_refused_with_the_place() {
        for (json, place) in
            [("", "EOF"), ("[]", "the file"), (r#"{"r": 1}"#, "r "), (r#"{"r":{"n":-1}}"#, "r: n")]
        {
            let error = Baseline::parse(json).unwrap_err().to_string();
            assert!(error.contains(place), "{json}: {error}");
        }
    }

    #[test]
    fn the_compiler_says_its_version() {
        assert!(rustc_version().unwrap().starts_with("rustc 1."));
    }
}
