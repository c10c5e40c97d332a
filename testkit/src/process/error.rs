//! What can go wrong with a child.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use super::Process;
use crate::error::debug_as_display;

/// A child could not be started.
#[derive(Debug)]
pub struct SpawnError {
    pub(super) program: PathBuf,
    pub(super) source: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start {}", self.program.display())
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// A child did not do in time what was awaited of it; the message ends with the tail of its log.
pub struct WaitError {
    name: String,
    awaited: String,
    within: Duration,
    exit: Option<ExitStatus>,
    log: String,
}

impl WaitError {
    pub(super) fn new(process: &Process, awaited: &str, within: Duration) -> WaitError {
        WaitError {
            name: process.name.clone(),
            awaited: awaited.to_owned(),
            within,
            exit: process.exit_status(),
            log: process.log.tail(&process.name),
        }
    }

    /// How the child ended, when that is why the wait failed.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.exit
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WaitError { name, awaited, within, log, .. } = self;
        match self.exit {
            Some(status) => write!(f, "{name} ended ({status}) while waiting for {awaited}"),
            None => write!(f, "{name}: waited {within:?} in vain for {awaited}"),
        }?;
        write!(f, "\n{log}")
    }
}

impl Error for WaitError {}

debug_as_display!(WaitError);
