//! What is on the server: that it goes by itself, that nothing is lost to it, and what others wrote there.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use terrace_session::expiry::{Lifetime, Touch};
use terrace_session::store::{
    Change, Created, Guard, NewSession, Patched, Rotated, Store, SubjectLimit, WhenFull,
};
use terrace_session::{Limits, StoreError};

use crate::world::{
    ALICE, HOUR, Outcome, alice, ask, builder, key, log_in, login, new, rotation, server,
    session_name, set, store, stranger, subject, until,
};

const BRIEF: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_leave_nothing_behind() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    let events: Vec<String> =
        ask(&mut connection, &["CONFIG", "GET", "notify-keyspace-events"]).await;
    assert_eq!(events.last().map(String::as_str), Some(""));
    let create = |number: u32| {
        let store = store.clone();
        async move {
            // A hundred subjects with a hundred sessions each.
            let tag = (number % 100).to_be_bytes();
            let who = subject(&format!("user-{}", number % 100), tag);
            let made = store.create(&key(tag, number), &new(Some(login(who)), BRIEF)).await;
            assert!(matches!(made, Ok(Created::Created { .. })), "{made:?}");
        }
    };
    stream::iter(0..10_000).map(create).buffer_unordered(64).collect::<Vec<()>>().await;
    until("an empty server", async || ask::<u64>(&mut connection, &["DBSIZE"]).await == 0).await;
}

/// The control: a key without an end stays, and would be seen.
#[tokio::test]
async fn a_key_without_an_end_would_be_seen() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    store.create(&key(ALICE, 1), &new(Some(login(alice())), BRIEF)).await.unwrap();
    ask::<()>(&mut connection, &["PERSIST", &index()]).await;
    let session = session_name("terrace", &key(ALICE, 1));
    until("the session's end", async || {
        ask::<u64>(&mut connection, &["EXISTS", &session]).await == 0
    })
    .await;
    until("all other ends", async || ask::<u64>(&mut connection, &["DBSIZE"]).await == 1).await;
    assert_eq!(ask::<u64>(&mut connection, &["ZCARD", &index()]).await, 1);
    // Not for ever: the next creation cleans up.
    store.create(&key(ALICE, 2), &new(Some(login(alice())), HOUR)).await.unwrap();
    assert_eq!(ask::<u64>(&mut connection, &["ZCARD", &index()]).await, 1);
}

fn index() -> String {
    let name = session_name("terrace", &key(ALICE, 1));
    format!("{}:i", name.split(":s:").next().unwrap())
}

#[tokio::test]
async fn every_key_has_an_end() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    let (one, two, three) = (key(ALICE, 1), key(ALICE, 2), key([3; 4], 3));
    store.create(&three, &stranger()).await.unwrap();
    store.rotate(&three, &one, &log_in(alice())).await.unwrap();
    let grace = Duration::from_secs(10);
    let renewed = store.rotate(&one, &two, &rotation(Change::Renew { grace })).await.unwrap();
    assert!(matches!(renewed, Rotated::Rotated { .. }));
    store.create(&key(ALICE, 4), &new(Some(login(alice())), HOUR)).await.unwrap();
    store.revoke(&alice(), Some(&two)).await.unwrap();
    let keys: Vec<String> = ask(&mut connection, &["KEYS", "*"]).await;
    // The session, what leads to it, the index, the listing and the epochs; the other session goes at its leisure.
    assert!(keys.len() >= 5, "{keys:?}");
    for name in keys {
        let ttl: i64 = ask(&mut connection, &["PTTL", &name]).await;
        assert!(ttl > 0 || ttl == -2, "{name} has {ttl}");
    }
}

#[tokio::test]
async fn stores_under_two_prefixes_do_not_see_each_other() {
    let Some(server) = server().await else { return };
    let one = builder(&server).prefix("one").connect().await.unwrap();
    let two = builder(&server).prefix("two").connect().await.unwrap();
    let id = key(ALICE, 1);
    one.create(&id, &new(Some(login(alice())), HOUR)).await.unwrap();
    assert!(two.load(&id, Touch::Never).await.unwrap().is_none());
    assert!(two.list(&alice()).await.unwrap().is_empty());
    assert_eq!(two.revoke(&alice(), None).await.unwrap(), 0);
    assert!(one.load(&id, Touch::Never).await.unwrap().is_some());
}

#[tokio::test]
async fn fields_of_a_later_version_stay_and_move_along() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    let (one, two, three) = (key([5; 4], 1), key(ALICE, 2), key(ALICE, 3));
    store.create(&one, &stranger()).await.unwrap();
    ask::<()>(&mut connection, &["HSET", &session_name("terrace", &one), "zebra", "\u{0}stripes"])
        .await;
    store.patch(&one, &set("a", 1), Guard::Exists, Limits::default()).await.unwrap();
    store.rotate(&one, &two, &log_in(alice())).await.unwrap();
    let grace = Duration::from_secs(10);
    store.rotate(&two, &three, &rotation(Change::Renew { grace })).await.unwrap();
    let loaded = store.load(&three, Touch::Never).await.unwrap().unwrap();
    assert_eq!(loaded.record.values.len(), 1);
    let kept: String =
        ask(&mut connection, &["HGET", &session_name("terrace", &three), "zebra"]).await;
    assert_eq!(kept, "\u{0}stripes");
}

#[tokio::test]
async fn names_of_values_are_never_those_of_what_is_known_of_a_session() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let id = key(ALICE, 1);
    store.create(&id, &new(Some(login(alice())), HOUR)).await.unwrap();
    let before = store.load(&id, Touch::Never).await.unwrap().unwrap().record;
    for name in ["v", "s", "h", "x", "f", "m", "n", "=s", "=", "subject", "ü", "a b"] {
        let patched = store.patch(&id, &set(name, 1), Guard::Exists, Limits::default()).await;
        assert!(matches!(patched, Ok(Patched::Applied { .. })), "{name}");
    }
    let after = store.load(&id, Touch::Never).await.unwrap().unwrap().record;
    assert_eq!((after.version, after.values.len()), (13, 12));
    assert_eq!((&after.subject, after.expires), (&before.subject, before.expires));
}

#[tokio::test]
async fn what_is_no_session_is_an_error_and_stays_as_it_is() -> Outcome {
    let Some(server) = server().await else { return Ok(()) };
    let store = store(&server).await;
    let mut connection = server.connect().await?;
    let id = key([5; 4], 1);
    let name = session_name("terrace", &id);
    let garbage: [&[&str]; 6] = [
        &["SET", &name, "text"],
        &["RPUSH", &name, "a", "list"],
        &["HSET", &name, "f", "2", "v", "1"],
        &["HSET", &name, "f", "1", "v", "one"],
        &["HSET", &name, "f", "1", "v", "1", "c", "1", "l", "1", "x", "9e9", "a", "1", "r", "1"],
        &["HSET", &name, "f", "1", "m", "nowhere"],
    ];
    for line in garbage {
        ask::<()>(&mut connection, &["DEL", &name]).await;
        ask::<()>(&mut connection, line).await;
        let before: String = ask(&mut connection, &["OBJECT", "ENCODING", &name]).await;
        let patch = set("a", 1);
        let errors = [
            store.load(&id, Touch::Never).await.map(drop),
            store.patch(&id, &patch, Guard::Exists, Limits::default()).await.map(drop),
            store.delete(&id).await.map(drop),
            store.rotate(&id, &key([5; 4], 2), &rotation(Change::Elevate)).await.map(drop),
        ];
        for error in errors {
            assert!(matches!(error, Err(StoreError::Invalid(_))), "{line:?}: {error:?}");
        }
        let after: String = ask(&mut connection, &["OBJECT", "ENCODING", &name]).await;
        assert_eq!(before, after);
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_no_json_is_an_error_and_no_panic() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    let id = key([5; 4], 1);
    store.create(&id, &stranger()).await.unwrap();
    redis::cmd("HSET")
        .arg(session_name("terrace", &id))
        .arg("=a")
        .arg(b"\xff\xfe")
        .exec_async(&mut connection)
        .await
        .unwrap();
    let loaded = store.load(&id, Touch::Never).await;
    assert!(matches!(loaded, Err(StoreError::Invalid(_))), "{loaded:?}");
}

#[tokio::test]
async fn subjects_that_share_a_tag_share_nothing_else() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let bob = subject("bob", ALICE);
    let one_each = SubjectLimit { sessions: 1, when_full: WhenFull::EvictOldest };
    let limited = |who| {
        let mut login = login(who);
        login.limit = Some(one_each);
        new(Some(login), HOUR)
    };
    store.create(&key(ALICE, 1), &limited(alice())).await.unwrap();
    store.create(&key(ALICE, 2), &limited(bob.clone())).await.unwrap();
    let third = store.create(&key(ALICE, 3), &limited(bob.clone())).await.unwrap();
    assert!(matches!(third, Created::Created { evicted: 1, .. }), "{third:?}");
    assert_eq!(store.list(&bob).await.unwrap().len(), 1);
    assert_eq!(store.revoke(&bob, None).await.unwrap(), 1);
    assert_eq!(store.epoch(&alice()).await.unwrap().0, 0);
    assert_eq!(store.list(&alice()).await.unwrap().first().map(|one| one.key), Some(key(ALICE, 1)));
    assert!(store.load(&key(ALICE, 1), Touch::Never).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_without_memory_still_answers_reads_and_logs_out() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let mut connection = server.connect().await.unwrap();
    let (one, two) = (key(ALICE, 1), key(ALICE, 2));
    store.create(&one, &new(Some(login(alice())), HOUR)).await.unwrap();
    // The scripts are known, so that only what they do is refused.
    store.rotate(&one, &two, &rotation(Change::Elevate)).await.unwrap();
    store.patch(&two, &set("a", 1), Guard::Exists, Limits::default()).await.unwrap();
    ask::<()>(&mut connection, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let touch = Touch::Use { idle: 2 * HOUR, after: Duration::ZERO };
    let loaded = store.load(&two, touch).await.unwrap().unwrap();
    assert!(!loaded.touched);
    let refused = [
        store.patch(&two, &set("a", 2), Guard::Exists, Limits::default()).await.map(drop),
        store.rotate(&two, &one, &rotation(Change::Elevate)).await.map(drop),
        store
            .create(
                &key(ALICE, 3),
                &NewSession {
                    authentication: None,
                    values: Default::default(),
                    lifetime: Lifetime { idle: HOUR, absolute: HOUR },
                },
            )
            .await
            .map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    let still = store.load(&two, Touch::Never).await.unwrap().unwrap();
    assert_eq!(still.record, loaded.record, "half of something was done");
    assert!(store.delete(&two).await.unwrap());
}
