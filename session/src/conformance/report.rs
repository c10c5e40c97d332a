use std::fmt;

use crate::error::StoreError;

/// What the checks came to.
///
/// `Display` gives a line for each, and what was expected and what came instead under those that failed.
#[derive(Debug, Default)]
pub struct Report {
    pub(super) outcomes: Vec<Outcome>,
}

/// What one check came to.
#[derive(Debug)]
pub struct Outcome {
    /// What it checks: a sentence.
    pub check: &'static str,
    /// Whether the store does it.
    pub result: Result<(), Failure>,
}

/// What a store did instead of what it promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What should have been.
    pub expected: String,
    /// What was.
    pub got: String,
}

impl Report {
    /// All outcomes, in the order in which the checks ran.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The names of the checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &'static str> {
        self.outcomes.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.check)
    }

    /// For a test: all is well, or the test fails with the report.
    ///
    /// # Panics
    ///
    /// If a check failed, or none ran.
    #[track_caller]
    pub fn assert(&self) {
        assert!(!self.outcomes.is_empty(), "no check ran");
        assert!(self.failed().next().is_none(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed().count();
        writeln!(f, "{} checks, {failed} failed", self.outcomes.len())?;
        self.outcomes.iter().try_for_each(|outcome| outcome.fmt(f))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.check.replace('_', " ");
        match &self.result {
            Ok(()) => writeln!(f, "ok      {sentence}"),
            Err(Failure { expected, got }) => {
                writeln!(f, "FAILED  {sentence}")?;
                writeln!(f, "        expected {expected}")?;
                writeln!(f, "        got      {got}")
            }
        }
    }
}

impl Failure {
    pub(super) fn new(expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self { expected: expected.to_string(), got: got.to_string() }
    }

    pub(super) fn in_round(self, round: usize) -> Self {
        Self { got: format!("{} (round {round})", self.got), ..self }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Self::new("an answer", format!("{error}{}", source.unwrap_or_default()))
    }
}
