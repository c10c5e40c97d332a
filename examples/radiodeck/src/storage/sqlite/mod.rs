//! The embedded default: one SQLite file, one writer, a few readers.
//!
//! In WAL mode readers never wait for the writer, and several processes may share the file. SQLite
//! lets one connection write at a time, so there is one: a queue in the pool is fairer than
//! connections that meet at the file's lock.
//!
//! The same questions are put to a replicated cluster of files; see [`super::replicated`].

mod fill;
mod pool;
mod rows;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Extensions;
use deadpool_sqlite::Pool;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use terrace_db::RwPool;
use terrace_db::backend::sqlite::Sqlite;

use self::pool::{create, interact, pool};
use self::rows::{STATION, TRACK, checked, json_list, page_of, station, track};
use super::replicated::Replicated;
use super::{Kept, Nodes, Order, StationQuery, Store, StoreError, Window};
use crate::counts::measured;
use crate::model::{
    Genre, Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId,
};
use crate::schedule;
use crate::seed::Seed;

/// A [`Store`] in one SQLite file, or in a cluster of them.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    files: Files,
}

#[derive(Clone, Debug)]
enum Files {
    One { writer: Pool, readers: Pool },
    Replicated(Replicated<Sqlite>),
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
        // The writer first: it creates the file and turns on WAL before a reader opens it.
        create(&writer).await?;
        Ok(Self { files: Files::One { writer, readers } })
    }

    /// Reads from the replicas of a cluster of files, and writes to its primary.
    ///
    /// A request reads its own writes if it comes through
    /// [`CausalLayer`](terrace_db::CausalLayer).
    #[must_use]
    pub fn replicated(pool: RwPool<Sqlite>) -> Self {
        Self { files: Files::Replicated(Replicated::new(pool)) }
    }

    /// Creates the tables and fills them, unless that was done before.
    ///
    /// Safe when several processes start at once: the first takes the file's write lock, the others
    /// wait for it and find the work done. A replicated store asks a reader first: what is filled
    /// needs no primary.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub async fn fill(&self, seed: &Seed) -> Result<(), StoreError> {
        let seed = seed.clone();
        let fill = move |transaction: &Connection| fill::fill(transaction, &seed);
        match &self.files {
            Files::One { .. } => self.write("fill", fill).await,
            Files::Replicated(_) if self.ping().await.is_ok() => Ok(()),
            Files::Replicated(nodes) => {
                let apart = nodes.apart();
                apart.write("fill", fill).await?;
                apart.everywhere().await;
                Ok(())
            }
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        match &self.files {
            Files::One { readers, .. } => {
                interact(readers, operation, move |connection| work(connection)).await
            }
            Files::Replicated(nodes) => nodes.read(operation, work).await,
        }
    }

    /// In a transaction that takes the write lock at its start: one that reads first and then wants
    /// to write may be refused in the middle.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        match &self.files {
            Files::One { writer, .. } => {
                interact(writer, operation, move |connection| {
                    let begin = TransactionBehavior::Immediate;
                    let transaction = connection.transaction_with_behavior(begin)?;
                    let done = work(&transaction)?;
                    transaction.commit()?;
                    Ok(done)
                })
                .await
            }
            Files::Replicated(nodes) => nodes.write(operation, work).await,
        }
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

    async fn these(&self, stations: &[StationId]) -> Result<Vec<Station>, StoreError> {
        let ids = json_list(stations);
        measured("these", 1, 1, {
            self.read("these", move |connection| {
                connection
                    .prepare_cached(&format!(
                        "SELECT {STATION} FROM stations s
                         WHERE s.id IN (SELECT value FROM json_each(?1))"
                    ))?
                    .query_map([&ids], station)?
                    .collect()
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

    async fn programmes(&self, stations: &[StationId]) -> Result<Vec<Track>, StoreError> {
        let ids = json_list(stations);
        measured("programmes", 1, 1, {
            self.read("programmes", move |connection| {
                connection
                    .prepare_cached(&format!(
                        "SELECT {TRACK} FROM tracks t
                         WHERE t.station_id IN (SELECT value FROM json_each(?1))
                         ORDER BY t.station_id, t.starts_at"
                    ))?
                    .query_map([&ids], track)?
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
                change(connection, listener, station, 1, || {
                    connection
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
                change(connection, listener, station, -1, || {
                    connection
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

    fn within(&self, request: &Extensions) -> Option<Arc<dyn Store>> {
        let Files::Replicated(nodes) = &self.files else { return None };
        Some(Arc::new(Self { files: Files::Replicated(nodes.within(request)?) }))
    }

    fn newest(&self) -> Option<Arc<dyn Store>> {
        let Files::Replicated(nodes) = &self.files else { return None };
        Some(Arc::new(Self { files: Files::Replicated(nodes.newest()) }))
    }

    fn database(&self) -> Option<String> {
        let Files::Replicated(nodes) = &self.files else { return None };
        nodes.database()
    }

    async fn nodes(&self) -> Nodes {
        match &self.files {
            Files::One { .. } => Nodes::default(),
            Files::Replicated(nodes) => nodes.status().await,
        }
    }
}

/// Changes a favourite and its station's count.
fn change(
    transaction: &Connection,
    listener: ListenerId,
    station: StationId,
    by: i64,
    row: impl FnOnce() -> rusqlite::Result<usize>,
) -> rusqlite::Result<Option<Kept>> {
    let known: bool = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM listeners WHERE id = ?1)
                AND EXISTS (SELECT 1 FROM stations WHERE id = ?2)",
        )?
        .query_row([listener.get(), station.get()], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    let changed = row()? > 0;
    let by = if changed { by } else { 0 };
    let favourites = transaction
        .prepare_cached(
            "UPDATE stations SET favourites = favourites + ?2 WHERE id = ?1 RETURNING favourites",
        )?
        .query_row([station.get(), by], |row| row.get(0))?;
    Ok(Some(Kept { changed, favourites }))
}
