//! The caches in front of a store: they keep its contract, what they hold is never old after a write,
//! and each safeguard is seen to be one.

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use radiodeck::counts::counted;
use radiodeck::model::{
    Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId,
};
use radiodeck::storage::cached::Levels;
use radiodeck::storage::{CachedStore, Kept, StationQuery, StoreError, Window};
use radiodeck::{Seed, SqliteStore, Store, contract};
use support::{NOW, Site};
use tempfile::TempDir;
use terrace_cache::bus::{PubSub, Sockets};
use terrace_cache::store::redis::Redis;
use terrace_db::backend::sqlite::{Sqlite, SqliteCluster};
use terrace_db::{CausalContext, Node, NodeState, RwPool};
use terrace_testkit::tools;

fn station(id: i64) -> StationId {
    id.try_into().unwrap()
}

fn listener(id: i64) -> ListenerId {
    id.try_into().unwrap()
}

/// Stations that the first listener does not keep yet.
fn free_ones() -> impl Iterator<Item = StationId> {
    let rows = Seed::small().rows();
    let kept = rows.favourites.iter().filter(|row| row.listener == listener(1));
    let kept: HashSet<_> = kept.map(|row| row.station).collect();
    rows.stations.into_iter().map(|row| row.id).filter(move |id| !kept.contains(id))
}

fn free() -> StationId {
    free_ones().next().unwrap()
}

/// An app server's cache that tells those of the same directory what is old.
fn cached(store: Arc<dyn Store>, directory: &TempDir) -> CachedStore {
    let sockets = Sockets::in_dir(directory.path().join("bus")).unwrap();
    CachedStore::new(store, Levels::memory(sockets)).unwrap()
}

/// The same on cache servers.
fn shared(store: Arc<dyn Store>, urls: &[String]) -> CachedStore {
    let buses = urls.iter().map(|url| PubSub::new(url, "test").unwrap()).collect();
    CachedStore::new(store, Levels::shared(Redis::new(urls).unwrap(), buses)).unwrap()
}

async fn queries<T>(work: impl Future<Output = T>) -> u32 {
    counted(work).await.1.queries
}

async fn favourites(store: &dyn Store, id: StationId) -> i64 {
    store.station(id).await.unwrap().unwrap().favourites
}

/// Asks until the answer is as wanted.
async fn until<F: Future<Output = bool>>(wanted: impl Fn() -> F) {
    let wait = async {
        while !wanted().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_behind_caches_keeps_the_contract() {
    let (store, directory) = Site::store().await;
    contract::check(Arc::new(cached(store, &directory))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_behind_cache_servers_keeps_the_contract() {
    let Some(_) = tools::require_or_skip("redis-server") else {
        return;
    };
    let (one, two) = (terrace_testkit::Redis::start(), terrace_testkit::Redis::start());
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let (store, _directory) = Site::store().await;
    contract::check(Arc::new(shared(store, &[one.url(), two.url()]))).await;
}

#[tokio::test]
async fn what_was_asked_before_costs_no_query() {
    let (store, directory) = Site::store().await;
    let store = cached(store, &directory);
    let list = StationQuery::all(Window::page(1, 24));
    let ids: Vec<_> = (1..=24).map(station).collect();
    assert_eq!(queries(store.stations(&list)).await, 2, "the list, and its stations");
    assert_eq!(queries(store.stations(&list)).await, 0);
    assert_eq!(queries(store.these(&ids)).await, 1);
    assert_eq!(queries(store.now_playing(&ids, NOW)).await, 1, "the programmes");
    for later in [0, 100, 100_000] {
        assert_eq!(queries(store.now_playing(&ids, NOW + later)).await, 0);
    }
    assert_eq!(queries(store.station(station(7))).await, 0);
    assert_eq!(queries(store.tracks(station(7))).await, 0);
    assert_eq!(queries(store.track(1.try_into().unwrap())).await, 1);
    assert_eq!(queries(store.track(1.try_into().unwrap())).await, 0);
    let nothing = station(999_999);
    assert_eq!(queries(store.station(nothing)).await, 1);
    assert_eq!(queries(store.station(nothing)).await, 0, "that there is none is known, too");
    let saved = store.saved_so_far();
    assert_eq!((saved.questions, saved.queries), (13, 6), "{saved}");
}

#[tokio::test]
async fn a_heart_is_seen_at_once_and_by_the_neighbour_soon() {
    let (store, directory) = Site::store().await;
    let (one, two) = (cached(Arc::clone(&store), &directory), cached(store, &directory));
    let id = free();
    let before = favourites(&one, id).await;
    assert_eq!(favourites(&two, id).await, before);
    let kept = one.keep(listener(1), id, NOW).await.unwrap().unwrap();
    assert_eq!(kept, Kept { changed: true, favourites: before + 1 });
    assert_eq!(favourites(&one, id).await, before + 1);
    until(async || favourites(&two, id).await == before + 1).await;
}

/// The control: without an invalidation the old value is what one gets.
#[tokio::test]
async fn a_heart_past_the_caches_is_not_seen() {
    let (inner, directory) = Site::store().await;
    let store = cached(Arc::clone(&inner), &directory);
    let id = free();
    let before = favourites(&store, id).await;
    inner.keep(listener(1), id, NOW).await.unwrap();
    assert_eq!(favourites(&store, id).await, before);
    store.keep(listener(1), id, NOW).await.unwrap();
    assert_eq!(favourites(&store, id).await, before + 1, "asked twice, it is told twice");
}

#[tokio::test]
async fn a_heart_moves_a_station_in_lists_that_did_not_show_it() {
    let (store, directory) = Site::store().await;
    let store = cached(store, &directory);
    let page = |number| StationQuery::all(Window::page(number, 10));
    let all = StationQuery::all(Window::page(1, 120));
    for round in 1..=12 {
        let before = store.stations(&all).await.unwrap().items;
        // The last of the second page's: often a few hearts away from the first page.
        let climber = before[19].id;
        store.keep(listener(round), climber, NOW).await.unwrap();
        let mut expected = before;
        for row in &mut expected {
            row.favourites = favourites(&store, row.id).await;
        }
        expected.sort_by_key(|row| (-row.favourites, row.id));
        for (number, shown) in (1..).zip(expected.chunks(10)) {
            let found = store.stations(&page(number)).await.unwrap();
            assert_eq!(found.items, shown, "round {round}, page {number}");
        }
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_during_a_heart_leaves_no_old_value() {
    let (inner, directory) = Site::store().await;
    let store = cached(inner, &directory);
    let id = free();
    let before = favourites(&store, id).await;
    let mut write = Box::pin(store.keep(listener(1), id, NOW));
    // Polled once, and dropped while the database works.
    tokio::select! {
        biased;
        _ = &mut write => {}
        () = std::future::ready(()) => {}
    }
    drop(write);
    until(async || favourites(&store, id).await == before + 1).await;
}

/// A cluster of files whose replicas hear of writes late.
async fn late_cluster(directory: &TempDir, late: Duration) -> Arc<dyn Store> {
    let names = ["a", "b", "c"];
    let cluster = SqliteCluster::create(directory.path().join("cluster"), &names).unwrap();
    let nodes = names.map(|name| Node::new(name, cluster.target(name)));
    let pool = RwPool::builder(Sqlite::new()).nodes(nodes).connect().await.unwrap();
    let store = SqliteStore::replicated(pool.clone());
    store.fill(&Seed::small()).await.unwrap();
    until(async || {
        let nodes = pool.status().nodes;
        nodes.iter().filter(|node| node.state == NodeState::Replica).count() == 2
    })
    .await;
    for replica in ["b", "c"] {
        cluster.delay(replica, late).unwrap();
    }
    Arc::new(store)
}

/// Whether any of some hearts is missing from the value that is loaded right after it.
async fn keeps_the_past(store: &dyn Store) -> bool {
    let mut past = false;
    for id in free_ones().take(10) {
        let before = favourites(store, id).await;
        store.keep(listener(1), id, NOW).await.unwrap();
        past |= favourites(store, id).await == before;
        store.drop_favourite(listener(1), id).await.unwrap();
    }
    past
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_replica_never_fills_a_cache() {
    let directory = tempfile::tempdir().unwrap();
    let store = late_cluster(&directory, Duration::from_millis(300)).await;
    assert!(!keeps_the_past(&cached(Arc::clone(&store), &directory)).await);
    let from_anywhere = cached(Arc::new(Plain { store, answers: true }), &directory);
    assert!(keeps_the_past(&from_anywhere).await, "the control: loads on replicas");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_primary_replicas_answer_and_are_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = late_cluster(&directory, Duration::ZERO).await;
    let store = cached(store, &directory);
    assert!(store.station(station(1)).await.unwrap().is_some());
    SqliteCluster::open(directory.path().join("cluster")).unwrap().kill("a").unwrap();
    for _ in 0..2 {
        let ((), cost) = counted(async {
            assert!(store.station(station(2)).await.unwrap().is_some());
        })
        .await;
        assert_eq!(cost.queries, 1, "asked each time");
    }
    assert_eq!(queries(store.station(station(1))).await, 0, "what is known stays known");
    // A write that is on its way when the primary dies would be in doubt.
    until(async || store.nodes().await.nodes.iter().any(|node| node.state == "down")).await;
    assert!(store.keep(listener(1), station(1), NOW).await.is_err());
    assert_eq!(queries(store.station(station(1))).await, 0, "nothing was written, nothing is old");
}

#[tokio::test]
async fn a_write_in_doubt_makes_old_whatever_it_may_have_changed() {
    let (inner, directory) = Site::store().await;
    let store = cached(Arc::new(Plain { store: inner, answers: false }), &directory);
    let list = StationQuery::all(Window::page(1, 24));
    let id = free();
    let before = favourites(&store, id).await;
    store.stations(&list).await.unwrap();
    store.keep(listener(1), id, NOW).await.unwrap_err();
    assert_eq!(favourites(&store, id).await, before + 1);
    assert!(queries(store.stations(&list)).await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_cache_server_costs_no_answer() {
    let Some(_) = tools::require_or_skip("redis-server") else {
        return;
    };
    let (one, two) = (terrace_testkit::Redis::start(), terrace_testkit::Redis::start());
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let urls = [one.url(), two.url()];
    let (inner, _directory) = Site::store().await;
    let first = shared(Arc::clone(&inner), &urls);
    let ids: Vec<_> = (1..=60).map(station).collect();
    assert_eq!(first.these(&ids).await.unwrap().len(), 60);
    // Another app server finds what the first has loaded.
    until(async || {
        let second = shared(Arc::clone(&inner), &urls);
        queries(second.these(&ids)).await == 0
    })
    .await;
    one.kill().await.unwrap();
    let third = shared(Arc::clone(&inner), &urls);
    assert_eq!(third.these(&ids).await.unwrap().len(), 60);
    let id = free();
    let before = favourites(&third, id).await;
    first.keep(listener(1), id, NOW).await.unwrap();
    assert_eq!(favourites(&first, id).await, before + 1);
    until(async || favourites(&third, id).await == before + 1).await;
    until(async || third.saved_so_far().servers.iter().any(|server| !server.answering)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_does_not_find_the_rows_of_an_old_one() {
    let Some(_) = tools::require_or_skip("redis-server") else {
        return;
    };
    let server = terrace_testkit::Redis::start().await.unwrap();
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (id, urls) = (free(), [server.url()]);
    let store = shared(late_cluster(&old, Duration::ZERO).await, &urls);
    let before = favourites(&store, id).await;
    store.keep(listener(1), id, NOW).await.unwrap();
    assert_eq!(favourites(&store, id).await, before + 1);
    let again = shared(late_cluster(&new, Duration::ZERO).await, &urls);
    assert_eq!(favourites(&again, id).await, before);
}

#[tokio::test]
async fn a_bound_store_shares_the_caches_and_not_the_listener() {
    let directory = tempfile::tempdir().unwrap();
    let store = cached(late_cluster(&directory, Duration::from_millis(300)).await, &directory);
    let mut request = axum::http::Extensions::new();
    request.insert(CausalContext::new());
    let bound = store.within(&request).unwrap();
    store.station(station(9)).await.unwrap();
    assert_eq!(queries(bound.station(station(9))).await, 0);
    bound.keep(listener(1), station(9), NOW).await.unwrap();
    let kept = bound.kept(listener(1), &[station(9)]).await.unwrap();
    assert_eq!(kept, HashSet::from([station(9)]), "a listener sees their own heart at once");
}

/// A store that does not know where the newest rows are, and may lose the answers to its writes.
#[derive(Debug)]
struct Plain {
    store: Arc<dyn Store>,
    answers: bool,
}

#[async_trait]
impl Store for Plain {
    async fn stations(&self, query: &StationQuery) -> Result<Page<Station>, StoreError> {
        self.store.stations(query).await
    }
    async fn station(&self, id: StationId) -> Result<Option<Station>, StoreError> {
        self.store.station(id).await
    }
    async fn these(&self, ids: &[StationId]) -> Result<Vec<Station>, StoreError> {
        self.store.these(ids).await
    }
    async fn now_playing(
        &self,
        ids: &[StationId],
        now: i64,
    ) -> Result<Vec<NowPlaying>, StoreError> {
        self.store.now_playing(ids, now).await
    }
    async fn tracks(&self, station: StationId) -> Result<Vec<Track>, StoreError> {
        self.store.tracks(station).await
    }
    async fn programmes(&self, ids: &[StationId]) -> Result<Vec<Track>, StoreError> {
        self.store.programmes(ids).await
    }
    async fn track(&self, id: TrackId) -> Result<Option<Track>, StoreError> {
        self.store.track(id).await
    }
    async fn listener(&self, id: ListenerId) -> Result<Option<Listener>, StoreError> {
        self.store.listener(id).await
    }
    async fn favourites(
        &self,
        listener: ListenerId,
        window: Window,
    ) -> Result<Page<Station>, StoreError> {
        self.store.favourites(listener, window).await
    }
    async fn kept(
        &self,
        listener: ListenerId,
        ids: &[StationId],
    ) -> Result<HashSet<StationId>, StoreError> {
        self.store.kept(listener, ids).await
    }
    async fn keep(
        &self,
        listener: ListenerId,
        station: StationId,
        now: i64,
    ) -> Result<Option<Kept>, StoreError> {
        let kept = self.store.keep(listener, station, now).await;
        if self.answers { kept } else { support::gone() }
    }
    async fn drop_favourite(
        &self,
        listener: ListenerId,
        station: StationId,
    ) -> Result<Option<Kept>, StoreError> {
        self.store.drop_favourite(listener, station).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
