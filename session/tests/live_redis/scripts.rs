//! Scripts: how many trips they cost, and a server that forgets them.

use std::time::Duration;

use terrace_session::Limits;
use terrace_session::expiry::Touch;
use terrace_session::store::{Change, Created, Guard, Patched, Redis, Rotated, Store};

use crate::world::{
    ALICE, HOUR, TOUCH, alice, ask, builder, commands, key, log_in, login, new, rotation, server,
    set, store, stranger, until,
};

/// One after the other, each operation, and what its answer says.
async fn each(store: &Redis) -> [(&'static str, bool); 9] {
    let (one, two, three) = (key(ALICE, 1), key(ALICE, 2), key([9; 4], 3));
    let created = store.create(&three, &stranger()).await.unwrap();
    let moved = store.rotate(&three, &one, &log_in(alice())).await.unwrap();
    let loaded = store.load(&one, TOUCH).await.unwrap();
    let patch = set("a", 1);
    let patched = store.patch(&one, &patch, Guard::Exists, Limits::default()).await.unwrap();
    let elevated = store.rotate(&one, &two, &rotation(Change::Elevate)).await.unwrap();
    let list = store.list(&alice()).await.unwrap();
    let deleted = store.delete(&two).await.unwrap();
    let revoked = store.revoke(&alice(), None).await.unwrap();
    let epoch = store.epoch(&alice()).await.unwrap();
    [
        ("create", matches!(created, Created::Created { .. })),
        ("login", matches!(moved, Rotated::Rotated { .. })),
        ("load", loaded.is_some()),
        ("patch", matches!(patched, Patched::Applied { version: 2 })),
        ("elevate", matches!(elevated, Rotated::Rotated { .. })),
        ("list", list.len() == 1),
        ("delete", deleted),
        ("revoke", revoked == 0),
        ("epoch", epoch.0 > 1_700_000_000_000),
    ]
}

#[tokio::test]
async fn every_operation_is_one_trip() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    // The first time a server reads the scripts.
    assert!(each(&store).await.iter().all(|(_, done)| *done));
    let before = commands(&mut connection).await;
    let done = each(&store).await;
    let after = commands(&mut connection).await;
    assert!(done.iter().all(|(_, done)| *done), "{done:?}");
    let asked = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    assert_eq!((asked("evalsha"), asked("eval")), (9, 0));
}

#[tokio::test]
async fn a_rolling_read_is_one_trip_and_a_second_one_writes_nothing() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    let one = key(ALICE, 1);
    store.create(&one, &new(Some(login(alice())), HOUR)).await.unwrap();
    let seldom = Touch::Use { idle: 2 * HOUR, after: Duration::from_millis(1) };
    until("a use that is noted", async || store.load(&one, seldom).await.unwrap().unwrap().touched)
        .await;
    let before = commands(&mut connection).await;
    let later = Touch::Use { idle: 2 * HOUR, after: HOUR };
    for _ in 0..10 {
        assert!(!store.load(&one, later).await.unwrap().unwrap().touched);
    }
    let after = commands(&mut connection).await;
    let asked = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    assert_eq!((asked("evalsha"), asked("hset"), asked("pexpire"), asked("zadd")), (10, 0, 0, 0));
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    assert!(each(&store).await.iter().all(|(_, done)| *done));
    ask::<()>(&mut connection, &["SCRIPT", "FLUSH"]).await;
    let before = commands(&mut connection).await;
    let done = each(&store).await;
    let after = commands(&mut connection).await;
    assert!(done.iter().all(|(_, done)| *done), "{done:?}");
    let asked = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    // Login and elevation are one script.
    assert_eq!((asked("evalsha"), asked("eval")), (9, 8));
}

#[tokio::test]
async fn a_server_that_was_restarted_is_told_them_too() {
    let Some(server) = server().await else { return };
    let store = builder(&server).connect().await.unwrap();
    assert!(each(&store).await.iter().all(|(_, done)| *done));
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    until("the server's return", async || store.epoch(&alice()).await.is_ok()).await;
    assert_eq!(store.epoch(&alice()).await.unwrap().0, 0, "it came back empty");
    let done = each(&store).await;
    assert!(done.iter().all(|(_, done)| *done), "{done:?}");
}
