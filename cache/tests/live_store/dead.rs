//! Nodes that do not answer.

use std::sync::Arc;
use std::time::Duration;

use terrace_cache::store::redis::Redis;
use terrace_cache::store::{Leased, OpenStore, Store, StoreError};
use terrace_testkit::fault::{Fault, FaultProxy};
use tokio::time::Instant;

use crate::world::{
    LEASE, PATIENCE, eventually, fetch, key, lease, put, servers, terms, value, want, win,
};

/// No test is to see a window end that does not want to.
const NEVER: Duration = Duration::from_secs(3_600);
const BUDGET: Duration = Duration::from_millis(100);

/// A node behind a proxy, and what it cost to be there.
struct Node {
    server: terrace_testkit::Redis,
    proxy: FaultProxy,
}

impl Node {
    async fn start() -> Option<Self> {
        let server = servers(1).await?.swap_remove(0);
        let proxy = FaultProxy::start(server.addr()).await.unwrap();
        Some(Self { server, proxy })
    }

    fn redis(&self) -> Redis {
        Redis::new([format!("redis://{}", self.proxy.addr())]).unwrap()
    }
}

fn open(redis: &Redis) -> Arc<dyn Store> {
    redis.open(terms("users", LEASE))
}

fn outcome<T>(result: &Result<T, StoreError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.as_str(),
    }
}

/// How many of fifty calls wait, one after another, of a node that went silent.
async fn waits(node: &Node, redis: &Redis, silence: Fault) -> usize {
    let store = open(redis);
    eventually("it answers", async || fetch(&store, &key(&7)).await.is_ok()).await;
    node.proxy.set(silence).await;
    let mut waits = 0;
    for _ in 0..50 {
        match outcome(&fetch(&store, &key(&7)).await) {
            "timeout" => waits += 1,
            "open" => {}
            other => panic!("a fetch of a silent node: {other}"),
        }
    }
    waits
}

#[tokio::test]
async fn a_silent_node_makes_one_call_wait_in_a_window() {
    for silence in [Fault::BlackHole, Fault::HalfOpen] {
        let Some(node) = Node::start().await else { return };
        // Longer than the first call takes, with a connection to make on a busy machine.
        let redis = node.redis().budget(Duration::from_secs(2)).breaker(NEVER);
        let began = Instant::now();
        assert_eq!(waits(&node, &redis, silence).await, 1);
        // Fifty budgets would be a hundred seconds.
        let took = Instant::now().saturating_duration_since(began);
        assert!(took < Duration::from_secs(50), "{took:?}");
        assert_eq!(redis.nodes()[0].opened, 1);
    }
}

#[tokio::test]
async fn control_without_a_window_every_call_waits() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().budget(Duration::from_millis(20)).breaker(Duration::from_millis(1));
    let mut all = waits(&node, &redis, Fault::BlackHole).await;
    let store = open(&redis);
    eventually("many wait", async || {
        all += usize::from(outcome(&fetch(&store, &key(&7)).await) == "timeout");
        all >= 10
    })
    .await;
}

#[tokio::test]
async fn of_all_who_come_after_a_window_one_waits() {
    let Some(node) = Node::start().await else { return };
    let window = Duration::from_millis(200);
    let redis = node.redis().budget(BUDGET).breaker(window);
    assert!(waits(&node, &redis, Fault::BlackHole).await >= 1);
    let store = open(&redis);
    // Until somebody is the one who asks.
    let mut rounds = Vec::new();
    eventually("one waits", async || {
        let before = redis.nodes()[0].opened;
        let all = (0..50).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { outcome(&fetch(&store, &key(&7)).await) })
        });
        let all: Vec<_> = all.collect();
        let mut waited = 0;
        for one in all {
            waited += usize::from(one.await.unwrap() == "timeout");
        }
        // A window is longer than a budget, so fifty that come at a time meet one window.
        rounds.push((waited, redis.nodes()[0].opened - before));
        waited > 0
    })
    .await;
    assert!(rounds.iter().all(|(waited, opened)| *waited as u64 == *opened), "{rounds:?}");
}

#[tokio::test]
async fn a_frozen_server_is_left_alone_and_used_again_when_it_goes_on() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().breaker(Duration::from_millis(100)).budget(Duration::from_secs(1));
    let store = open(&redis);
    eventually("it is filled", async || put(&store, &key(&7), "new").await.is_ok()).await;
    node.server.stop().await.unwrap();
    let first = outcome(&fetch(&store, &key(&7)).await);
    assert_eq!(first, "timeout");
    assert_eq!(store.capabilities().reachable, 0);
    node.server.cont();
    eventually("it is found", async || value(&store, &key(&7)).await == Ok(Some("new".into())))
        .await;
    assert_eq!(store.capabilities().reachable, 1);
}

#[tokio::test]
async fn a_node_that_is_down_at_the_start_is_used_when_it_is_up() {
    let Some(node) = Node::start().await else { return };
    node.proxy.set(Fault::Down).await;
    let redis = node.redis().budget(PATIENCE).breaker(Duration::from_millis(50));
    let store = open(&redis);
    assert_eq!(redis.nodes()[0].connections, 0);
    assert_eq!(outcome(&fetch(&store, &key(&7)).await), "unreachable");
    assert_eq!(outcome(&fetch(&store, &key(&7)).await), "open");
    assert_eq!(outcome(&store.remove(&[key(&7)]).await), "open");
    node.proxy.set(Fault::Pass).await;
    eventually("it is filled", async || put(&store, &key(&7), "new").await.is_ok()).await;
}

#[tokio::test]
async fn a_connection_that_broke_while_nobody_used_it_is_nobodys_failure() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().budget(PATIENCE).breaker(NEVER);
    let store = open(&redis);
    put(&store, &key(&7), "new").await.unwrap();
    node.proxy.set(Fault::Reset).await;
    node.proxy.until(|counts| counts.open == 0).await;
    node.proxy.set(Fault::Pass).await;
    assert_eq!(value(&store, &key(&7)).await, Ok(Some("new".into())));
    let state = &redis.nodes()[0];
    assert_eq!((state.answering, state.opened, state.connections), (true, 0, 2));
}

#[tokio::test]
async fn a_dead_node_costs_its_own_keys_and_tags_and_no_others() {
    let nodes = [Node::start().await, Node::start().await, Node::start().await];
    let [Some(a), Some(b), Some(c)] = nodes else { return };
    let urls = [&a, &b, &c].map(|node| format!("redis://{}", node.proxy.addr()));
    let redis = Redis::new(&urls).unwrap().budget(PATIENCE).breaker(NEVER);
    let store = open(&redis);
    let keys: Vec<_> = (0..60).map(|n| key(&n)).collect();
    let tags: Vec<_> = (0..60).map(crate::world::tag).collect();
    for key in &keys {
        put(&store, key, "new").await.unwrap();
    }
    store.bump_tags(&tags).await.unwrap();
    a.proxy.set(Fault::Down).await;
    let fetched = store.fetch(&keys).await;
    let found = fetched.iter().filter(|one| matches!(one, Ok(one) if one.value.is_some())).count();
    let failed = fetched.iter().filter(|one| one.is_err()).count();
    assert!(found + failed == 60 && (20..=58).contains(&found), "{found} found, {failed} failed");
    assert_eq!(store.capabilities().reachable, 2);
    // The same keys fail again, and nobody else has them.
    for (before, now) in fetched.iter().zip(store.fetch(&keys).await) {
        assert_eq!(before.is_err(), now.is_err());
    }
    let versions = store.tag_versions(&tags).await.unwrap();
    let known = versions.iter().filter(|version| version.is_some()).count();
    assert!((20..=58).contains(&known), "{known} tags");
    // A key of a live node may be filled, without tags of the dead one.
    let alive = (100..200).map(|n| key(&n));
    let mut won = 0;
    for key in alive {
        if let Ok(Leased::Won(got)) = lease(&store, want(&key)).await {
            won += 1;
            let nones = got.sequences.iter().filter(|sequence| sequence.is_none()).count();
            assert_eq!(nones, 1, "{got:?}");
            assert_eq!(store.hold_tags(&got, &tags).await, Ok(None));
        }
    }
    assert!(won > 20, "{won}");
    // An invalidation of everything is not done, and what is alive is cleared all the same.
    assert!(
        matches!(store.clear().await, Err(StoreError::Open { node }) if node.contains(&a.proxy.addr().to_string()))
    );
    let fetched = store.fetch(&keys).await;
    assert!(fetched.iter().all(|one| !matches!(one, Ok(one) if one.value.is_some())));
}

#[tokio::test]
async fn nothing_removed_comes_back_while_a_connection_flaps() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().budget(Duration::from_secs(1)).breaker(Duration::from_millis(1));
    let store = open(&redis);
    let step = Duration::from_millis(3);
    node.proxy.set(Fault::Flapping { up: step, down: step }).await;
    let mut done = 0;
    for n in 0..150 {
        let kept = put(&store, &key(&n), "old").await.is_ok();
        if store.remove(&[key(&n)]).await.is_ok() {
            done += usize::from(kept);
            if let Ok(fetched) = fetch(&store, &key(&n)).await {
                assert_eq!(fetched.value, None, "key {n}");
            }
        }
    }
    node.proxy.set(Fault::Pass).await;
    // What failed is done by now or is about to be.
    eventually("it answers", async || fetch(&store, &key(&0)).await.is_ok()).await;
    for n in 0..150 {
        assert_eq!(value(&store, &key(&n)).await, Ok(None), "key {n}, {done} done");
    }
}

#[tokio::test]
async fn garbage_from_a_server_is_an_error_and_a_new_connection() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().budget(Duration::from_secs(1)).breaker(Duration::from_millis(1));
    let store = open(&redis);
    eventually("it is filled", async || put(&store, &key(&7), "new").await.is_ok()).await;
    for garbage in
        [&b"\0\xff!\r\n"[..], b"$99999999999999\r\n", b"*-7\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
    {
        node.proxy.set(Fault::Garbage(bytes::Bytes::copy_from_slice(garbage))).await;
        let _ = fetch(&store, &key(&7)).await;
        node.proxy.set(Fault::Pass).await;
        eventually("it is found", async || value(&store, &key(&7)).await == Ok(Some("new".into())))
            .await;
    }
}

#[tokio::test]
async fn an_invalidation_whose_caller_goes_away_is_done_all_the_same() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().budget(PATIENCE);
    let (store, other) = (open(&redis), open(&node.redis().budget(PATIENCE)));
    put(&store, &key(&7), "old").await.unwrap();
    let keys = [key(&7)];
    let mut removal = Box::pin(store.remove(&keys));
    // Begun, and dropped.
    std::future::poll_fn(|cx| {
        let _ = removal.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
    drop(removal);
    eventually("it is gone", async || value(&other, &key(&7)).await == Ok(None)).await;
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_ends_by_itself() {
    let Some(node) = Node::start().await else { return };
    let redis = node.redis().budget(Duration::from_millis(300)).breaker(Duration::from_millis(1));
    let store = redis.open(terms("users", Duration::from_millis(500)));
    eventually("it answers", async || fetch(&store, &key(&7)).await.is_ok()).await;
    // The server gets the question; the answer goes nowhere.
    node.proxy.set(Fault::CutAfter(1)).await;
    let _ = win(&store, &key(&7)).await;
    node.proxy.set(Fault::Pass).await;
    eventually("it is leased again", async || win(&store, &key(&7)).await.is_ok()).await;
}
