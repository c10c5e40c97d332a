//! The database in a server of its own: PostgreSQL through a pool of connections.
//!
//! Every statement is prepared once a connection and then travels in one round trip. Statements
//! that change two tables do it in one, with a common table expression, so that a favourite costs
//! one round trip and not the four of `BEGIN` … `COMMIT`.
//!
//! The same statements go to a primary and its replicas; see [`super::replicated`].

pub(super) mod fill;
mod place;
mod rows;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Extensions;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use terrace_db::RwPool;
use terrace_db::backend::postgres::Postgres;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

use self::place::{failed, place};
use self::rows::{STATION, TRACK, column, id, kept, page_of, station, track};
use super::replicated::Replicated;
use super::{Kept, Nodes, Order, StationQuery, Store, StoreError, StoreErrorKind, Window};
use crate::counts::{self, measured};
use crate::model::{
    Genre, Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId,
};
use crate::schedule;
use crate::seed::Seed;

/// How long a request waits for a free connection: a queue of two seconds does not get shorter.
const POOL_WAIT: Duration = Duration::from_secs(2);

/// How long connecting may take. Within one data centre it takes a millisecond.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// A [`Store`] in a PostgreSQL database, or in one with replicas.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    servers: Servers,
    place: Arc<str>,
}

#[derive(Clone, Debug)]
enum Servers {
    One(Pool),
    Replicated(Replicated<Postgres>),
}

impl PostgresStore {
    /// Connects to `postgres://user:password@host:port/database` with at most this many
    /// connections.
    ///
    /// # Errors
    ///
    /// When the address cannot be read, or nothing answers there.
    pub async fn connect(url: &str, connections: usize) -> Result<Self, StoreError> {
        let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::new(StoreErrorKind::Failed, "read the address", error)
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(unreadable("it must start with postgres://".into()));
        }
        let mut config: Config =
            url.parse().map_err(|error: tokio_postgres::Error| unreadable(error.into()))?;
        let place = place(&config);
        config.application_name("radiodeck").connect_timeout(CONNECT_WAIT);
        if config.get_options().is_none() {
            // A statement that runs longer than the request's own deadline helps nobody.
            config.options("-c statement_timeout=10s");
        }
        // `Fast`: a checkout costs no round trip. A connection that died while idle is noticed by
        // its task; one that dies in use fails that one request.
        let manager = Manager::from_config(
            config,
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(connections.max(1))
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(CONNECT_WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::new(StoreErrorKind::Failed, "connect", error))?;
        match connection(&pool, "connect").await {
            Ok(_) => Ok(Self { servers: Servers::One(pool), place: place.into() }),
            Err(error) => Err(error.at(&place)),
        }
    }

    /// Reads from replicas, and writes to their primary.
    ///
    /// A request reads its own writes if it comes through
    /// [`CausalLayer`](terrace_db::CausalLayer).
    #[must_use]
    pub fn replicated(pool: RwPool<Postgres>) -> Self {
        let place = "PostgreSQL with replicas".into();
        Self { servers: Servers::Replicated(Replicated::new(pool)), place }
    }

    /// Where the database is, without the password.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Creates the tables and fills them, unless that was done before.
    ///
    /// Safe when several servers start at once: the first takes an advisory lock, the others wait
    /// for it and find the work done. A replicated store asks a reader first: what is filled needs
    /// no primary.
    ///
    /// # Errors
    ///
    /// When the database refuses, or is gone.
    pub async fn fill(&self, seed: &Seed) -> Result<(), StoreError> {
        match &self.servers {
            Servers::One(pool) => {
                let mut connection = connection(pool, "fill").await?;
                fill::fill(&mut connection, seed).await.map_err(|error| failed("fill", error))
            }
            Servers::Replicated(_) if self.ping().await.is_ok() => Ok(()),
            Servers::Replicated(nodes) => nodes.fill(seed).await,
        }
    }

    async fn rows(
        &self,
        operation: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        measured(operation, 1, 1, async {
            match &self.servers {
                Servers::One(pool) => rows(pool, operation, statement, parameters).await,
                Servers::Replicated(nodes) => nodes.read(operation, statement, parameters).await,
            }
        })
        .await
    }

    /// Rows of a statement that changes some.
    async fn changed(
        &self,
        operation: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        let rows = measured(operation, 1, 1, async {
            match &self.servers {
                Servers::One(pool) => rows(pool, operation, statement, parameters).await,
                Servers::Replicated(nodes) => nodes.write(operation, statement, parameters).await,
            }
        });
        Ok(rows.await?.into_iter().next())
    }

    async fn row(
        &self,
        operation: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(operation, statement, parameters).await?.into_iter().next())
    }

    async fn count(
        &self,
        operation: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<i64, StoreError> {
        match self.row(operation, statement, parameters).await? {
            Some(row) => row.try_get(0).map_err(|error| failed(operation, error)),
            None => Ok(0),
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn stations(&self, query: &StationQuery) -> Result<Page<Station>, StoreError> {
        let conditions = match (query.search.is_some(), query.genre.is_some()) {
            (false, false) => "$1::text IS NULL AND $2::text IS NULL",
            (true, false) => "s.search LIKE $1 AND $2::text IS NULL",
            (false, true) => "$1::text IS NULL AND s.genre = $2",
            (true, true) => "s.search LIKE $1 AND s.genre = $2",
        };
        let order = match query.order {
            Order::Popular => "s.favourites DESC, s.id",
            Order::Name => "s.name, s.id",
        };
        let (pattern, genre) = (query.pattern(), query.genre.map(Genre::slug));
        let (limit, offset) = (i64::from(query.window.limit), i64::from(query.window.offset));
        let statement = format!(
            "SELECT {STATION}, (SELECT count(*) FROM stations s WHERE {conditions})
             FROM stations s WHERE {conditions} ORDER BY {order} LIMIT $3 OFFSET $4"
        );
        let rows = self.rows("stations", &statement, &[&pattern, &genre, &limit, &offset]).await?;
        let mut page = page_of("stations", &rows)?;
        if rows.is_empty() && offset > 0 {
            let statement = format!("SELECT count(*) FROM stations s WHERE {conditions}");
            page.total = self.count("stations_count", &statement, &[&pattern, &genre]).await?;
        }
        Ok(page)
    }

    async fn station(&self, id: StationId) -> Result<Option<Station>, StoreError> {
        let statement = format!("SELECT {STATION} FROM stations s WHERE s.id = $1");
        let row = self.row("station", &statement, &[&id.get()]).await?;
        row.map(|row| station("station", &row)).transpose()
    }

    async fn these(&self, stations: &[StationId]) -> Result<Vec<Station>, StoreError> {
        let ids: Vec<i64> = stations.iter().map(|id| id.get()).collect();
        let statement = format!("SELECT {STATION} FROM stations s WHERE s.id = ANY($1)");
        let rows = self.rows("these", &statement, &[&ids]).await?;
        rows.iter().map(|row| station("these", row)).collect()
    }

    async fn now_playing(
        &self,
        stations: &[StationId],
        now: i64,
    ) -> Result<Vec<NowPlaying>, StoreError> {
        let ids: Vec<i64> = stations.iter().map(|id| id.get()).collect();
        let statement = format!(
            "WITH air AS (
                 SELECT id, ($2::bigint % loop_seconds + loop_offset) % loop_seconds AS at
                 FROM stations WHERE id = ANY($1) AND loop_seconds > 0
             )
             SELECT {TRACK}, air.at
             FROM air JOIN tracks t ON t.station_id = air.id
             WHERE t.starts_at <= air.at AND air.at < t.starts_at + t.seconds"
        );
        let rows = self.rows("now_playing", &statement, &[&ids, &now]).await?;
        rows.iter()
            .map(|row| {
                let at = column("now_playing", row, 8)?;
                Ok(schedule::airing(track("now_playing", row)?, at, now))
            })
            .collect()
    }

    async fn tracks(&self, station: StationId) -> Result<Vec<Track>, StoreError> {
        let statement =
            format!("SELECT {TRACK} FROM tracks t WHERE t.station_id = $1 ORDER BY t.starts_at");
        let rows = self.rows("tracks", &statement, &[&station.get()]).await?;
        rows.iter().map(|row| track("tracks", row)).collect()
    }

    async fn programmes(&self, stations: &[StationId]) -> Result<Vec<Track>, StoreError> {
        let ids: Vec<i64> = stations.iter().map(|id| id.get()).collect();
        let statement = format!(
            "SELECT {TRACK} FROM tracks t WHERE t.station_id = ANY($1)
             ORDER BY t.station_id, t.starts_at"
        );
        let rows = self.rows("programmes", &statement, &[&ids]).await?;
        rows.iter().map(|row| track("programmes", row)).collect()
    }

    async fn track(&self, id: TrackId) -> Result<Option<Track>, StoreError> {
        let statement = format!("SELECT {TRACK} FROM tracks t WHERE t.id = $1");
        let row = self.row("track", &statement, &[&id.get()]).await?;
        row.map(|row| track("track", &row)).transpose()
    }

    async fn listener(&self, id: ListenerId) -> Result<Option<Listener>, StoreError> {
        let statement = "SELECT id, handle, name, joined FROM listeners WHERE id = $1";
        let Some(row) = self.row("listener", statement, &[&id.get()]).await? else {
            return Ok(None);
        };
        Ok(Some(Listener {
            id,
            handle: column("listener", &row, 1)?,
            name: column("listener", &row, 2)?,
            joined: column("listener", &row, 3)?,
        }))
    }

    async fn favourites(
        &self,
        listener: ListenerId,
        window: Window,
    ) -> Result<Page<Station>, StoreError> {
        let (limit, offset) = (i64::from(window.limit), i64::from(window.offset));
        let statement = format!(
            "SELECT {STATION}, (SELECT count(*) FROM favourites WHERE listener_id = $1)
             FROM favourites f JOIN stations s ON s.id = f.station_id
             WHERE f.listener_id = $1 ORDER BY f.since DESC, s.id LIMIT $2 OFFSET $3"
        );
        let rows = self.rows("favourites", &statement, &[&listener.get(), &limit, &offset]).await?;
        let mut page = page_of("favourites", &rows)?;
        if rows.is_empty() && offset > 0 {
            let statement = "SELECT count(*) FROM favourites WHERE listener_id = $1";
            page.total = self.count("favourites_count", statement, &[&listener.get()]).await?;
        }
        Ok(page)
    }

    async fn kept(
        &self,
        listener: ListenerId,
        stations: &[StationId],
    ) -> Result<HashSet<StationId>, StoreError> {
        let ids: Vec<i64> = stations.iter().map(|id| id.get()).collect();
        let statement = "SELECT station_id FROM favourites
                         WHERE listener_id = $1 AND station_id = ANY($2)";
        let rows = self.rows("kept", statement, &[&listener.get(), &ids]).await?;
        rows.iter().map(|row| id("kept", row, 0)).collect()
    }

    async fn keep(
        &self,
        listener: ListenerId,
        station: StationId,
        now: i64,
    ) -> Result<Option<Kept>, StoreError> {
        let statement = "
            WITH added AS (
                INSERT INTO favourites (listener_id, station_id, since)
                SELECT l.id, s.id, $3 FROM listeners l, stations s
                WHERE l.id = $1 AND s.id = $2
                ON CONFLICT DO NOTHING RETURNING station_id
            ), counted AS (
                UPDATE stations s SET favourites = s.favourites + 1
                FROM added WHERE s.id = added.station_id RETURNING s.favourites
            )
            SELECT EXISTS (SELECT FROM added),
                   coalesce((SELECT favourites FROM counted), s.favourites)
            FROM stations s, listeners l WHERE s.id = $2 AND l.id = $1";
        let parameters: [&(dyn ToSql + Sync); 3] = [&listener.get(), &station.get(), &now];
        let row = self.changed("keep", statement, &parameters).await?;
        row.map(|row| kept("keep", &row)).transpose()
    }

    async fn drop_favourite(
        &self,
        listener: ListenerId,
        station: StationId,
    ) -> Result<Option<Kept>, StoreError> {
        let statement = "
            WITH dropped AS (
                DELETE FROM favourites WHERE listener_id = $1 AND station_id = $2
                RETURNING station_id
            ), counted AS (
                UPDATE stations s SET favourites = s.favourites - 1
                FROM dropped WHERE s.id = dropped.station_id RETURNING s.favourites
            )
            SELECT EXISTS (SELECT FROM dropped),
                   coalesce((SELECT favourites FROM counted), s.favourites)
            FROM stations s, listeners l WHERE s.id = $2 AND l.id = $1";
        let parameters: [&(dyn ToSql + Sync); 2] = [&listener.get(), &station.get()];
        let row = self.changed("drop_favourite", statement, &parameters).await?;
        row.map(|row| kept("drop_favourite", &row)).transpose()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.rows("ping", "SELECT 1 FROM stations LIMIT 1", &[]).await.map(drop)
    }

    fn within(&self, request: &Extensions) -> Option<Arc<dyn Store>> {
        let Servers::Replicated(nodes) = &self.servers else { return None };
        let servers = Servers::Replicated(nodes.within(request)?);
        Some(Arc::new(Self { servers, place: Arc::clone(&self.place) }))
    }

    fn newest(&self) -> Option<Arc<dyn Store>> {
        let Servers::Replicated(nodes) = &self.servers else { return None };
        let servers = Servers::Replicated(nodes.newest());
        Some(Arc::new(Self { servers, place: Arc::clone(&self.place) }))
    }

    fn database(&self) -> Option<String> {
        let Servers::Replicated(nodes) = &self.servers else { return None };
        nodes.database()
    }

    async fn nodes(&self) -> Nodes {
        match &self.servers {
            Servers::One(_) => Nodes::default(),
            Servers::Replicated(nodes) => nodes.status().await,
        }
    }
}

async fn connection(pool: &Pool, operation: &'static str) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            StoreError::new(StoreErrorKind::Busy, operation, error)
        }
        PoolError::Backend(error) => failed(operation, error),
        _ => StoreError::new(StoreErrorKind::Unavailable, operation, error),
    })
}

async fn rows(
    pool: &Pool,
    operation: &'static str,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let connection = connection(pool, operation).await?;
    let ask = async {
        let known = connection.statement_cache.size();
        let statement = connection.prepare_cached(statement).await?;
        if connection.statement_cache.size() > known {
            // Prepared just now: once a connection, and a round trip too.
            counts::extra_round_trip();
        }
        connection.query(&statement, parameters).await
    };
    ask.await.map_err(|error| failed(operation, error))
}
