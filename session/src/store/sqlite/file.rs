//! How the file is opened, and what is in a new one.
//!
//! A session is one row, with an id of its own, and a rotation changes its key in place: so columns that only newer
//! versions know are kept by older ones, and values stay where they are. Values are rows, so that a change writes
//! what has changed and not 64 KiB.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::error::{SqliteError, SqliteErrorKind};

/// The version of the tables. A column that old versions may leave alone needs no new one.
const VERSION: i64 = 1;
/// Marks the file as ours: `trse`.
const APPLICATION: i64 = 0x7472_7365;
/// How long it takes others to create the file, at most, on a slow disk.
const CREATION: Duration = Duration::from_secs(5);
/// How long to wait for others before the next look.
const PAUSE: Duration = Duration::from_millis(1);
/// Statements that a connection keeps: all of them.
const STATEMENTS: usize = 64;

const TABLES: &str = "
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    previous BLOB,
    previous_until INTEGER,
    grace INTEGER NOT NULL DEFAULT 0,
    subject TEXT,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    absolute INTEGER NOT NULL,
    authenticated INTEGER,
    renewed INTEGER NOT NULL,
    label TEXT,
    agent TEXT,
    network TEXT
) STRICT;
CREATE INDEX sessions_previous ON sessions (previous) WHERE previous IS NOT NULL;
CREATE INDEX sessions_subject ON sessions (subject) WHERE subject IS NOT NULL;
CREATE INDEX sessions_expires ON sessions (expires);
CREATE TABLE session_values (
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (session, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE epochs (
    subject TEXT NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX epochs_until ON epochs (until);
";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// To write, to a new file too.
    Creator,
    /// To write.
    Writer,
    /// To read.
    Reader,
}

/// Opens the file, and tries again while others are creating it: only one can turn on its log, and SQLite turns all
/// others away, however long they would wait.
pub(super) fn open(path: &Path, role: Role, patience: Duration) -> Result<Connection, SqliteError> {
    let longest = if role == Role::Creator { CREATION.max(patience) } else { patience };
    let mut waited = Duration::ZERO;
    loop {
        match open_once(path, role, patience) {
            Err(error) if error.kind() == SqliteErrorKind::Busy && waited < longest => {
                waited += PAUSE;
                pause();
            }
            done => return done,
        }
    }
}

fn open_once(path: &Path, role: Role, patience: Duration) -> Result<Connection, SqliteError> {
    let failed = |error| SqliteError::of(path, error);
    let connection = connect(path, role).map_err(failed)?;
    if connection.is_readonly("main").map_err(failed)? {
        return Err(SqliteError::new(path, SqliteErrorKind::ReadOnly));
    }
    prepare(&connection, path, role)?;
    if role == Role::Reader {
        connection.busy_timeout(patience).map_err(failed)?;
        connection.execute_batch("PRAGMA query_only = ON").map_err(failed)?;
    }
    Ok(connection)
}

fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    // No URI: a path is a path.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // A file that is gone is an error, and not a new one without sessions.
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, role == Role::Creator);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Looks at whose file it is before it changes anything, also not its kind of log.
fn prepare(connection: &Connection, path: &Path, role: Role) -> Result<(), SqliteError> {
    let failed = |error| SqliteError::of(path, error);
    // Another process may be making the tables: all of what is looked at has to be of one moment.
    let moment =
        Transaction::new_unchecked(connection, TransactionBehavior::Deferred).map_err(failed)?;
    let is_new = look(&moment, path)?;
    drop(moment);
    let mode: String =
        connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(failed)?;
    }
    connection
        .execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")
        .map_err(failed)?;
    if !is_new {
        return Ok(());
    }
    if role != Role::Creator {
        return Err(SqliteError::new(path, SqliteErrorKind::Foreign));
    }
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have been first.
    if look(&transaction, path)? {
        transaction.execute_batch(TABLES).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Inside a transaction.
fn look(connection: &Connection, path: &Path) -> Result<bool, SqliteError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get(0));
    let found = || {
        Ok(Found {
            application: number("PRAGMA application_id")?,
            version: number("PRAGMA user_version")?,
            tables: number("SELECT count(*) FROM sqlite_schema")?,
        })
    };
    let found = found().map_err(|error| SqliteError::of(path, error))?;
    found.is_new().map_err(|kind| SqliteError::new(path, kind))
}

/// What a file says it is.
#[derive(Clone, Copy, Debug)]
struct Found {
    application: i64,
    version: i64,
    tables: i64,
}

impl Found {
    /// Whether its tables are still to be made.
    fn is_new(self) -> Result<bool, SqliteErrorKind> {
        match self {
            Self { application: 0, version: 0, tables: 0 } => Ok(true),
            Self { application: APPLICATION, version: VERSION, .. } => Ok(false),
            Self { application: APPLICATION, version, .. } if version > VERSION => {
                Err(SqliteErrorKind::Newer { found: version, known: VERSION })
            }
            _ => Err(SqliteErrorKind::Foreign),
        }
    }
}

/// Begins to write, and waits for other processes as long as `patience`.
///
/// SQLite's own waiting looks every 100 ms in the end, and finds the lock taken each time where others write without
/// a pause; a millisecond is about ten of our transactions.
pub(super) fn begin(
    connection: &Connection,
    patience: Duration,
) -> rusqlite::Result<Transaction<'_>> {
    let mut waited = Duration::ZERO;
    loop {
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(error) if is_busy(&error) && waited < patience => {
                waited += PAUSE;
                pause();
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[expect(clippy::disallowed_methods, reason = "on a thread of tokio's that is there to block")]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_new_and_ours_is_not() {
        let found = |application, version, tables| Found { application, version, tables }.is_new();
        assert_eq!(found(0, 0, 0), Ok(true));
        assert_eq!(found(APPLICATION, VERSION, 8), Ok(false));
    }

    #[test]
    fn the_file_of_another_program_is_left_alone() {
        let found = |application, version, tables| Found { application, version, tables }.is_new();
        assert_eq!(found(0, 0, 1), Err(SqliteErrorKind::Foreign));
        assert_eq!(found(0, 7, 0), Err(SqliteErrorKind::Foreign));
        assert_eq!(found(7, VERSION, 0), Err(SqliteErrorKind::Foreign));
        assert_eq!(found(APPLICATION, 0, 8), Err(SqliteErrorKind::Foreign));
    }

    #[test]
    fn newer_tables_are_refused_by_their_version() {
        let found = Found { application: APPLICATION, version: VERSION + 1, tables: 8 };
        let newer = SqliteErrorKind::Newer { found: VERSION + 1, known: VERSION };
        assert_eq!(found.is_new(), Err(newer));
    }
}
