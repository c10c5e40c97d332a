//! What goes wrong with a file of sessions, and what it means for who asked.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::error::{BoxError, StoreError};

/// What a file of sessions did not do. It names the file.
#[derive(Debug)]
pub struct SqliteError {
    path: PathBuf,
    kind: SqliteErrorKind,
    source: Option<BoxError>,
}

/// What is wrong with a file of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqliteErrorKind {
    /// Others used it for longer than the patience.
    Busy,
    /// It cannot be opened.
    Unreachable,
    /// The disk is full.
    Full,
    /// It cannot be written.
    ReadOnly,
    /// It is no database, or a damaged one.
    Damaged,
    /// It is another program's.
    Foreign,
    /// A newer version of this crate has written it.
    Newer {
        /// The version of its tables.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// It could not be read or written, and nothing was done.
    Failed,
    /// It failed at the end, so that it may have done what it was asked.
    Unknown,
    /// It holds what nobody has written, or refused what it was asked.
    Invalid,
}

impl SqliteError {
    pub(super) fn new(path: &Path, kind: SqliteErrorKind) -> Self {
        Self { path: path.to_owned(), kind, source: None }
    }

    pub(super) fn because(path: &Path, kind: SqliteErrorKind, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..Self::new(path, kind) }
    }

    /// What SQLite said while nothing was committed.
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        Self::because(path, kind_of(&error), error)
    }

    /// What SQLite said to a commit.
    pub(super) fn of_commit(path: &Path, error: rusqlite::Error) -> Self {
        let kind = match kind_of(&error) {
            SqliteErrorKind::Failed => SqliteErrorKind::Unknown,
            kind => kind,
        };
        Self::because(path, kind, error)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub fn kind(&self) -> SqliteErrorKind {
        self.kind
    }
}

fn kind_of(error: &rusqlite::Error) -> SqliteErrorKind {
    use SqliteErrorKind as Kind;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Busy,
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Kind::Unreachable,
        Some(ErrorCode::DiskFull) => Kind::Full,
        Some(ErrorCode::ReadOnly) => Kind::ReadOnly,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Damaged,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OperationInterrupted,
        ) => Kind::Failed,
        _ => Kind::Invalid,
    }
}

impl From<SqliteError> for StoreError {
    fn from(error: SqliteError) -> Self {
        use SqliteErrorKind as Kind;
        let meaning = match error.kind {
            Kind::Busy | Kind::Unreachable | Kind::Full | Kind::Failed => Self::Unavailable,
            Kind::Unknown => Self::Unknown,
            Kind::ReadOnly | Kind::Damaged | Kind::Foreign | Kind::Newer { .. } | Kind::Invalid => {
                Self::Invalid
            }
        };
        meaning(error.into())
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sessions in {}: {}", self.path.display(), self.kind)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl fmt::Display for SqliteErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "others use the file",
            Self::Unreachable => "the file cannot be opened",
            Self::Full => "the disk is full",
            Self::ReadOnly => "the file cannot be written",
            Self::Damaged => "the file is no database, or damaged",
            Self::Foreign => "the file is another program's",
            Self::Newer { found, known } => {
                return write!(f, "its tables have version {found}, and {known} is known here");
            }
            Self::Failed => "the file could not be used",
            Self::Unknown => "the commit failed, and may have happened",
            Self::Invalid => "the file does not hold what was expected",
        })
    }
}

impl Error for SqliteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Its text is in ours, so that a program that fails to start says why: its own source is next.
        self.source.as_ref().and_then(|source| source.source())
    }
}
