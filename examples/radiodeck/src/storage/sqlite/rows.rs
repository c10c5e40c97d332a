//! Rows as values.

use rusqlite::Row;

use crate::model::{Genre, Page, Station, StationId, Track};

pub(super) const STATION: &str = "s.id, s.name, s.tagline, s.genre, s.city, s.country, s.frequency, \
     s.cover_version, s.favourites, s.loop_seconds, s.loop_offset";
pub(super) const TRACK: &str =
    "t.id, t.station_id, t.position, t.title, t.artist, t.album, t.seconds, t.starts_at";

pub(super) fn json_list(stations: &[StationId]) -> String {
    let ids: Vec<_> = stations.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(","))
}

pub(super) fn page_of(rows: Vec<(Station, i64)>) -> Page<Station> {
    let total = rows.first().map_or(0, |(_, total)| *total);
    Page { items: rows.into_iter().map(|(station, _)| station).collect(), total }
}

pub(super) fn station(row: &Row<'_>) -> rusqlite::Result<Station> {
    Ok(Station {
        id: checked(row, 0)?,
        name: row.get(1)?,
        tagline: row.get(2)?,
        genre: Genre::try_from(row.get::<_, String>(3)?).map_err(|error| corrupt(3, error))?,
        city: row.get(4)?,
        country: row.get(5)?,
        frequency: row.get(6)?,
        cover_version: row.get(7)?,
        favourites: row.get(8)?,
        loop_seconds: row.get(9)?,
        loop_offset: row.get(10)?,
    })
}

pub(super) fn track(row: &Row<'_>) -> rusqlite::Result<Track> {
    Ok(Track {
        id: checked(row, 0)?,
        station: checked(row, 1)?,
        position: row.get(2)?,
        title: row.get(3)?,
        artist: row.get(4)?,
        album: row.get(5)?,
        seconds: row.get(6)?,
        starts_at: row.get(7)?,
    })
}

pub(super) fn checked<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
{
    T::try_from(row.get(column)?).map_err(|error| corrupt(column, error))
}

fn corrupt(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, error.into())
}
