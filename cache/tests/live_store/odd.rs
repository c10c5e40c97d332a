//! What else may be on a node, or be wrong with it.

use std::sync::Arc;

use terrace_cache::store::nodes::Pick;
use terrace_cache::store::redis::Redis;
use terrace_cache::store::{Filled, OpenStore, Store, StoreError};

use crate::world::{KEEP, LEASE, PATIENCE, fetch, key, put, servers, tag, terms, value, win};

struct One {
    server: terrace_testkit::Redis,
    redis: Redis,
    store: Arc<dyn Store>,
}

impl One {
    async fn start() -> Option<Self> {
        let server = servers(1).await?.swap_remove(0);
        let redis = Redis::new([server.url()]).unwrap().budget(PATIENCE);
        let store = redis.open(terms("users", LEASE));
        Some(Self { server, redis, store })
    }

    async fn raw(&self, command: &[&[u8]]) -> redis::Value {
        let mut connection = self.server.connect().await.unwrap();
        let mut packed = redis::Cmd::new();
        command.iter().for_each(|part| drop(packed.arg(*part).clone()));
        packed.query_async(&mut connection).await.unwrap()
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_none_and_is_overwritten() {
    let Some(one) = One::start().await else { return };
    let name = key(&7);
    one.raw(&[b"RPUSH", name.as_str().as_bytes(), b"made by hand"]).await;
    one.raw(&[b"HSET", b"users:3:i7,{lease}", b"made", b"by hand"]).await;
    assert_eq!(value(&one.store, &name).await, Ok(None));
    put(&one.store, &name, "new").await.unwrap();
    assert_eq!(value(&one.store, &name).await, Ok(Some("new".into())));
}

#[tokio::test]
async fn cells_of_another_type_or_form_are_made_anew() {
    for made in
        [&[&b"RPUSH"[..], b"by hand"][..], &[b"SET", b"x"], &[b"SET", b""], &[b"SET", b"-5"]]
    {
        let Some(one) = One::start().await else { return };
        put(&one.store, &key(&7), "old").await.unwrap();
        let tag_cell = format!("users:3:{{tag:{}}}", "01".repeat(16));
        for cell in
            ["users:3:{epoch}", "users:3:{bumps}", "users:3:{first}", "users:3:{run}", &tag_cell]
        {
            one.raw(&[b"DEL", cell.as_bytes()]).await;
            one.raw(&[made[0], cell.as_bytes(), made[1]]).await;
        }
        // A process that meets them when it comes, and one that has been there.
        for store in [
            &one.store,
            &Redis::new([one.server.url()]).unwrap().budget(PATIENCE).open(terms("users", LEASE)),
        ] {
            assert_eq!(value(store, &key(&7)).await, Ok(None));
            let lease = win(store, &key(&7)).await.unwrap();
            let held = store.hold_tags(&lease, &[tag(1)]).await.unwrap();
            assert!(held.is_some(), "{made:?}");
            store.bump_tags(&[tag(1)]).await.unwrap();
            let filled = store.fill(&key(&7), &lease, "new".into(), KEEP).await;
            assert_eq!(filled, Ok(Filled::Kept));
            store.remove(&[key(&7)]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn bytes_that_somebody_put_there_are_no_value() {
    let Some(one) = One::start().await else { return };
    let name = key(&7);
    for garbage in [&b""[..], b"x", b"1234567", b"12345678", b"12345678 and more", &[0; 64]] {
        one.raw(&[b"SET", name.as_str().as_bytes(), garbage]).await;
        assert_eq!(value(&one.store, &name).await, Ok(None));
        put(&one.store, &name, "new").await.unwrap();
        assert_eq!(value(&one.store, &name).await, Ok(Some("new".into())));
    }
    // Somebody cuts a value short: what is left is somebody else's to judge, if anything is.
    for (end, left) in [("7", Some("")), ("6", None)] {
        one.store.remove(std::slice::from_ref(&name)).await.unwrap();
        put(&one.store, &name, "new").await.unwrap();
        let script = format!(
            "redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, {end})) return 1"
        );
        one.raw(&[b"EVAL", script.as_bytes(), b"1", name.as_str().as_bytes()]).await;
        assert_eq!(value(&one.store, &name).await, Ok(left.map(str::to_owned)));
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_before_it_is_sent() {
    let Some(one) = One::start().await else { return };
    let store = one.redis.clone().largest(1_000).open(terms("users", LEASE));
    for (size, kept) in [(1_000, true), (1_001, false)] {
        let lease = win(&store, &key(&size)).await.unwrap();
        let filled = store.fill(&key(&size), &lease, vec![7; size].into(), KEEP).await;
        match filled {
            Ok(Filled::Kept) => assert!(kept),
            Err(StoreError::Refused { reason, .. }) => assert!(!kept && reason.contains("1001")),
            other => panic!("{other:?}"),
        }
    }
    assert!(one.redis.nodes()[0].answering);
}

#[tokio::test]
async fn a_server_that_is_full_refuses_and_stays_in_use() {
    if terrace_testkit::tools::require_or_skip("redis-server").is_none() {
        return;
    }
    let builder = terrace_testkit::Redis::builder().setting("maxmemory", "3mb");
    let server = builder.setting("maxmemory-policy", "noeviction").start().await.unwrap();
    let redis = Redis::new([server.url()]).unwrap().budget(PATIENCE);
    let store = redis.open(terms("users", LEASE));
    let mut refused = None;
    for n in 0..100 {
        match store.lease(&[crate::world::want(&key(&n))]).await.swap_remove(0) {
            Ok(terrace_cache::store::Leased::Won(lease)) => {
                let filled = store.fill(&key(&n), &lease, vec![7; 100_000].into(), KEEP).await;
                if let Err(error) = filled {
                    refused = Some((n, error));
                    break;
                }
            }
            Err(error) => {
                refused = Some((n, error));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let (n, error) = refused.unwrap();
    assert!(
        matches!(&error, StoreError::Refused { reason, .. } if reason.contains("OOM")),
        "{error}"
    );
    assert!(fetch(&store, &key(&0)).await.unwrap().value.is_some());
    // What is invalidated makes room, and needs none.
    store.remove(&(0..=n).map(|n| key(&n)).collect::<Vec<_>>()).await.unwrap();
    put(&store, &key(&0), "new").await.unwrap();
}

/// A server with a user `app` of password `right` that has these rights.
async fn with_user(rights: &str) -> Option<terrace_testkit::Redis> {
    let server = servers(1).await?.swap_remove(0);
    let mut connection = server.connect().await.unwrap();
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("app").arg("on").arg(">right");
    command.arg(rights.split_whitespace().collect::<Vec<_>>());
    command.exec_async(&mut connection).await.unwrap();
    Some(server)
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let Some(server) = with_user("~users:* +@all").await else { return };
    let url = |password: &str| format!("redis://app:{password}@{}", server.addr());
    let store = |password: &str| {
        Redis::new([url(password)]).unwrap().budget(PATIENCE).open(terms("users", LEASE))
    };
    let error = fetch(&store("wrong"), &key(&7)).await.unwrap_err().to_string();
    assert!(
        error.contains("WRONGPASS") || error.to_lowercase().contains("authentication"),
        "{error}"
    );
    assert!(!error.contains(">right") && !error.contains("wrong@"), "{error}");
    put(&store("right"), &key(&7), "new").await.unwrap();
}

#[tokio::test]
async fn the_rights_that_are_documented_suffice() {
    let rights = "~users:* -@all +info +mget +set +unlink +time +eval +evalsha +script|load +get \
                  +getrange +strlen +del +incr";
    let Some(server) = with_user(rights).await else { return };
    let url = format!("redis://app:right@{}", server.addr());
    let store = Redis::new([url]).unwrap().budget(PATIENCE).open(terms("users", LEASE));
    put(&store, &key(&7), "new").await.unwrap();
    assert_eq!(value(&store, &key(&7)).await, Ok(Some("new".into())));
    let lease = store.lease_for_write(&key(&8)).await.unwrap();
    assert!(store.hold_tags(&lease, &[tag(1)]).await.unwrap().is_some());
    store.release(&key(&8), &lease).await.unwrap();
    store.bump_tags(&[tag(1)]).await.unwrap();
    store.tag_versions(&[tag(1)]).await.unwrap();
    store.remove(&[key(&7)]).await.unwrap();
    store.clear().await.unwrap();
}

/// An application's own choice; one that is out of bounds, too.
#[derive(Debug)]
struct Last(usize);

impl Pick for Last {
    fn node(&self, _: &[u8], nodes: &[String]) -> usize {
        nodes.len() - 1 + self.0 * nodes.len()
    }
}

#[tokio::test]
async fn an_applications_own_choice_of_nodes_is_followed() {
    let Some(servers) = servers(3).await else { return };
    let urls: Vec<String> = servers.iter().map(terrace_testkit::Redis::url).collect();
    for beyond in [0, 5] {
        let redis = Redis::new(&urls).unwrap().budget(PATIENCE).pick(Last(beyond));
        let store = redis.open(terms("users", LEASE));
        for n in 0..10 {
            store.remove(&[key(&n)]).await.unwrap();
            put(&store, &key(&n), "new").await.unwrap();
        }
    }
    for (place, server) in servers.iter().enumerate() {
        let mut connection = server.connect().await.unwrap();
        let exist = redis::cmd("EXISTS").arg(key(&3).as_str()).query_async(&mut connection).await;
        assert_eq!(exist, Ok(usize::from(place == 2)));
    }
}

#[tokio::test]
async fn many_keys_are_one_command_a_node() {
    let Some(one) = One::start().await else { return };
    put(&one.store, &key(&7), "new").await.unwrap();
    one.raw(&[b"CONFIG", b"RESETSTAT"]).await;
    let keys: Vec<_> = (0..100).map(|n| key(&n)).collect();
    assert!(one.store.fetch(&keys).await.iter().all(Result::is_ok));
    one.store.tag_versions(&[tag(1), tag(2)]).await.unwrap();
    one.store.remove(&keys).await.unwrap();
    one.store.bump_tags(&[tag(1), tag(2)]).await.unwrap();
    let redis::Value::BulkString(stats) = one.raw(&[b"INFO", b"commandstats"]).await else {
        panic!("no statistics")
    };
    let stats = String::from_utf8(stats).unwrap();
    for (command, calls) in [("mget", 2), ("unlink", 1), ("evalsha", 1)] {
        let wanted = format!("cmdstat_{command}:calls={calls},");
        assert!(stats.contains(&wanted), "{wanted} {stats}");
    }
    assert!(!stats.contains("cmdstat_eval:"), "{stats}");
    assert_eq!(one.redis.nodes()[0].connections, 1);
}

#[tokio::test]
async fn caches_of_one_process_share_connections_and_nothing_else() {
    let Some(one) = One::start().await else { return };
    let other = one.redis.open(terms("tracks", LEASE));
    put(&one.store, &key(&7), "new").await.unwrap();
    other.clear().await.unwrap();
    other.bump_tags(&[tag(1)]).await.unwrap();
    assert_eq!(value(&one.store, &key(&7)).await, Ok(Some("new".into())));
    assert_eq!(one.store.tag_versions(&[tag(1)]).await, Ok(vec![None]));
    assert_eq!(one.redis.nodes()[0].connections, 1);
}
