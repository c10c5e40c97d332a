//! What a pool remembers across restarts: whose nodes they are, and the highest timeline seen.

use std::path::{Path, PathBuf};

use crate::position::SystemId;

/// The file that remembers.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
}

/// The file cannot be read or written, or is not ours.
#[derive(Debug)]
pub struct MemoryError {}

impl Memory {
    /// Opens or creates it; fails if it could not be written later.
    pub(crate) fn open(path: &Path) -> Result<Self, MemoryError> {
        Ok(Self { path: path.to_owned() })
    }

    /// What it says.
    pub(crate) fn load(&self) -> Result<Option<(SystemId, u32)>, MemoryError> {
        let _ = &self.path;
        Ok(None)
    }

    /// Remembers, unless another process has remembered a higher timeline meanwhile.
    pub(crate) fn save(&self, system: SystemId, timeline: u32) -> Result<(), MemoryError> {
        let _ = (system, timeline);
        Ok(())
    }
}

impl std::fmt::Display for MemoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not written yet")
    }
}

impl std::error::Error for MemoryError {}
