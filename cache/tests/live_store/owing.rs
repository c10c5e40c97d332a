//! Processes that owe a node an invalidation.

use std::sync::Arc;

use terrace_cache::store::{Store, StoreError};
use terrace_testkit::fault::{Fault, FaultProxy};

use crate::forgetful::{open, raw};
use crate::world::{eventually, fetch, key, put, servers, tag, value};

/// A process that cannot reach a node removes a key; another one can reach it.
struct Owing {
    server: terrace_testkit::Redis,
    proxy: FaultProxy,
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
}

impl Owing {
    async fn start() -> Option<Self> {
        let server = servers(1).await?.swap_remove(0);
        let proxy = FaultProxy::start(server.addr()).await.unwrap();
        let store = open(&format!("redis://{}", proxy.addr()));
        let other = open(&server.url());
        for n in 0..5 {
            put(&other, &key(&n), "old").await.unwrap();
            assert_eq!(value(&store, &key(&n)).await, Ok(Some("old".into())));
        }
        Some(Self { server, proxy, store, other })
    }

    /// What this process finds until the node answers it again.
    async fn back(&self, n: i32) -> Option<String> {
        self.proxy.set(Fault::Pass).await;
        let mut found = None;
        eventually("it answers", async || match fetch(&self.store, &key(&n)).await {
            Ok(fetched) => {
                found = fetched.value.map(|value| String::from_utf8_lossy(&value).into_owned());
                true
            }
            Err(_) => false,
        })
        .await;
        found
    }
}

#[tokio::test]
async fn a_removal_that_failed_is_done_before_the_node_is_used_again() {
    let Some(owing) = Owing::start().await else { return };
    owing.proxy.set(Fault::Down).await;
    owing.store.remove(&[key(&1)]).await.unwrap_err();
    // The control: for others it is still there, and so it would be for this process.
    assert_eq!(value(&owing.other, &key(&1)).await, Ok(Some("old".into())));
    assert_eq!(owing.store.capabilities().reachable, 0);
    assert_eq!(owing.back(1).await, None);
    assert_eq!(value(&owing.other, &key(&1)).await, Ok(None));
    assert_eq!(value(&owing.store, &key(&2)).await, Ok(Some("old".into())));
    assert_eq!(owing.store.capabilities().reachable, 1);
}

#[tokio::test]
async fn control_a_node_to_which_nothing_is_owed_still_has_it() {
    let Some(owing) = Owing::start().await else { return };
    owing.proxy.set(Fault::Down).await;
    fetch(&owing.store, &key(&1)).await.unwrap_err();
    assert_eq!(owing.back(1).await, Some("old".into()));
}

#[tokio::test]
async fn a_clear_and_a_bump_that_failed_are_done_before_the_node_is_used_again() {
    let Some(owing) = Owing::start().await else { return };
    owing.other.bump_tags(&[tag(1)]).await.unwrap();
    let before = owing.other.tag_versions(&[tag(1)]).await.unwrap();
    owing.proxy.set(Fault::Down).await;
    owing.store.bump_tags(&[tag(1)]).await.unwrap_err();
    assert_eq!(owing.back(3).await, Some("old".into()));
    assert_ne!(owing.other.tag_versions(&[tag(1)]).await.unwrap(), before);
    owing.proxy.set(Fault::Down).await;
    owing.store.clear().await.unwrap_err();
    assert_eq!(owing.back(3).await, None);
    assert_eq!(value(&owing.other, &key(&3)).await, Ok(None));
}

#[tokio::test]
async fn more_keys_than_are_remembered_become_a_clear() {
    let Some(owing) = Owing::start().await else { return };
    owing.proxy.set(Fault::Down).await;
    let many: Vec<_> = (100..10_101).map(|n| key(&n)).collect();
    owing.store.remove(&many).await.unwrap_err();
    assert_eq!(owing.back(3).await, None);
}

/// A node that answers, and takes no writes.
#[tokio::test]
async fn a_node_that_refuses_an_invalidation_is_not_used_until_it_takes_it() {
    let Some(owing) = Owing::start().await else { return };
    raw(&owing.server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    raw(&owing.server, &["CONFIG", "SET", "replica-serve-stale-data", "yes"]).await;
    let refused = owing.store.remove(&[key(&1)]).await.unwrap_err();
    let StoreError::Refused { reason, .. } = refused else { panic!("{refused}") };
    assert!(reason.contains("READONLY"), "{reason}");
    for _ in 0..20 {
        fetch(&owing.store, &key(&1)).await.unwrap_err();
    }
    raw(&owing.server, &["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(owing.back(1).await, None);
}
