//! Rows as values.

use tokio_postgres::Row;

use crate::model::{Genre, Page, Station, Track};
use crate::storage::{Kept, StoreError, StoreErrorKind};

pub(super) const STATION: &str = "s.id, s.name, s.tagline, s.genre, s.city, s.country, s.frequency, \
     s.cover_version, s.favourites, s.loop_seconds, s.loop_offset";
pub(super) const TRACK: &str =
    "t.id, t.station_id, t.position, t.title, t.artist, t.album, t.seconds, t.starts_at";

pub(super) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    operation: &'static str,
    row: &'r Row,
    index: usize,
) -> Result<T, StoreError> {
    row.try_get(index).map_err(|error| StoreError::new(StoreErrorKind::Failed, operation, error))
}

pub(super) fn id<T>(operation: &'static str, row: &Row, index: usize) -> Result<T, StoreError>
where
    T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
{
    T::try_from(column(operation, row, index)?)
        .map_err(|error| StoreError::new(StoreErrorKind::Failed, operation, error))
}

pub(super) fn page_of(operation: &'static str, rows: &[Row]) -> Result<Page<Station>, StoreError> {
    let total = rows.first().map_or(Ok(0), |row| column(operation, row, 11))?;
    let items = rows.iter().map(|row| station(operation, row)).collect::<Result<_, _>>()?;
    Ok(Page { items, total })
}

pub(super) fn kept(operation: &'static str, row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept { changed: column(operation, row, 0)?, favourites: column(operation, row, 1)? })
}

pub(super) fn station(operation: &'static str, row: &Row) -> Result<Station, StoreError> {
    Ok(Station {
        id: id(operation, row, 0)?,
        name: column(operation, row, 1)?,
        tagline: column(operation, row, 2)?,
        genre: Genre::try_from(column::<String>(operation, row, 3)?)
            .map_err(|error| StoreError::new(StoreErrorKind::Failed, operation, error))?,
        city: column(operation, row, 4)?,
        country: column(operation, row, 5)?,
        frequency: column(operation, row, 6)?,
        cover_version: column(operation, row, 7)?,
        favourites: column(operation, row, 8)?,
        loop_seconds: column(operation, row, 9)?,
        loop_offset: column(operation, row, 10)?,
    })
}

pub(super) fn track(operation: &'static str, row: &Row) -> Result<Track, StoreError> {
    Ok(Track {
        id: id(operation, row, 0)?,
        station: id(operation, row, 1)?,
        position: column(operation, row, 2)?,
        title: column(operation, row, 3)?,
        artist: column(operation, row, 4)?,
        album: column(operation, row, 5)?,
        seconds: column(operation, row, 6)?,
        starts_at: column(operation, row, 7)?,
    })
}
