//! What a contract run found.

use std::fmt;

/// A law of the house for tower services; the numbers are those of ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// The subject serves plain requests at all; without it no other law can be checked.
    Serves,
    /// 1: state that outlives a request lives in the layer, shared by all products of `layer()`.
    SharedState,
    /// 2: `poll_ready` forwards, or reserves one thing which a clone does not inherit, or is Ready.
    Readiness,
    /// 3: only driven clones are called, nobody wakes itself, `poll_ready` spawns nothing.
    DrivenClones,
    /// 4: a request ends when its body ends or is dropped.
    Completion,
    /// 5: dropping a future at any await point leaks and corrupts nothing.
    CancelSafety,
    /// 6: the caller's error type and the error's source are kept.
    Errors,
    /// 7: no input makes it panic; constructors refuse bad values by name.
    NoPanic,
    /// 8: waiting has a deadline, and happens in `call`.
    Deadline,
}

impl Law {
    /// Every law, in order.
    pub const ALL: [Self; 9] = [
        Self::Serves,
        Self::SharedState,
        Self::Readiness,
        Self::DrivenClones,
        Self::Completion,
        Self::CancelSafety,
        Self::Errors,
        Self::NoPanic,
        Self::Deadline,
    ];
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serves => "law 0 (serves plain requests)",
            Self::SharedState => "law 1 (state lives in the layer)",
            Self::Readiness => "law 2 (readiness)",
            Self::DrivenClones => "law 3 (driven clones, no self-wake, no spawn in poll_ready)",
            Self::Completion => "law 4 (a request ends with its body)",
            Self::CancelSafety => "law 5 (dropping leaks nothing)",
            Self::Errors => "law 6 (errors keep their type and source)",
            Self::NoPanic => "law 7 (no panic on any input)",
            Self::Deadline => "law 8 (waiting has a deadline)",
        })
    }
}

/// One broken law.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The broken law.
    pub law: Law,
    /// What the suite did, what it saw, what it expected.
    pub what: String,
}

/// The result of [`Subject::check`](super::Subject::check).
#[derive(Clone, Debug)]
#[must_use = "a verdict that nobody asserts checks nothing"]
pub struct Verdict {
    pub(super) name: String,
    pub(super) violations: Vec<Violation>,
    pub(super) skipped: Vec<(Law, &'static str)>,
}

impl Verdict {
    /// Everything that broke a law.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether this law was broken.
    #[must_use]
    pub fn breaks(&self, law: Law) -> bool {
        self.violations.iter().any(|violation| violation.law == law)
    }

    /// The laws that could not be checked, fully or in part, and what the subject would have to
    /// declare for it.
    #[must_use]
    pub fn skipped(&self) -> &[(Law, &'static str)] {
        &self.skipped
    }

    /// Passes if every checked law was kept.
    ///
    /// # Panics
    ///
    /// If a law was broken: the message lists each violation.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.violations.is_empty(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.violations.is_empty() {
            write!(f, "{} keeps the laws", self.name)?;
        } else {
            write!(f, "{} breaks {} time(s):", self.name, self.violations.len())?;
        }
        for Violation { law, what } in &self.violations {
            write!(f, "\n  {law}: {what}")?;
        }
        for (law, why) in &self.skipped {
            write!(f, "\n  not checked: {law}: {why}")?;
        }
        Ok(())
    }
}
