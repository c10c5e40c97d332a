//! The embedded default: one SQLite file, one writer, a few readers.
//!
//! In WAL mode readers never wait for the writer, and several processes may share the file. SQLite
//! lets one connection write at a time, so there is one: a queue in the pool is fairer than
//! connections that meet at the file's lock.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_sqlite::{Config, Hook, HookError, InteractError, Manager, Pool, PoolError, Runtime};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{
    Kept, Order, StationQuery, Store, StoreError, StoreErrorKind, Window, sqlite_fill as fill,
};
use crate::counts::measured;
use crate::model::{
    Genre, Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId,
};
use crate::schedule;
use crate::seed::Seed;

/// How long a request waits for a connection. Reads take microseconds, so two seconds of queue mean
/// that the machine is overwhelmed and the caller is better told so.
const POOL_WAIT: Duration = Duration::from_secs(2);

/// How long a connection waits for another process's lock on the file. Longer than the first
/// filling of the database takes on a slow disk, as a second app server waits for just that.
const LOCK_WAIT_MS: u32 = 30_000;

const STATION: &str = "s.id, s.name, s.tagline, s.genre, s.city, s.country, s.frequency, \
     s.cover_version, s.favourites, s.loop_seconds, s.loop_offset";
const TRACK: &str =
    "t.id, t.station_id, t.position, t.title, t.artist, t.album, t.seconds, t.starts_at";

/// A [`Store`] in one SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: Pool,
    readers: Pool,
}

impl SqliteStore {
    /// Opens or creates the file, with this many connections for reading.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or is not a database.
    pub async fn open(path: &Path, readers: usize) -> Result<Self, StoreError> {
        let writer = pool(path, 1, "PRAGMA foreign_keys = ON")?;
        let readers = pool(path, readers.max(1), "PRAGMA query_only = ON")?;
        let store = Self { writer, readers };
        // The writer first: it creates the file and turns on WAL before a reader opens it.
        store.write("open", |_| Ok(())).await?;
        Ok(store)
    }

    /// Creates the tables and fills them, unless that was done before.
    ///
    /// Safe when several processes start at once: the first takes the file's write lock, the others
    /// wait for it and find the work done.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub async fn fill(&self, seed: &Seed) -> Result<(), StoreError> {
        let seed = seed.clone();
        self.write("fill", move |connection| fill::fill(connection, &seed))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        interact(&self.readers, operation, work).await
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        interact(&self.writer, operation, work).await
    }
}

fn pool(path: &Path, size: usize, role: &'static str) -> Result<Pool, StoreError> {
    let manager = Manager::from_config(&Config::new(path), Runtime::Tokio1);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(POOL_WAIT))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |connection, _| {
            Box::pin(async move {
                connection
                    .interact(move |connection| configure(connection, role))
                    .await
                    .map_err(|error| HookError::message(error.to_string()))?
                    .map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| StoreError::new(StoreErrorKind::Failed, "open", error))
}

fn configure(connection: &Connection, role: &str) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    // `synchronous = FULL`: writes are rare here, so an acknowledged one may as well survive a
    // power cut. `mmap_size`: reads come from the page cache without a copy.
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {LOCK_WAIT_MS};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA mmap_size = 268435456;
         {role};"
    ))
}

async fn interact<T: Send + 'static>(
    pool: &Pool,
    operation: &'static str,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let connection = pool.get().await.map_err(|error| match error {
        PoolError::Timeout(_) => StoreError::new(StoreErrorKind::Busy, operation, error),
        _ => StoreError::new(StoreErrorKind::Unavailable, operation, error),
    })?;
    match connection.interact(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError::new(kind_of(&error), operation, error)),
        Err(InteractError::Panic(_)) => Err(StoreError::of(StoreErrorKind::Failed, operation)),
        Err(InteractError::Cancelled) => Err(StoreError::of(StoreErrorKind::Busy, operation)),
    }
}

fn kind_of(error: &rusqlite::Error) -> StoreErrorKind {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => StoreErrorKind::Busy,
        Some(CannotOpen | SystemIoFailure) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Failed,
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn stations(&self, query: &StationQuery) -> Result<Page<Station>, StoreError> {
        let conditions = match (query.search.is_some(), query.genre.is_some()) {
            (false, false) => "?1 IS NULL AND ?2 IS NULL",
            (true, false) => "s.search LIKE ?1 ESCAPE '\\' AND ?2 IS NULL",
            (false, true) => "?1 IS NULL AND s.genre = ?2",
            (true, true) => "s.search LIKE ?1 ESCAPE '\\' AND s.genre = ?2",
        };
        let order = match query.order {
            Order::Popular => "s.favourites DESC, s.id",
            Order::Name => "s.name, s.id",
        };
        let (pattern, genre) = (query.pattern(), query.genre.map(Genre::slug));
        let Window { limit, offset } = query.window;
        let mut page = measured("stations", 1, 1, {
            let pattern = pattern.clone();
            self.read("stations", move |connection| {
                connection
                    .prepare_cached(&format!(
                        "SELECT {STATION}, (SELECT count(*) FROM stations s WHERE {conditions})
                         FROM stations s WHERE {conditions}
                         ORDER BY {order} LIMIT ?3 OFFSET ?4"
                    ))?
                    .query_map(params![pattern, genre, limit, offset], |row| {
                        Ok((station(row)?, row.get(11)?))
                    })?
                    .collect::<rusqlite::Result<_>>()
                    .map(page_of)
            })
        })
        .await?;
        if page.items.is_empty() && offset > 0 {
            page.total = measured("stations_count", 1, 1, {
                self.read("stations_count", move |connection| {
                    connection
                        .prepare_cached(&format!(
                            "SELECT count(*) FROM stations s WHERE {conditions}"
                        ))?
                        .query_row(params![pattern, genre], |row| row.get(0))
                })
            })
            .await?;
        }
        Ok(page)
    }

    async fn station(&self, id: StationId) -> Result<Option<Station>, StoreError> {
        measured("station", 1, 1, {
            self.read("station", move |connection| {
                connection
                    .prepare_cached(&format!("SELECT {STATION} FROM stations s WHERE s.id = ?1"))?
                    .query_row([id.get()], station)
                    .optional()
            })
        })
        .await
    }

    async fn now_playing(
        &self,
        stations: &[StationId],
        now: i64,
    ) -> Result<Vec<NowPlaying>, StoreError> {
        let ids = json_list(stations);
        measured("now_playing", 1, 1, {
            self.read("now_playing", move |connection| {
                connection
                    .prepare_cached(&format!(
                        "WITH air AS (
                             SELECT id, (?2 % loop_seconds + loop_offset) % loop_seconds AS at
                             FROM stations
                             WHERE id IN (SELECT value FROM json_each(?1)) AND loop_seconds > 0
                         )
                         SELECT {TRACK}, air.at
                         FROM air JOIN tracks t ON t.station_id = air.id
                         WHERE t.starts_at <= air.at AND air.at < t.starts_at + t.seconds"
                    ))?
                    .query_map(params![ids, now], |row| {
                        Ok(schedule::airing(track(row)?, row.get(8)?, now))
                    })?
                    .collect()
            })
        })
        .await
    }

    async fn tracks(&self, station: StationId) -> Result<Vec<Track>, StoreError> {
        measured("tracks", 1, 1, {
            self.read("tracks", move |connection| {
                connection
                    .prepare_cached(&format!(
                        "SELECT {TRACK} FROM tracks t WHERE t.station_id = ?1 ORDER BY t.starts_at"
                    ))?
                    .query_map([station.get()], track)?
                    .collect()
            })
        })
        .await
    }

    async fn track(&self, id: TrackId) -> Result<Option<Track>, StoreError> {
        measured("track", 1, 1, {
            self.read("track", move |connection| {
                connection
                    .prepare_cached(&format!("SELECT {TRACK} FROM tracks t WHERE t.id = ?1"))?
                    .query_row([id.get()], track)
                    .optional()
            })
        })
        .await
    }

    async fn listener(&self, id: ListenerId) -> Result<Option<Listener>, StoreError> {
        measured("listener", 1, 1, {
            self.read("listener", move |connection| {
                connection
                    .prepare_cached("SELECT id, handle, name, joined FROM listeners WHERE id = ?1")?
                    .query_row([id.get()], |row| {
                        Ok(Listener {
                            id: checked(row, 0)?,
                            handle: row.get(1)?,
                            name: row.get(2)?,
                            joined: row.get(3)?,
                        })
                    })
                    .optional()
            })
        })
        .await
    }

    async fn favourites(
        &self,
        listener: ListenerId,
        Window { limit, offset }: Window,
    ) -> Result<Page<Station>, StoreError> {
        let mut page = measured("favourites", 1, 1, {
            self.read("favourites", move |connection| {
                connection
                    .prepare_cached(&format!(
                        "SELECT {STATION},
                                (SELECT count(*) FROM favourites WHERE listener_id = ?1)
                         FROM favourites f JOIN stations s ON s.id = f.station_id
                         WHERE f.listener_id = ?1
                         ORDER BY f.since DESC, s.id LIMIT ?2 OFFSET ?3"
                    ))?
                    .query_map(params![listener.get(), limit, offset], |row| {
                        Ok((station(row)?, row.get(11)?))
                    })?
                    .collect::<rusqlite::Result<_>>()
                    .map(page_of)
            })
        })
        .await?;
        if page.items.is_empty() && offset > 0 {
            page.total = measured("favourites_count", 1, 1, {
                self.read("favourites_count", move |connection| {
                    connection
                        .prepare_cached("SELECT count(*) FROM favourites WHERE listener_id = ?1")?
                        .query_row([listener.get()], |row| row.get(0))
                })
            })
            .await?;
        }
        Ok(page)
    }

    async fn kept(
        &self,
        listener: ListenerId,
        stations: &[StationId],
    ) -> Result<HashSet<StationId>, StoreError> {
        let ids = json_list(stations);
        measured("kept", 1, 1, {
            self.read("kept", move |connection| {
                connection
                    .prepare_cached(
                        "SELECT station_id FROM favourites
                         WHERE listener_id = ?1
                           AND station_id IN (SELECT value FROM json_each(?2))",
                    )?
                    .query_map(params![listener.get(), ids], |row| checked(row, 0))?
                    .collect()
            })
        })
        .await
    }

    async fn keep(
        &self,
        listener: ListenerId,
        station: StationId,
        now: i64,
    ) -> Result<Option<Kept>, StoreError> {
        measured("keep", 3, 1, {
            self.write("keep", move |connection| {
                change(connection, listener, station, 1, |transaction| {
                    transaction
                        .prepare_cached(
                            "INSERT INTO favourites (listener_id, station_id, since)
                             VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                        )?
                        .execute([listener.get(), station.get(), now])
                })
            })
        })
        .await
    }

    async fn drop_favourite(
        &self,
        listener: ListenerId,
        station: StationId,
    ) -> Result<Option<Kept>, StoreError> {
        measured("drop_favourite", 3, 1, {
            self.write("drop_favourite", move |connection| {
                change(connection, listener, station, -1, |transaction| {
                    transaction
                        .prepare_cached(
                            "DELETE FROM favourites WHERE listener_id = ?1 AND station_id = ?2",
                        )?
                        .execute([listener.get(), station.get()])
                })
            })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        measured("ping", 1, 1, {
            self.read("ping", |connection| {
                connection
                    .prepare_cached("SELECT 1 FROM stations LIMIT 1")?
                    .query_row([], |_| Ok(()))
            })
        })
        .await
    }
}

/// Changes a favourite and its station's count in one transaction that takes the write lock at its
/// start: a transaction that reads first and then wants to write may be refused in the middle.
fn change(
    connection: &mut Connection,
    listener: ListenerId,
    station: StationId,
    by: i64,
    row: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
) -> rusqlite::Result<Option<Kept>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM listeners WHERE id = ?1)
                AND EXISTS (SELECT 1 FROM stations WHERE id = ?2)",
        )?
        .query_row([listener.get(), station.get()], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    let changed = row(&transaction)? > 0;
    let by = if changed { by } else { 0 };
    let favourites = transaction
        .prepare_cached(
            "UPDATE stations SET favourites = favourites + ?2 WHERE id = ?1 RETURNING favourites",
        )?
        .query_row([station.get(), by], |row| row.get(0))?;
    transaction.commit()?;
    Ok(Some(Kept {
        changed,
        favourites,
    }))
}

fn json_list(stations: &[StationId]) -> String {
    let ids: Vec<_> = stations.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(","))
}

fn page_of(rows: Vec<(Station, i64)>) -> Page<Station> {
    let total = rows.first().map_or(0, |(_, total)| *total);
    Page {
        items: rows.into_iter().map(|(station, _)| station).collect(),
        total,
    }
}

fn station(row: &Row<'_>) -> rusqlite::Result<Station> {
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

fn track(row: &Row<'_>) -> rusqlite::Result<Track> {
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

fn checked<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
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
