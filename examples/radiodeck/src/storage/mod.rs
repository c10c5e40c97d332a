//! Where the rows live.
//!
//! [`Store`] is what the site asks of a database, one method a question. It is held as
//! `Arc<dyn Store>`, so a later stage can put a cache, a replica set or shards behind the same
//! questions. Each method says what it costs in queries, and none of them costs more when there are
//! more rows on a page: lists are asked as lists.
//!
//! The two implementations write their own SQL. A dialect layer would hide what differs, and what
//! differs is what a reader of an example wants to see.

pub mod cached;
mod error;
mod open;
mod postgres;
mod query;
pub mod replicated;
mod sqlite;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Extensions;
use serde::Serialize;

pub use cached::{CachedStore, Saved};
pub use error::{StoreError, StoreErrorKind};
pub use open::open;
pub use postgres::PostgresStore;
pub use query::{Order, StationQuery, Window};
pub use sqlite::SqliteStore;

use crate::model::{Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId};

/// What keeping or dropping a favourite did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether anything changed: the second of two equal requests changes nothing.
    pub changed: bool,
    /// How many listeners keep the station now.
    pub favourites: i64,
}

/// The nodes that a store is spread over, as one request sees them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Nodes {
    /// The node that answers this request's reads, if one does.
    pub reads: Option<String>,
    /// Each of them; none if the store is in one place.
    pub nodes: Vec<Node>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is: `primary`, `replica`, or why it is neither.
    pub state: String,
    /// On a replica: how old its data is at most, in milliseconds, if that is known.
    pub lag_ms: Option<u64>,
    /// How far it is in the history of all writes, if that is known.
    pub position: Option<String>,
    /// What went wrong with it last.
    pub error: Option<String>,
}

/// What Radiodeck asks of its database.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// One page of the stations that match, with the number of all that match.
    ///
    /// One query, or two when the page lies behind the last match.
    async fn stations(&self, query: &StationQuery) -> Result<Page<Station>, StoreError>;

    /// One station. One query.
    async fn station(&self, id: StationId) -> Result<Option<Station>, StoreError>;

    /// These stations, in no particular order. One query for all of them.
    async fn these(&self, stations: &[StationId]) -> Result<Vec<Station>, StoreError>;

    /// What these stations play at a moment, in no particular order. One query for all of them.
    async fn now_playing(
        &self,
        stations: &[StationId],
        now: i64,
    ) -> Result<Vec<NowPlaying>, StoreError>;

    /// A station's whole programme, in order. One query.
    async fn tracks(&self, station: StationId) -> Result<Vec<Track>, StoreError>;

    /// The programmes of these stations, one after the other, each in order. One query for all of
    /// them.
    async fn programmes(&self, stations: &[StationId]) -> Result<Vec<Track>, StoreError>;

    /// One track. One query.
    async fn track(&self, id: TrackId) -> Result<Option<Track>, StoreError>;

    /// One listener. One query.
    async fn listener(&self, id: ListenerId) -> Result<Option<Listener>, StoreError>;

    /// One page of a listener's favourites, newest first. One query, or two past the end.
    async fn favourites(
        &self,
        listener: ListenerId,
        window: Window,
    ) -> Result<Page<Station>, StoreError>;

    /// Which of these stations the listener keeps. One query for all of them.
    async fn kept(
        &self,
        listener: ListenerId,
        stations: &[StationId],
    ) -> Result<HashSet<StationId>, StoreError>;

    /// Makes a station a favourite. `None` when the listener or the station does not exist.
    ///
    /// The row and the station's count change together or not at all. One round trip.
    async fn keep(
        &self,
        listener: ListenerId,
        station: StationId,
        now: i64,
    ) -> Result<Option<Kept>, StoreError>;

    /// Takes a station off the favourites. `None` when the listener or the station does not exist.
    async fn drop_favourite(
        &self,
        listener: ListenerId,
        station: StationId,
    ) -> Result<Option<Kept>, StoreError>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The same store as one request sees it, by what layers have put into the request's
    /// extensions; `None` if it looks the same to all requests.
    fn within(&self, request: &Extensions) -> Option<Arc<dyn Store>> {
        let _ = request;
        None
    }

    /// The same store, reading where every acknowledged write is; `None` if it does so anyway.
    fn newest(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// What tells its rows from another database's, if it knows.
    fn database(&self) -> Option<String> {
        None
    }

    /// The nodes it is spread over.
    async fn nodes(&self) -> Nodes {
        Nodes::default()
    }

    /// What a cache in front of it has saved; `None` if there is no cache.
    fn saved(&self) -> Option<Saved> {
        None
    }
}
