//! What a pool remembers across restarts: whose nodes they are, and the highest timeline seen.
//!
//! A process that has forgotten it could take a revived primary of an old timeline for the real
//! one, and acknowledge writes that nobody will see again. So the file is replaced as a whole and
//! never written in place, several processes may share it, and one that is damaged is an error and
//! not an empty memory.

mod error;
mod line;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub use self::error::MemoryError;
use self::error::Problem;
use crate::position::SystemId;

/// How often the lock is tried, and how long after each other: 2 s in all. Whoever has it keeps it
/// for one fsync.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// The file that remembers.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    tries: u32,
}

impl Memory {
    /// Opens it, whether or not there is one; fails if it is damaged, or could not be written
    /// later.
    ///
    /// This and all else here blocks on the file system, and for up to two seconds on another
    /// process that is saving.
    pub(crate) fn open(path: &Path) -> Result<Self, MemoryError> {
        let memory = Self { path: path.to_owned(), tries: TRIES };
        memory.load()?;
        let _lock = memory.lock()?;
        // A directory in which nothing can be made shows now, not at the first failover.
        let draft = memory.draft().and_then(|_| fs::remove_file(memory.beside("new")));
        draft.map_err(|source| memory.error(Problem::Write(source)))?;
        Ok(memory)
    }

    /// What it says; `None` if there is no such file yet.
    pub(crate) fn load(&self) -> Result<Option<(SystemId, u32)>, MemoryError> {
        let mut content = Vec::new();
        let read = File::open(&self.path)
            // A little more than there can be, so that a longer file shows.
            .and_then(|file| file.take(line::LONGEST + 1).read_to_end(&mut content));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.error(Problem::Read(source))),
            Ok(_) => match line::parse(&content) {
                Some(found) => Ok(Some(found)),
                None => Err(self.error(Problem::Damaged)),
            },
        }
    }

    /// Remembers, unless another process has remembered a higher timeline meanwhile.
    pub(crate) fn save(&self, system: SystemId, timeline: u32) -> Result<(), MemoryError> {
        let _lock = self.lock()?;
        self.save_locked(system, timeline, || {})
    }

    /// `between` runs between reading and writing, where another process could slip in without the
    /// lock.
    fn save_locked(
        &self,
        system: SystemId,
        timeline: u32,
        between: impl FnOnce(),
    ) -> Result<(), MemoryError> {
        match self.load()? {
            Some((theirs, _)) if theirs != system => {
                return Err(self.error(Problem::Foreign { theirs, ours: system }));
            }
            Some((_, known)) if known >= timeline => return Ok(()),
            _ => between(),
        }
        self.replace(&line::render(system, timeline))
            .map_err(|source| self.error(Problem::Write(source)))
    }

    /// A reader, and whoever comes after a power cut, sees the old line or the new one.
    fn replace(&self, line: &str) -> io::Result<()> {
        let mut draft = self.draft()?;
        draft.write_all(line.as_bytes())?;
        draft.sync_all()?;
        fs::rename(self.beside("new"), &self.path)?;
        File::open(self.directory())?.sync_all()
    }

    /// An empty file beside ours. The lock is held, so one that is there is left over from a crash.
    fn draft(&self) -> io::Result<File> {
        let path = self.beside("new");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    /// On a file of its own, which stays: a lock on ours would be on what a rename takes away.
    fn lock(&self) -> Result<File, MemoryError> {
        let path = self.beside("lock");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|source| self.error(Problem::Write(source)))?;
        for tried in 1..=self.tries {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(self.error(Problem::Write(source))),
                Err(TryLockError::WouldBlock) if tried < self.tries => thread::park_timeout(PAUSE),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Err(self.error(Problem::Busy))
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = OsString::from(self.path.file_name().unwrap_or_default());
        name.push(".");
        name.push(what);
        self.directory().join(name)
    }

    fn error(&self, problem: Problem) -> MemoryError {
        MemoryError::new(&self.path, problem)
    }
}
