//! Creating and filling the SQLite file.

use rusqlite::{Connection, OptionalExtension, params};

use crate::seed::{Progress, Rows, Seed};
use crate::storage::query::searchable;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE stations (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL,
    tagline       TEXT    NOT NULL,
    genre         TEXT    NOT NULL,
    city          TEXT    NOT NULL,
    country       TEXT    NOT NULL,
    frequency     INTEGER NOT NULL,
    cover_version INTEGER NOT NULL,
    favourites    INTEGER NOT NULL CHECK (favourites >= 0),
    loop_seconds  INTEGER NOT NULL,
    loop_offset   INTEGER NOT NULL,
    search        TEXT    NOT NULL
) STRICT;
CREATE TABLE tracks (
    id         INTEGER PRIMARY KEY,
    station_id INTEGER NOT NULL REFERENCES stations (id),
    position   INTEGER NOT NULL,
    title      TEXT    NOT NULL,
    artist     TEXT    NOT NULL,
    album      TEXT    NOT NULL,
    seconds    INTEGER NOT NULL CHECK (seconds > 0),
    starts_at  INTEGER NOT NULL
) STRICT;
CREATE TABLE listeners (
    id     INTEGER PRIMARY KEY,
    handle TEXT    NOT NULL UNIQUE,
    name   TEXT    NOT NULL,
    joined INTEGER NOT NULL
) STRICT;
CREATE TABLE favourites (
    listener_id INTEGER NOT NULL REFERENCES listeners (id),
    station_id  INTEGER NOT NULL REFERENCES stations (id),
    since       INTEGER NOT NULL,
    PRIMARY KEY (listener_id, station_id)
) WITHOUT ROWID, STRICT;
";

/// After the rows: building an index once is cheaper than keeping it up to date row by row.
const INDEXES: &str = "
CREATE INDEX stations_popular ON stations (favourites DESC, id);
CREATE INDEX stations_genre ON stations (genre, favourites DESC, id);
CREATE INDEX stations_name ON stations (name, id);
CREATE UNIQUE INDEX tracks_programme ON tracks (station_id, starts_at);
CREATE INDEX favourites_station ON favourites (station_id);
ANALYZE;
";

pub(super) fn fill(transaction: &Connection, seed: &Seed) -> rusqlite::Result<()> {
    if is_filled(transaction)? {
        return Ok(());
    }
    let mut progress = Progress::start();
    let rows = seed.rows();
    transaction.execute_batch(TABLES)?;

    insert(transaction, &rows, &mut progress)?;
    transaction.execute_batch(INDEXES)?;
    transaction
        .execute("INSERT INTO meta VALUES ('seed', ?1)", [format!("{:016x}", rows.checksum())])?;
    progress.finish();
    Ok(())
}

fn insert(transaction: &Connection, rows: &Rows, progress: &mut Progress) -> rusqlite::Result<()> {
    let mut station = transaction
        .prepare("INSERT INTO stations VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
    for row in &rows.stations {
        station.execute(params![
            row.id.get(),
            row.name,
            row.tagline,
            row.genre.slug(),
            row.city,
            row.country,
            row.frequency,
            row.cover_version,
            row.favourites,
            row.loop_seconds,
            row.loop_offset,
            searchable(&row.name, &row.city, &row.country),
        ])?;
    }
    let mut track = transaction.prepare("INSERT INTO tracks VALUES (?1,?2,?3,?4,?5,?6,?7,?8)")?;
    for (done, row) in rows.tracks.iter().enumerate() {
        track.execute(params![
            row.id.get(),
            row.station.get(),
            row.position,
            row.title,
            row.artist,
            row.album,
            row.seconds,
            row.starts_at,
        ])?;
        if done % 1_000 == 0 {
            progress.at("tracks", done, rows.tracks.len());
        }
    }
    let mut listener = transaction.prepare("INSERT INTO listeners VALUES (?1,?2,?3,?4)")?;
    for row in &rows.listeners {
        listener.execute(params![row.id.get(), row.handle, row.name, row.joined])?;
    }
    let mut favourite = transaction.prepare("INSERT INTO favourites VALUES (?1,?2,?3)")?;
    for (done, row) in rows.favourites.iter().enumerate() {
        favourite.execute([row.listener.get(), row.station.get(), row.since])?;
        if done % 1_000 == 0 {
            progress.at("favourites", done, rows.favourites.len());
        }
    }
    Ok(())
}

fn is_filled(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'meta'", [], |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}
