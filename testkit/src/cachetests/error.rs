//! What can go wrong with the suite itself.

use std::error::Error;
use std::fmt;

use crate::error::{Cause, debug_as_display, finish};

/// The suite could not be installed, run or graded; the message names the step, and ends with the
/// tail of the log where there is one. What the cache did wrong is never such an error.
pub struct SuiteError {
    step: String,
    source: Cause,
    log: Option<String>,
}

impl SuiteError {
    pub(super) fn new(step: impl Into<String>, source: impl Into<Cause>) -> SuiteError {
        SuiteError { step: step.into(), source: source.into(), log: None }
    }

    pub(super) fn with_log(mut self, log: String) -> SuiteError {
        self.log = Some(log);
        self
    }
}

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http-cache-tests: {}", self.step)?;
        finish(f, &self.source, self.log.as_deref())
    }
}

impl Error for SuiteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

debug_as_display!(SuiteError);
