//! Creating and filling the PostgreSQL tables.

use std::fmt::Write;
use std::pin::pin;

use futures_util::SinkExt;
use tokio_postgres::{Client, Error, Transaction};

use crate::seed::{Progress, Rows, Seed};
use crate::storage::query::searchable;

/// Names the lock that a server holds while it fills the database: "radio" in ASCII.
const LOCK: i64 = 0x72_6164_696f;

/// How much text travels in one message of COPY.
const CHUNK: usize = 64 * 1024;

/// `COLLATE "C"`: names sort the same on every machine and in SQLite.
const TABLES: &str = r#"
CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE stations (
    id            bigint PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    tagline       text    NOT NULL,
    genre         text    NOT NULL,
    city          text    NOT NULL,
    country       text    NOT NULL,
    frequency     integer NOT NULL,
    cover_version integer NOT NULL,
    favourites    bigint  NOT NULL CHECK (favourites >= 0),
    loop_seconds  bigint  NOT NULL,
    loop_offset   bigint  NOT NULL,
    search        text    NOT NULL
);
CREATE TABLE tracks (
    id         bigint  PRIMARY KEY,
    station_id bigint  NOT NULL,
    position   integer NOT NULL,
    title      text    NOT NULL,
    artist     text    NOT NULL,
    album      text    NOT NULL,
    seconds    bigint  NOT NULL CHECK (seconds > 0),
    starts_at  bigint  NOT NULL
);
CREATE TABLE listeners (
    id     bigint PRIMARY KEY,
    handle text   NOT NULL UNIQUE,
    name   text   NOT NULL,
    joined bigint NOT NULL
);
CREATE TABLE favourites (
    listener_id bigint NOT NULL,
    station_id  bigint NOT NULL,
    since       bigint NOT NULL,
    PRIMARY KEY (listener_id, station_id)
);
"#;

/// After the rows: checking and indexing once is cheaper than row by row.
const INDEXES: &str = "
CREATE INDEX stations_popular ON stations (favourites DESC, id);
CREATE INDEX stations_genre ON stations (genre, favourites DESC, id);
CREATE INDEX stations_name ON stations (name, id);
CREATE UNIQUE INDEX tracks_programme ON tracks (station_id, starts_at);
CREATE INDEX favourites_station ON favourites (station_id);
ALTER TABLE tracks ADD FOREIGN KEY (station_id) REFERENCES stations;
ALTER TABLE favourites ADD FOREIGN KEY (listener_id) REFERENCES listeners;
ALTER TABLE favourites ADD FOREIGN KEY (station_id) REFERENCES stations;
ANALYZE stations, tracks, listeners, favourites;
";

pub(in crate::storage) async fn fill(connection: &mut Client, seed: &Seed) -> Result<(), Error> {
    let transaction = connection.transaction().await?;
    transaction.batch_execute("SET LOCAL statement_timeout = 0").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let found = transaction.query_one("SELECT to_regclass('meta') IS NOT NULL", &[]).await?;
    if found.try_get(0)? {
        return Ok(());
    }
    let mut progress = Progress::start();
    let rows = seed.rows();
    transaction.batch_execute(TABLES).await?;
    insert(&transaction, &rows, &mut progress).await?;
    transaction.batch_execute(INDEXES).await?;
    let sum = format!("{:016x}", rows.checksum());
    transaction.execute("INSERT INTO meta VALUES ('seed', $1)", &[&sum]).await?;
    transaction.commit().await?;
    progress.finish();
    Ok(())
}

async fn insert(
    transaction: &Transaction<'_>,
    rows: &Rows,
    progress: &mut Progress,
) -> Result<(), Error> {
    copy(transaction, "stations", &rows.stations, progress, |row, line| {
        line.field(row.id.get());
        line.field(&row.name);
        line.field(&row.tagline);
        line.field(row.genre.slug());
        line.field(&row.city);
        line.field(&row.country);
        line.field(row.frequency);
        line.field(row.cover_version);
        line.field(row.favourites);
        line.field(row.loop_seconds);
        line.field(row.loop_offset);
        line.field(searchable(&row.name, &row.city, &row.country));
    })
    .await?;
    copy(transaction, "tracks", &rows.tracks, progress, |row, line| {
        line.field(row.id.get());
        line.field(row.station.get());
        line.field(row.position);
        line.field(&row.title);
        line.field(&row.artist);
        line.field(&row.album);
        line.field(row.seconds);
        line.field(row.starts_at);
    })
    .await?;
    copy(transaction, "listeners", &rows.listeners, progress, |row, line| {
        line.field(row.id.get());
        line.field(&row.handle);
        line.field(&row.name);
        line.field(row.joined);
    })
    .await?;
    copy(transaction, "favourites", &rows.favourites, progress, |row, line| {
        line.field(row.listener.get());
        line.field(row.station.get());
        line.field(row.since);
    })
    .await
}

async fn copy<T>(
    transaction: &Transaction<'_>,
    table: &'static str,
    rows: &[T],
    progress: &mut Progress,
    write: impl Fn(&T, &mut Lines),
) -> Result<(), Error> {
    let sink = transaction.copy_in(&format!("COPY {table} FROM STDIN")).await?;
    let mut sink = pin!(sink);
    let mut lines = Lines::default();
    for (done, row) in rows.iter().enumerate() {
        write(row, &mut lines);
        lines.end();
        if lines.text.len() >= CHUNK {
            sink.send(bytes::Bytes::from(std::mem::take(&mut lines.text))).await?;
            progress.at(table, done, rows.len());
        }
    }
    sink.send(bytes::Bytes::from(lines.text)).await?;
    sink.finish().await?;
    Ok(())
}

/// Rows in the text form of COPY: tabs between fields, a newline at the end.
#[derive(Default)]
struct Lines {
    text: String,
    inside: bool,
}

impl Lines {
    fn field(&mut self, value: impl std::fmt::Display) {
        if self.inside {
            self.text.push('\t');
        }
        self.inside = true;
        // Writing to a String cannot fail.
        let _ = write!(Escaped(&mut self.text), "{value}");
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.inside = false;
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '\t' => self.0.push_str("\\t"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                letter => self.0.push(letter),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_a_field_are_escaped() {
        let mut lines = Lines::default();
        lines.field(7);
        lines.field("a\tb\\c\nd");
        lines.end();
        assert_eq!(lines.text, "7\ta\\tb\\\\c\\nd\n");
    }
}
