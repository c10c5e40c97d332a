//! What is over goes, and nobody waits for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use terrace_session::store::{Epoch, Guard, Patched};
use terrace_session::{ManualClock, Store, UnixMillis};

use super::{MINUTE, USE, at, create, key, load, patch, server, set, somebody, stranger, subject};

const MANY: i64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_thousand_that_are_over_are_swept_while_loads_go_on() {
    let Some(server) = server().await else { return };
    let store = Arc::new(at(&server).timeout(MINUTE).connect().await.unwrap());
    create(&store, 1, &stranger()).await;
    let mut client = server.connect().await.unwrap();
    let fill = "INSERT INTO terrace_sessions \
                (hash, tag, created, last_seen, expires, absolute, renewed, due) \
                SELECT sha256(n::text::bytea), '', 0, 0, n, n, 0, n \
                FROM generate_series(1, $1::bigint) n";
    client.execute(fill, &[&MANY]).await.unwrap();
    // One of them is in somebody's hands.
    let held = client.transaction().await.unwrap();
    let lock = "SELECT FROM terrace_sessions WHERE hash = sha256('5') FOR UPDATE";
    held.execute(lock, &[]).await.unwrap();

    let (done, loads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader = tokio::spawn({
        let (store, done, loads) = (Arc::clone(&store), Arc::clone(&done), Arc::clone(&loads));
        async move {
            while !done.load(Ordering::SeqCst) {
                assert!(load(&store, 1).await.is_some());
                loads.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    assert_eq!(store.sweep(10).await.unwrap(), 10, "not more than it may");
    let (one, other) = tokio::join!(store.sweep(usize::MAX), store.sweep(usize::MAX));
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    let swept = 10 + one.unwrap() + other.unwrap();
    assert_eq!(swept, usize::try_from(MANY).unwrap() - 1, "all but the one that was held");
    assert!(loads.load(Ordering::SeqCst) > 0);
    held.rollback().await.unwrap();
    assert_eq!(store.sweep(1000).await.unwrap(), 1);
    assert_eq!(store.sweep(1000).await.unwrap(), 0);
    assert!(load(&store, 1).await.is_some());
}

#[tokio::test]
async fn a_session_in_use_is_looked_at_again_when_it_may_be_over() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    clock.advance(20 * MINUTE);
    assert!(store.load(&key(1), USE).await.unwrap().unwrap().touched);
    clock.advance(15 * MINUTE);
    assert_eq!(store.sweep(1000).await.unwrap(), 0);
    let client = server.connect().await.unwrap();
    let sql = "SELECT due = expires FROM terrace_sessions";
    assert!(client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
    clock.advance(15 * MINUTE - Duration::from_millis(1));
    assert_eq!(store.sweep(1000).await.unwrap(), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(store.sweep(1000).await.unwrap(), 1);
}

#[tokio::test]
async fn an_epoch_is_forgotten_when_nobody_can_remember_an_older_one() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).connect().await.unwrap();
    create(&store, 1, &somebody("ada")).await;
    assert_eq!(store.revoke(&subject("ada"), None).await.unwrap(), 1);
    let first = store.epoch(&subject("ada")).await.unwrap();
    clock.advance(23 * 60 * MINUTE);
    store.sweep(1000).await.unwrap();
    assert_eq!(store.epoch(&subject("ada")).await.unwrap(), first);
    clock.advance(2 * 60 * MINUTE);
    store.sweep(1000).await.unwrap();
    assert_eq!(store.epoch(&subject("ada")).await.unwrap(), Epoch(0));
    store.revoke(&subject("ada"), None).await.unwrap();
    assert!(store.epoch(&subject("ada")).await.unwrap() > first, "it only grows");
}

#[tokio::test]
async fn a_revocation_ends_what_began_under_an_epoch_that_was_forgotten() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).connect().await.unwrap();
    store.revoke(&subject("ada"), None).await.unwrap();
    create(&store, 1, &somebody("ada")).await;
    server.connect().await.unwrap().batch_execute("DELETE FROM terrace_epochs").await.unwrap();
    // And the clock went backwards, so that the time alone would be an earlier epoch.
    clock.set(UnixMillis(1_700_000_000_000));
    assert!(load(&store, 1).await.is_some());
    assert_eq!(store.revoke(&subject("ada"), None).await.unwrap(), 1);
    assert!(load(&store, 1).await.is_none());
}

#[tokio::test]
async fn a_patch_finds_a_session_that_is_over_gone_before_it_is_swept() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    clock.advance(30 * MINUTE);
    assert_eq!(patch(&store, 1, &set("a", 1), Guard::Exists).await, Patched::Gone);
}
