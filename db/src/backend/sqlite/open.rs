//! How a database file is opened, and the row in it that counts commits.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Settings;
use crate::backend::Access;
use crate::position::{Position, SystemId};

/// The row that counts commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) system: SystemId,
    /// Where the data ends.
    pub(crate) end: Position,
}

/// How hard SQLite makes sure that what was committed stays; see
/// [`Sqlite::durability`](super::Sqlite::durability).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// A commit is on the disk before it is acknowledged: `synchronous = FULL`. The default, for an
    /// acknowledged write should survive a power cut.
    #[default]
    Full,
    /// A commit survives a crash of the process, but a power cut may take the last ones with it:
    /// `synchronous = NORMAL`. Several times as many writes a second on most disks.
    Process,
}

/// Opens the file in WAL mode, and creates it, with the counter in it, if that is wanted.
pub(crate) fn open(
    path: &Path,
    settings: &Settings,
    access: Access,
    create: bool,
) -> rusqlite::Result<Connection> {
    let connection = plain(path, settings.busy, settings.durability)?;
    connection.set_prepared_statement_cache_capacity(settings.statements);
    if create && !connection.table_exists(None, "terrace_commits")? {
        let failed = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
        insert(&connection, system().map_err(failed)?)?;
    }
    if let Some(prepare) = &settings.on_connect {
        prepare(&connection)?;
    }
    if access == Access::ReadOnly {
        connection.execute_batch("PRAGMA query_only = ON")?;
    }
    Ok(connection)
}

/// Opens or creates the file, and nothing else.
pub(crate) fn plain(
    path: &Path,
    busy: Duration,
    durability: Durability,
) -> rusqlite::Result<Connection> {
    // No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        // Answers with the mode that it is in then; who comes too late finds it done.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    }
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Process => "NORMAL",
    };
    connection.execute_batch(&format!("PRAGMA synchronous = {synchronous}"))?;
    Ok(connection)
}

/// A new identity.
pub(crate) fn system() -> std::io::Result<SystemId> {
    getrandom::u64().map(SystemId).map_err(|error| std::io::Error::other(error.to_string()))
}

/// Creates the counter, unless another connection has done so meanwhile.
pub(crate) fn insert(connection: &Connection, system: SystemId) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS terrace_commits (
             id INTEGER PRIMARY KEY CHECK (id = 1),
             system INTEGER NOT NULL,
             timeline INTEGER NOT NULL,
             n INTEGER NOT NULL
         );
         INSERT OR IGNORE INTO terrace_commits VALUES (1, {}, 1, 0);
         COMMIT",
        system.0.cast_signed()
    ))
}

/// Where the data ends, in the snapshot of this statement.
pub(crate) fn counter(connection: &Connection) -> rusqlite::Result<Counter> {
    connection.prepare_cached("SELECT system, timeline, n FROM terrace_commits")?.query_row(
        [],
        |row| {
            let (system, timeline, n): (i64, u32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Counter {
                system: SystemId(system.cast_unsigned()),
                end: Position::new(timeline, n.cast_unsigned()),
            })
        },
    )
}

/// Counts the commit that is about to happen.
pub(crate) fn count(connection: &Connection, timeline: u32) -> rusqlite::Result<Position> {
    connection
        .prepare_cached("UPDATE terrace_commits SET n = n + 1, timeline = ?1 RETURNING n")?
        .query_row([timeline], |row| {
            let n: i64 = row.get(0)?;
            Ok(Position::new(timeline, n.cast_unsigned()))
        })
}
