//! The caches: what each of them holds, what it loads, and what a heart makes old.

use std::time::Duration;

use terrace_cache::tag::Invalidations;
use terrace_cache::{
    BatchCx, BuildError, Cache, Cached, Found, InvalidateError, LoadCx, LoadError,
};

use super::levels::Levels;
use super::order;
use super::savings::Cost;
use super::source::{Said, Source};
use crate::model::{Page, Station, StationId, Track, TrackId};
use crate::storage::{Order, StationQuery, StoreError};

/// How long a programme is kept: nothing in the site writes one, so there is nobody to say that it
/// is old, and an hour bounds what somebody does behind the site's back.
const PROGRAMME: Duration = Duration::from_secs(3600);

/// Four caches. A list holds the stations' ids and not the stations, so that a station with one more
/// favourite is one value that is old, and not every list that shows it.
#[derive(Debug)]
pub(super) struct Caches {
    lists: Cache<StationQuery, Page<StationId>>,
    stations: Cache<StationId, Station>,
    programmes: Cache<StationId, Vec<Track>>,
    tracks: Cache<TrackId, Track>,
}

impl Caches {
    pub(super) fn new(source: &Source, levels: &Levels) -> Result<Self, BuildError> {
        let never_written = levels.freshness().l1_max_age(None).ttl(PROGRAMME);
        Ok(Self {
            lists: levels.cache("lists").capacity(2_000).loader(source.clone(), list).build()?,
            stations: levels
                .cache("stations")
                .capacity(5_000)
                .load_many(source.clone(), stations)
                .build()?,
            programmes: levels
                .cache("programmes")
                .capacity(5_000)
                .freshness(never_written.clone())
                .load_many(source.clone(), programmes)
                .build()?,
            tracks: levels
                .cache("tracks")
                .freshness(never_written)
                .loader(source.clone(), track)
                .build()?,
        })
    }

    pub(super) async fn list(
        &self,
        query: &StationQuery,
        cost: &mut Cost,
    ) -> Result<Page<Station>, LoadError> {
        let list = self.lists.get(query).await;
        let before = cost.queries;
        cost.one(&list);
        let Some(list) = list?.found() else { return Ok(Page { items: Vec::new(), total: 0 }) };
        if list.items.is_empty() && query.window.offset > 0 && cost.queries > before {
            // Behind the last one, how many there are is a second question.
            cost.queries += 1;
        }
        Ok(Page { items: self.these(&list.items, cost).await?, total: list.total })
    }

    pub(super) async fn these(
        &self,
        ids: &[StationId],
        cost: &mut Cost,
    ) -> Result<Vec<Station>, LoadError> {
        let stations = self.stations(ids, cost).await?;
        Ok(stations.into_iter().flatten().map(|station| (*station).clone()).collect())
    }

    /// One for each id, in their order.
    pub(super) async fn stations(
        &self,
        ids: &[StationId],
        cost: &mut Cost,
    ) -> Result<Vec<Option<Found<Station>>>, LoadError> {
        let found = self.stations.get_many(ids).await;
        cost.many(&found);
        found.into_iter().map(|one| one.map(Cached::found)).collect()
    }

    pub(super) async fn station(
        &self,
        id: StationId,
        cost: &mut Cost,
    ) -> Result<Option<Station>, LoadError> {
        let found = self.stations.get(&id).await;
        cost.one(&found);
        found.map(|cached| (*cached).clone())
    }

    /// One for each station, in their order.
    pub(super) async fn programmes(
        &self,
        stations: &[StationId],
        cost: &mut Cost,
    ) -> Result<Vec<Option<Found<Vec<Track>>>>, LoadError> {
        let found = self.programmes.get_many(stations).await;
        cost.many(&found);
        found.into_iter().map(|one| one.map(Cached::found)).collect()
    }

    pub(super) async fn track(
        &self,
        id: TrackId,
        cost: &mut Cost,
    ) -> Result<Option<Track>, LoadError> {
        let found = self.tracks.get(&id).await;
        cost.one(&found);
        found.map(|cached| (*cached).clone())
    }

    /// A listener has kept or dropped a station, which had and has these numbers of favourites.
    pub(super) async fn heart(
        &self,
        station: StationId,
        (from, to): (i64, i64),
    ) -> Result<(), InvalidateError> {
        let mut changes = Invalidations::new();
        changes.key(&self.stations, &station);
        for tag in order::moved(from, to) {
            changes.tag(&self.lists, tag);
        }
        changes.send().await
    }

    /// Something may have happened to a station, and nobody knows what.
    pub(super) async fn doubt(&self, station: StationId) -> Result<(), InvalidateError> {
        let told = self.stations.invalidate(&station).await;
        self.lists.clear().await.and(told)
    }
}

async fn list(
    source: Source,
    query: StationQuery,
    cx: LoadCx<Page<StationId>>,
) -> Result<Option<Page<StationId>>, StoreError> {
    let said = source.ask(|store| {
        let query = query.clone();
        async move { store.stations(&query).await }
    });
    let said = said.await?;
    if !said.newest {
        cx.do_not_store();
    }
    let Page { items, total } = said.rows;
    if query.order == Order::Popular {
        let shown: Vec<_> = items.iter().map(|station| station.favourites).collect();
        order::carried(&shown).into_iter().for_each(|tag| cx.tag(tag));
    }
    Ok(Some(Page { items: items.into_iter().map(|station| station.id).collect(), total }))
}

async fn stations(
    source: Source,
    ids: Vec<StationId>,
    cx: BatchCx<Station>,
) -> Result<Vec<(StationId, Station)>, StoreError> {
    let said = source.ask(|store| {
        let ids = ids.clone();
        async move { store.these(&ids).await }
    });
    let said = said.await?;
    keep_if_newest(&said, &ids, &cx);
    Ok(said.rows.into_iter().map(|station| (station.id, station)).collect())
}

async fn programmes(
    source: Source,
    stations: Vec<StationId>,
    cx: BatchCx<Vec<Track>>,
) -> Result<Vec<(StationId, Vec<Track>)>, StoreError> {
    let said = source.ask(|store| {
        let stations = stations.clone();
        async move { store.programmes(&stations).await }
    });
    let said = said.await?;
    keep_if_newest(&said, &stations, &cx);
    let programmes = said.rows.chunk_by(|one, next| one.station == next.station);
    Ok(programmes.filter_map(|tracks| Some((tracks.first()?.station, tracks.to_vec()))).collect())
}

async fn track(
    source: Source,
    id: TrackId,
    cx: LoadCx<Track>,
) -> Result<Option<Track>, StoreError> {
    let said = source.ask(|store| async move { store.track(id).await }).await?;
    if !said.newest {
        cx.do_not_store();
    }
    Ok(said.rows)
}

fn keep_if_newest<T, V>(said: &Said<T>, ids: &[StationId], cx: &BatchCx<V>) {
    if !said.newest {
        ids.iter().filter_map(|id| cx.of(id)).for_each(LoadCx::do_not_store);
    }
}
