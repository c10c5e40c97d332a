//! A server that hangs, refuses, goes away or must not write.

use std::sync::Arc;
use std::time::Duration;

use terrace_session::store::{Guard, Patched, Postgres};
use terrace_session::{ManualClock, Store, UnixMillis};
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::{PostgresCluster, tools};
use tokio::time::timeout;

use super::{MINUTE, USE, at, create, key, kind, load, patch, server, set, stranger};

const SHORT: Duration = Duration::from_millis(300);
const LOCK_ONE: &str =
    "SELECT FROM terrace_sessions WHERE substr(hash, 1, 2) = '\\x0001' FOR UPDATE";

async fn patched(store: &Postgres, number: u16) -> Result<Patched, terrace_session::StoreError> {
    store.patch(&key(number), &set("a", 1), Guard::Exists, Default::default()).await
}

#[tokio::test]
async fn a_lock_that_hangs_blocks_nobody_for_longer_than_the_limit() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).timeout(SHORT).pool_size(1).connect();
    let store = store.await.unwrap();
    create(&store, 1, &stranger()).await;
    create(&store, 2, &stranger()).await;
    let mut client = server.connect().await.unwrap();
    let held = client.transaction().await.unwrap();
    held.execute(LOCK_ONE, &[]).await.unwrap();
    assert_eq!(kind(patched(&store, 1).await), "unavailable");
    // Reading waits for nobody, also where a use is to be noted.
    clock.advance(10 * MINUTE);
    let loaded = store.load(&key(1), USE).await.unwrap().unwrap();
    assert!(!loaded.touched);
    assert!(matches!(patched(&store, 2).await, Ok(Patched::Applied { version: 2 })));
    held.rollback().await.unwrap();
    assert!(store.load(&key(1), USE).await.unwrap().unwrap().touched);
    assert!(matches!(patched(&store, 1).await, Ok(Patched::Applied { version: 2 })));
}

#[tokio::test]
async fn who_gives_up_leaves_no_busy_connection_to_the_next_one() {
    let Some(server) = server().await else { return };
    let store = at(&server).timeout(MINUTE).pool_size(1).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    create(&store, 2, &stranger()).await;
    let mut client = server.connect().await.unwrap();
    let held = client.transaction().await.unwrap();
    held.execute(LOCK_ONE, &[]).await.unwrap();
    assert!(timeout(SHORT, patched(&store, 1)).await.is_err(), "it waits for the lock");
    // With the connection given back this would wait behind the other.
    let next = timeout(MINUTE / 4, patch(&store, 2, &set("a", 1), Guard::Exists)).await;
    assert_eq!(next, Ok(Patched::Applied { version: 2 }));
}

#[tokio::test]
async fn no_connection_within_the_limit_is_unavailable() {
    let Some(server) = server().await else { return };
    let store = at(&server).timeout(3 * SHORT).pool_size(1).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    let store = Arc::new(store);
    let mut client = server.connect().await.unwrap();
    let held = client.transaction().await.unwrap();
    held.execute(LOCK_ONE, &[]).await.unwrap();
    let (one, other) = tokio::join!(patched(&store, 1), patched(&store, 1));
    assert_eq!((kind(one), kind(other)), ("unavailable", "unavailable"));
}

#[tokio::test]
async fn a_frozen_server_leaves_open_what_was_done() {
    let Some(server) = server().await else { return };
    let store = at(&server).timeout(SHORT).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    patch(&store, 1, &set("b", 1), Guard::Exists).await;
    server.stop().await.unwrap();
    assert_eq!(kind(patched(&store, 1).await), "unknown");
    // The connection was closed, and there will be no new one.
    assert_eq!(kind(patched(&store, 1).await), "unavailable");
    server.cont();
    let deadline = tokio::time::Instant::now() + MINUTE;
    while patched(&store, 1).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "it never came back");
    }
    assert!(load(&store, 1).await.is_some());
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_patch_leaves_open_what_was_done() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let url = format!("postgres://postgres@{}/postgres", proxy.addr());
    let store = Postgres::builder(&url).timeout(MINUTE).pool_size(1).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    patch(&store, 1, &set("b", 1), Guard::Exists).await;
    let mut client = server.connect().await.unwrap();
    let held = client.transaction().await.unwrap();
    held.execute(LOCK_ONE, &[]).await.unwrap();
    let (result, ()) = tokio::join!(patched(&store, 1), async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while held.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        proxy.set(Fault::Down).await;
    });
    assert_eq!(kind(result), "unknown");
    assert_eq!(kind(patched(&store, 1).await), "unavailable", "the port refuses");
    proxy.set(Fault::Pass).await;
    held.rollback().await.unwrap();
    assert!(patched(&store, 1).await.is_ok());
}

#[tokio::test]
async fn a_statement_that_an_operator_ends_has_done_nothing() {
    let Some(server) = server().await else { return };
    let store = at(&server).timeout(MINUTE).pool_size(1).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    let mut client = server.connect().await.unwrap();
    let held = client.transaction().await.unwrap();
    held.execute(LOCK_ONE, &[]).await.unwrap();
    let (result, ()) = tokio::join!(patched(&store, 1), async {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE wait_event_type = 'Lock'";
        while held.query_one(end, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert_eq!(kind(result), "unavailable");
    held.rollback().await.unwrap();
    assert_eq!(load(&store, 1).await.unwrap().record.version, 1);
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable() {
    let Some(server) = server().await else { return };
    let store = at(&server).connect().await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(kind(at(&server).connect().await), "unavailable");
    let deadline = tokio::time::Instant::now() + MINUTE;
    while kind(store.load(&key(1), USE).await) == "unknown" {
        assert!(tokio::time::Instant::now() < deadline);
    }
    assert_eq!(kind(store.load(&key(1), USE).await), "unavailable");
}

#[tokio::test]
async fn a_replica_answers_reads_and_refuses_writes() {
    if tools::require_or_skip("postgres").is_none() {
        return;
    }
    let cluster = PostgresCluster::start(1).await.unwrap();
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = Postgres::builder(&cluster.primary().url()).clock(clock.clone());
    let store = store.connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    cluster.catch_up().await.unwrap();
    let replica = Postgres::builder(&cluster.replicas()[0].url()).clock(clock.clone());
    let replica = replica.connect().await.unwrap();
    assert!(replica.load(&key(1), USE).await.unwrap().is_some());
    assert_eq!(kind(patched(&replica, 1).await), "unavailable");
    assert_eq!(kind(replica.delete(&key(1)).await), "unavailable");
    clock.advance(10 * MINUTE);
    assert_eq!(kind(replica.load(&key(1), USE).await), "unavailable");
}

#[tokio::test]
async fn a_server_that_knows_another_isolation_level_by_default_makes_no_difference() {
    let Some(server) = server().await else { return };
    server.configure("default_transaction_isolation", "'repeatable read'").await.unwrap();
    let store = at(&server).connect().await.unwrap();
    create(&store, 1, &super::somebody("ada")).await;
    assert_eq!(store.revoke(&super::subject("ada"), None).await.unwrap(), 1);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_the_password() {
    let builder = Postgres::builder("postgres://app:hunter2@127.0.0.1:1/app");
    assert!(!format!("{builder:?}").contains("hunter2"));
    let error = builder.connect().await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
