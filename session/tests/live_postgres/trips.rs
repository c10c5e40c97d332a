//! What an operation costs: round trips, and writes.

use terrace_session::expiry::Touch;
use terrace_session::store::{Change, Guard, Postgres};
use terrace_session::{ManualClock, Store, UnixMillis};

use super::relay::Relay;
use super::{
    MINUTE, USE, at, create, is_rotated, key, load, login, patch, renewal, rotation, server, set,
    somebody, stranger, subject,
};

#[tokio::test]
async fn each_operation_is_one_round_trip() {
    let Some(server) = server().await else { return };
    let relay = Relay::start(server.addr()).await;
    let store = Postgres::builder(&relay.url()).pool_size(1).connect().await.unwrap();
    // The first round prepares the statements, which is a trip more.
    for (round, prepared) in [(0, 2), (100, 1)] {
        relay.trips();
        create(&store, round, &stranger()).await;
        assert_eq!(relay.trips(), prepared, "create");
        load(&store, round).await.unwrap();
        assert_eq!(relay.trips(), prepared, "load");
        patch(&store, round, &set("a", 1), Guard::Exists).await;
        assert_eq!(relay.trips(), prepared, "patch");
        let change = Change::Login { authentication: login("ada", None), keep_values: true };
        let rotated = store.rotate(&key(round), &key(round + 1), &rotation(change)).await.unwrap();
        assert!(is_rotated(&rotated));
        assert_eq!(relay.trips(), prepared, "rotate");
        assert_eq!(store.list(&subject("ada")).await.unwrap().len(), 1);
        assert_eq!(relay.trips(), prepared, "list");
        assert_eq!(store.revoke(&subject("ada"), None).await.unwrap(), 1);
        assert_eq!(relay.trips(), prepared, "revoke");
        store.epoch(&subject("ada")).await.unwrap();
        assert_eq!(relay.trips(), prepared, "epoch");
        store.delete(&key(round)).await.unwrap();
        assert_eq!(relay.trips(), prepared, "delete");
        store.sweep(1000).await.unwrap();
        assert_eq!(relay.trips(), prepared, "sweep");
    }
}

#[tokio::test]
async fn a_use_that_is_noted_is_one_round_trip() {
    let Some(server) = server().await else { return };
    let relay = Relay::start(server.addr()).await;
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let builder = Postgres::builder(&relay.url()).pool_size(1).clock(clock.clone());
    let store = builder.connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    load(&store, 1).await.unwrap();
    relay.trips();
    clock.advance(5 * MINUTE);
    assert!(store.load(&key(1), USE).await.unwrap().unwrap().touched);
    assert_eq!(relay.trips(), 1);
}

/// Where the row of session 1 is, and who wrote or locked it last.
async fn row(server: &terrace_testkit::Postgres) -> String {
    let client = server.connect().await.unwrap();
    let sql = "SELECT concat_ws(' ', ctid, xmin, xmax) FROM terrace_sessions";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_read_writes_nothing_until_a_use_is_to_be_noted() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).connect().await.unwrap();
    create(&store, 1, &somebody("ada")).await;
    let before = row(&server).await;
    for _ in 0..20 {
        clock.advance(MINUTE / 10);
        assert!(!store.load(&key(1), USE).await.unwrap().unwrap().touched);
    }
    assert_eq!(row(&server).await, before, "a read has written");
    // The control: this would be seen.
    clock.advance(5 * MINUTE);
    assert!(store.load(&key(1), USE).await.unwrap().unwrap().touched);
    assert_ne!(row(&server).await, before);
}

#[tokio::test]
async fn noting_a_use_writes_to_no_index() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).pool_size(1).connect().await.unwrap();
    create(&store, 1, &somebody("ada")).await;
    let uses = 8;
    for _ in 0..uses {
        clock.advance(4 * MINUTE);
        assert!(store.load(&key(1), USE).await.unwrap().unwrap().touched);
    }
    // A connection that ends hands in what it has counted.
    drop(store);
    let client = server.connect().await.unwrap();
    let sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'terrace_sessions'";
    let counted = async || {
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let deadline = tokio::time::Instant::now() + MINUTE;
    while counted().await.0 < uses {
        assert!(tokio::time::Instant::now() < deadline, "the counters never came");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(counted().await, (uses, uses));
}

#[tokio::test]
async fn the_first_load_under_a_new_key_is_written_and_the_second_is_not() {
    let Some(server) = server().await else { return };
    let store = at(&server).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    assert!(is_rotated(&store.rotate(&key(1), &key(2), &renewal()).await.unwrap()));
    let moved = row(&server).await;
    assert!(store.load(&key(1), Touch::Never).await.unwrap().unwrap().moved);
    assert_eq!(row(&server).await, moved, "the old key tells nothing");
    assert!(!store.load(&key(2), Touch::Never).await.unwrap().unwrap().moved);
    let seen = row(&server).await;
    assert_ne!(seen, moved);
    load(&store, 2).await.unwrap();
    assert_eq!(row(&server).await, seen);
}
