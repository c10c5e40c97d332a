use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::position::SystemId;

/// The file in which a pool remembers its cluster cannot be read or written, or is not ours.
///
/// It says which file, what is wrong with it, and what to do.
#[derive(Debug)]
pub struct MemoryError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    Read(io::Error),
    Write(io::Error),
    Damaged,
    Foreign { theirs: SystemId, ours: SystemId },
    Busy,
}

impl MemoryError {
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Read(_) => write!(f, "{path} cannot be read: let this process read it"),
            Problem::Write(_) => write!(
                f,
                "{path} cannot be written: make its directory, and let this process make files there"
            ),
            Problem::Damaged => write!(
                f,
                "{path} is damaged, or another version's: make sure that no primary of an old \
                 timeline runs, then remove it"
            ),
            Problem::Foreign { theirs, ours } => write!(
                f,
                "{path} remembers cluster {theirs}, and the nodes are of cluster {ours}: correct the \
                 nodes, or remove the file if it is the new cluster that is meant"
            ),
            Problem::Busy => write!(
                f,
                "{path} is locked by another process for longer than a save takes: see whether that \
                 process hangs"
            ),
        }
    }
}

impl Error for MemoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Read(source) | Problem::Write(source) => Some(source),
            Problem::Damaged | Problem::Foreign { .. } | Problem::Busy => None,
        }
    }
}
