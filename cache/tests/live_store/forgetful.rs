//! Servers that forget, and servers that remember what they should have forgotten.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use terrace_cache::store::redis::Redis;
use terrace_cache::store::{Filled, OpenStore, Store};

use crate::world::{KEEP, LEASE, PATIENCE, eventually, key, put, servers, tag, terms, value, win};

pub(crate) fn open(url: &str) -> Arc<dyn Store> {
    let redis = Redis::new([url]).unwrap().budget(PATIENCE).breaker(Duration::from_millis(1));
    redis.open(terms("users", LEASE))
}

pub(crate) async fn raw(server: &terrace_testkit::Redis, command: &[&str]) -> redis::Value {
    let mut connection: MultiplexedConnection = server.connect().await.unwrap();
    let (name, args) = command.split_first().unwrap();
    let mut command = redis::cmd(name);
    command.arg(args);
    command.query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_lease_of_before_a_restart_fills_nothing() {
    let Some(mut servers) = servers(1).await else { return };
    let server = servers.swap_remove(0);
    let store = open(&server.url());
    let lease = win(&store, &key(&7)).await.unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    // Somebody else loads at the same time now.
    let other = open(&server.url());
    win(&other, &key(&7)).await.unwrap();
    assert_eq!(store.fill(&key(&7), &lease, "old".into(), KEEP).await, Ok(Filled::Refused));
    assert_eq!(value(&store, &key(&7)).await, Ok(None));
    assert_eq!(store.hold_tags(&lease, &[tag(1)]).await, Ok(None));
}

/// The server comes back with everything that it had at its last save. It cannot know what was
/// removed since.
#[tokio::test]
async fn what_a_server_remembers_from_before_its_restart_is_not_found() {
    if terrace_testkit::tools::require_or_skip("redis-server").is_none() {
        return;
    }
    let server = terrace_testkit::Redis::builder().persistent(true).start().await.unwrap();
    let store = open(&server.url());
    let lease = win(&store, &key(&7)).await.unwrap();
    let versions = store.hold_tags(&lease, &[tag(1)]).await.unwrap().unwrap();
    store.fill(&key(&7), &lease, "old".into(), KEEP).await.unwrap();
    let late = win(&store, &key(&8)).await.unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    for store in [&store, &open(&server.url())] {
        assert_eq!(value(store, &key(&7)).await, Ok(None));
    }
    assert_eq!(store.fill(&key(&8), &late, "old".into(), KEEP).await, Ok(Filled::Refused));
    assert_eq!(store.hold_tags(&late, &[tag(1)]).await, Ok(None));
    // The control: it is all still there.
    let there = raw(&server, &["GET", key(&7).as_str()]).await;
    let redis::Value::BulkString(there) = there else { panic!("{there:?}") };
    assert!(there.ends_with(b"old"));
    let cell = format!("users:3:{{tag:{}}}", "01".repeat(16));
    let there = raw(&server, &["GET", &cell]).await;
    assert_eq!(there, redis::Value::BulkString(versions[0].to_string().into()));
    assert_eq!(store.tag_versions(&[tag(1)]).await, Ok(vec![None]));
    // A new load goes on from there, whether the new count is above the old or below.
    let lease = win(&store, &key(&9)).await.unwrap();
    let again = store.hold_tags(&lease, &[tag(1)]).await.unwrap().unwrap();
    assert_ne!(again, versions);
    put(&store, &key(&7), "new").await.unwrap();
}

/// The server saves, is told to forget, and dies before it saves again.
#[tokio::test]
async fn what_was_removed_after_the_last_save_stays_removed() {
    let Some(servers) = servers(2).await else { return };
    let urls: Vec<String> = servers.iter().map(terrace_testkit::Redis::url).collect();
    let redis = Redis::new(&urls).unwrap().budget(PATIENCE).breaker(Duration::from_millis(1));
    let store = redis.open(terms("users", LEASE));
    let keys: Vec<_> = (0..40).map(|n| key(&n)).collect();
    for key in &keys {
        put(&store, key, "old").await.unwrap();
    }
    let tags: Vec<_> = (0..40).map(tag).collect();
    let lease = win(&store, &key(&99)).await.unwrap();
    let held = store.hold_tags(&lease, &tags).await.unwrap().unwrap();
    raw(&servers[0], &["SAVE"]).await;
    store.remove(&keys).await.unwrap();
    store.bump_tags(&tags).await.unwrap();
    servers[0].kill().await.unwrap();
    servers[0].restart().await.unwrap();
    eventually("it answers", async || store.fetch(&keys).await.iter().all(Result::is_ok)).await;
    for fetched in store.fetch(&keys).await {
        assert_eq!(fetched.unwrap().value, None);
    }
    // An entry on the other node, if it were good with any of its tags.
    let late = store.hold_tags(&lease, &tags).await;
    assert_eq!(late, Ok(None));
    for _ in 0..2 {
        let versions = store.tag_versions(&tags).await.unwrap();
        for (held, now) in held.iter().zip(&versions) {
            assert_ne!(Some(*held), *now);
        }
        // Nor when the tags have been held again by others.
        let other = win(&store, &key(&98)).await.unwrap();
        assert!(store.hold_tags(&other, &tags).await.unwrap().is_some());
        store.release(&key(&98), &other).await.unwrap();
    }
    // The control: the server has brought all of it back.
    let redis::Value::Int(back) = raw(&servers[0], &["DBSIZE"]).await else { panic!("no number") };
    assert!(back > 20, "{back}");
}

#[tokio::test]
async fn a_restart_without_a_greeting_in_between_is_one_run() {
    let Some(mut servers) = servers(1).await else { return };
    let server = servers.swap_remove(0);
    put(&open(&server.url()), &key(&7), "new").await.unwrap();
    // A second process connects to the same run, and changes nothing.
    assert_eq!(value(&open(&server.url()), &key(&7)).await, Ok(Some("new".into())));
}

/// An entry is on one node and its tag on another, which forgets it.
#[tokio::test]
async fn a_tag_whose_node_forgot_it_fits_no_entry_and_no_load() {
    let Some(servers) = servers(2).await else { return };
    let urls: Vec<String> = servers.iter().map(terrace_testkit::Redis::url).collect();
    let redis = Redis::new(&urls).unwrap().budget(PATIENCE).breaker(Duration::from_millis(1));
    let store = redis.open(terms("users", LEASE));
    let tags: Vec<_> = (0..20).map(tag).collect();
    store.bump_tags(&tags).await.unwrap();
    let old = store.tag_versions(&tags).await.unwrap();
    let leases = [win(&store, &key(&1)).await.unwrap(), win(&store, &key(&2)).await.unwrap()];
    servers[0].kill().await.unwrap();
    servers[0].restart().await.unwrap();
    eventually("it answers", async || store.tag_versions(&tags).await.is_ok()).await;
    let new = store.tag_versions(&tags).await.unwrap();
    let forgotten: Vec<usize> = (0..20).filter(|n| new[*n].is_none()).collect();
    assert!(!forgotten.is_empty() && forgotten.len() < 20, "{forgotten:?}");
    for n in &forgotten {
        for lease in &leases {
            assert_eq!(store.hold_tags(lease, &[tags[*n]]).await, Ok(None));
        }
    }
    // Counting began anew, and not where an old number could be met again.
    store.bump_tags(&tags).await.unwrap();
    let newer = store.tag_versions(&tags).await.unwrap();
    for n in forgotten {
        assert!(newer[n].is_some() && newer[n] != old[n]);
        assert_eq!(store.hold_tags(&leases[0], &[tags[n]]).await, Ok(None));
    }
}

#[tokio::test]
async fn what_is_flushed_evicted_or_expired_costs_entries_and_is_never_wrong() {
    let Some(mut servers) = servers(1).await else { return };
    let server = servers.swap_remove(0);
    let store = open(&server.url());
    for lost in [
        vec!["FLUSHALL"],
        vec!["DEL", "users:3:{epoch}"],
        vec!["DEL", "users:3:{bumps}"],
        vec!["DEL", "users:3:{epoch}", "users:3:{bumps}", "users:3:{run}"],
    ] {
        store.remove(&[key(&7)]).await.unwrap();
        let lease = win(&store, &key(&7)).await.unwrap();
        store.bump_tags(&[tag(1)]).await.unwrap();
        raw(&server, &lost).await;
        let held = store.hold_tags(&lease, &[tag(1)]).await;
        assert_eq!(held, Ok(None), "{lost:?}");
        let filled = store.fill(&key(&7), &lease, "old".into(), KEEP).await.unwrap();
        let epoch_lost = lost.len() == 1 || lost.contains(&"users:3:{epoch}");
        assert_eq!(filled == Filled::Refused, epoch_lost, "{lost:?}");
        store.remove(&[key(&7)]).await.unwrap();
        put(&store, &key(&7), "new").await.unwrap();
        assert_eq!(value(&store, &key(&7)).await, Ok(Some("new".into())));
    }
    // A tag that is evicted.
    let before = win(&store, &key(&8)).await.unwrap();
    let held = store.hold_tags(&before, &[tag(2)]).await.unwrap().unwrap();
    store.bump_tags(&[tag(2)]).await.unwrap();
    raw(&server, &["DEL", &format!("users:3:{{tag:{}}}", "02".repeat(16))]).await;
    assert_eq!(store.tag_versions(&[tag(2)]).await, Ok(vec![None]));
    assert_eq!(store.hold_tags(&before, &[tag(2)]).await, Ok(None));
    let after = win(&store, &key(&9)).await.unwrap();
    let again = store.hold_tags(&after, &[tag(2)]).await.unwrap().unwrap();
    assert_ne!(held, again);
}

#[tokio::test]
async fn scripts_that_a_server_forgot_are_sent_again() {
    let Some(mut servers) = servers(1).await else { return };
    let server = servers.swap_remove(0);
    let redis = Redis::new([server.url()]).unwrap().budget(PATIENCE);
    let store = redis.open(terms("users", LEASE));
    for _ in 0..2 {
        raw(&server, &["SCRIPT", "FLUSH"]).await;
        let lease = win(&store, &key(&7)).await.unwrap();
        raw(&server, &["SCRIPT", "FLUSH"]).await;
        assert!(store.hold_tags(&lease, &[tag(1)]).await.unwrap().is_some());
        raw(&server, &["SCRIPT", "FLUSH"]).await;
        assert_eq!(store.fill(&key(&7), &lease, "new".into(), KEEP).await, Ok(Filled::Kept));
        raw(&server, &["SCRIPT", "FLUSH"]).await;
        store.bump_tags(&[tag(1)]).await.unwrap();
        store.remove(&[key(&7)]).await.unwrap();
    }
    assert_eq!(redis.nodes()[0].connections, 1);
}
