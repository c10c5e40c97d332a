//! A cache in front of any [`Store`].
//!
//! What the site shows of stations and tracks is read through caches, and a write says what is old by
//! it, after its commit. What belongs to one listener (who they are, what they keep) is asked of the
//! database each time: it is read once a visit, and has to be right at once on every app server.
//!
//! Four files say what a cache needs to be told. `keys`: what a value is looked up by. `caches`:
//! what is held, how it is loaded, what a write makes old. `order`: the same for lists, whose order
//! changes with rows that they do not show. `source`: which node a value may be loaded from.

mod caches;
mod keys;
mod levels;
mod order;
mod savings;
mod source;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::http::Extensions;
use terrace_cache::{BuildError, LoadError};

use self::caches::Caches;
pub use self::levels::Levels;
use self::savings::{Cost, From, Savings};
pub use self::savings::{Saved, Server};
use self::source::Source;
use super::{Kept, Nodes, StationQuery, Store, StoreError, StoreErrorKind, Window};
use crate::counts::{self, Counts, counted};
use crate::launch;
use crate::model::{Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId};
use crate::schedule;

/// A [`Store`] behind caches.
///
/// # Clone
///
/// All clones share the caches.
#[derive(Clone)]
pub struct CachedStore {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
}

struct Shared {
    caches: Caches,
    levels: Levels,
    savings: Arc<Savings>,
}

impl CachedStore {
    /// Puts caches on these levels in front of a store. Nobody else may write what they hold: what is
    /// written past them is seen when its time is over.
    ///
    /// # Errors
    ///
    /// When the levels make no cache.
    pub fn new(inner: Arc<dyn Store>, levels: Levels) -> Result<Self, BuildError> {
        let (savings, levels) = (Arc::new(Savings::default()), levels.of(inner.database()));
        let caches = Caches::new(&Source::new(&inner, Arc::clone(&savings)), &levels)?;
        Ok(Self { inner, shared: Arc::new(Shared { caches, levels, savings }) })
    }

    /// What was saved so far.
    #[must_use]
    pub fn saved_so_far(&self) -> Saved {
        let servers = self.shared.levels.servers();
        Saved { servers, ..self.shared.savings.so_far() }
    }

    /// Prints what was saved: after each such time in which there was a question, and at the end, when
    /// what this returns is dropped.
    #[must_use]
    pub fn reports(&self, every: Duration) -> Reports {
        let store = self.clone();
        let task = tokio::spawn(async move {
            let mut last = 0;
            loop {
                tokio::time::sleep(every).await;
                let saved = store.saved_so_far();
                if saved.questions > last {
                    launch::say(&saved.to_string());
                }
                last = saved.questions;
            }
        });
        Reports { store: self.clone(), task }
    }

    /// Takes note of what a question cost.
    fn answer<T>(
        &self,
        operation: &'static str,
        started: Instant,
        cost: &Cost,
        answer: Result<T, LoadError>,
    ) -> Result<T, StoreError> {
        match &answer {
            Ok(_) => self.shared.savings.answered(cost.from),
            Err(_) => self.shared.savings.failed(),
        }
        let waited = if cost.from == From::Memory { Duration::ZERO } else { started.elapsed() };
        // A load runs in a task of its own. Its round trips are those of who began it.
        counts::add(Counts { queries: cost.queries, round_trips: cost.queries, waited });
        answer.map_err(|error| failed(operation, error))
    }

    /// Writes, and then says what is old by it.
    ///
    /// In a task of its own: a visitor who goes away in the middle must not leave the write done and
    /// the caches as they are.
    async fn write<Fut>(
        &self,
        operation: &'static str,
        station: StationId,
        by: i64,
        write: impl FnOnce(Arc<dyn Store>) -> Fut,
    ) -> Result<Option<Kept>, StoreError>
    where
        Fut: Future<Output = Result<Option<Kept>, StoreError>> + Send + 'static,
    {
        let (write, shared) = (write(Arc::clone(&self.inner)), Arc::clone(&self.shared));
        let task = tokio::spawn(counted(async move {
            let kept = write.await;
            let told = match &kept {
                // Also if nothing was changed: who asks twice may not have got the first answer, and
                // the caches not what followed from it.
                Ok(Some(Kept { favourites, .. })) => {
                    shared.caches.heart(station, (favourites - by, *favourites)).await
                }
                Err(error) if error.is_in_doubt() => shared.caches.doubt(station).await,
                Ok(None) | Err(_) => Ok(()),
            };
            if let Err(error) = told {
                // The write was done. The server that was not told is not asked by this process
                // until it was.
                tracing::warn!(operation, %error, "a cache server was not told of a write");
            }
            kept
        }));
        let failed = |error| StoreError::new(StoreErrorKind::Failed, operation, error);
        let (kept, cost) = task.await.map_err(failed)?;
        counts::add(cost);
        kept
    }
}

#[async_trait]
impl Store for CachedStore {
    async fn stations(&self, query: &StationQuery) -> Result<Page<Station>, StoreError> {
        let (started, mut cost) = (Instant::now(), Cost::default());
        let page = self.shared.caches.list(query, &mut cost).await;
        self.answer("stations", started, &cost, page)
    }

    async fn station(&self, id: StationId) -> Result<Option<Station>, StoreError> {
        let (started, mut cost) = (Instant::now(), Cost::default());
        let station = self.shared.caches.station(id, &mut cost).await;
        self.answer("station", started, &cost, station)
    }

    async fn these(&self, stations: &[StationId]) -> Result<Vec<Station>, StoreError> {
        let (started, mut cost) = (Instant::now(), Cost::default());
        let found = self.shared.caches.these(stations, &mut cost).await;
        self.answer("these", started, &cost, found)
    }

    /// Follows from the programme and the time, so that there is nothing to ask when a track ends.
    async fn now_playing(
        &self,
        stations: &[StationId],
        now: i64,
    ) -> Result<Vec<NowPlaying>, StoreError> {
        let (started, mut cost) = (Instant::now(), Cost::default());
        let caches = &self.shared.caches;
        let playing = async {
            let found = caches.stations(stations, &mut cost).await?;
            let programmes = caches.programmes(stations, &mut cost).await?;
            let both = found.iter().flatten().zip(programmes.iter().flatten());
            Ok(both
                .filter_map(|(station, tracks)| schedule::on_air(station, tracks, now))
                .collect())
        };
        let playing = playing.await;
        self.answer("now_playing", started, &cost, playing)
    }

    async fn tracks(&self, station: StationId) -> Result<Vec<Track>, StoreError> {
        self.programmes(&[station]).await
    }

    async fn programmes(&self, stations: &[StationId]) -> Result<Vec<Track>, StoreError> {
        let (started, mut cost) = (Instant::now(), Cost::default());
        let found = self.shared.caches.programmes(stations, &mut cost).await;
        let tracks = found.map(|found| {
            found.iter().flatten().flat_map(|tracks| tracks.iter().cloned()).collect()
        });
        self.answer("programmes", started, &cost, tracks)
    }

    async fn track(&self, id: TrackId) -> Result<Option<Track>, StoreError> {
        let (started, mut cost) = (Instant::now(), Cost::default());
        let track = self.shared.caches.track(id, &mut cost).await;
        self.answer("track", started, &cost, track)
    }

    async fn listener(&self, id: ListenerId) -> Result<Option<Listener>, StoreError> {
        self.inner.listener(id).await
    }

    async fn favourites(
        &self,
        listener: ListenerId,
        window: Window,
    ) -> Result<Page<Station>, StoreError> {
        self.inner.favourites(listener, window).await
    }

    async fn kept(
        &self,
        listener: ListenerId,
        stations: &[StationId],
    ) -> Result<HashSet<StationId>, StoreError> {
        self.inner.kept(listener, stations).await
    }

    async fn keep(
        &self,
        listener: ListenerId,
        station: StationId,
        now: i64,
    ) -> Result<Option<Kept>, StoreError> {
        let keep = |store: Arc<dyn Store>| async move { store.keep(listener, station, now).await };
        self.write("keep", station, 1, keep).await
    }

    async fn drop_favourite(
        &self,
        listener: ListenerId,
        station: StationId,
    ) -> Result<Option<Kept>, StoreError> {
        let drop =
            |store: Arc<dyn Store>| async move { store.drop_favourite(listener, station).await };
        self.write("drop_favourite", station, -1, drop).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    fn within(&self, request: &Extensions) -> Option<Arc<dyn Store>> {
        let inner = self.inner.within(request)?;
        Some(Arc::new(Self { inner, shared: Arc::clone(&self.shared) }))
    }

    async fn nodes(&self) -> Nodes {
        self.inner.nodes().await
    }

    fn saved(&self) -> Option<Saved> {
        Some(self.saved_so_far())
    }
}

impl fmt::Debug for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedStore")
            .field("inner", &self.inner)
            .field("levels", &self.shared.levels)
            .finish_non_exhaustive()
    }
}

/// Prints as long as it lives, and once more at its end.
#[derive(Debug)]
pub struct Reports {
    store: CachedStore,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.task.abort();
        launch::say(&self.store.saved_so_far().to_string());
    }
}

fn failed(operation: &'static str, error: LoadError) -> StoreError {
    let kind = match &error {
        LoadError::Failed { source, .. } => source.downcast_ref().map(StoreError::kind),
        LoadError::TimedOut { .. } => Some(StoreErrorKind::Unavailable),
        _ => None,
    };
    StoreError::new(kind.unwrap_or(StoreErrorKind::Failed), operation, error)
}
