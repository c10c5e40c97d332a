//! What is kept: over crashes, over versions, byte by byte.

use terrace_session::store::{Change, Guard, Patched};
use terrace_session::{ManualClock, Store, UnixMillis, Value};

use super::{
    MINUTE, USE, at, create, is_rotated, key, kind, load, login, name, patch, renewal, rotation,
    server, set, somebody, stranger, subject,
};

#[tokio::test]
async fn sessions_outlive_a_server_that_is_killed() {
    let Some(server) = server().await else { return };
    let store = at(&server).connect().await.unwrap();
    create(&store, 1, &somebody("ada")).await;
    patch(&store, 1, &set("a", 1), Guard::Exists).await;
    server.kill().await.unwrap();
    assert_eq!(kind(load_error(&store).await), "unavailable");
    server.restart().await.unwrap();
    let loaded = load(&store, 1).await.unwrap();
    assert_eq!(loaded.record.values[&name("a")].as_json(), "1");
}

/// What the store says while its server is dead. A connection that has not noticed yet cannot know what was done.
async fn load_error(
    store: &terrace_session::store::Postgres,
) -> Result<(), terrace_session::StoreError> {
    let deadline = tokio::time::Instant::now() + MINUTE;
    loop {
        match store.load(&key(1), USE).await {
            Err(terrace_session::StoreError::Unknown(_))
                if tokio::time::Instant::now() < deadline => {}
            other => return other.map(|_| ()),
        }
    }
}

#[tokio::test]
async fn unlogged_sessions_are_lost_in_a_crash_as_the_documentation_says() {
    let Some(server) = server().await else { return };
    let store = at(&server).unlogged(true).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let _ = load_error(&store).await;
    assert!(load(&store, 1).await.is_none());
    create(&store, 2, &stranger()).await;
}

#[tokio::test]
async fn what_a_newer_version_added_is_kept_by_this_one() {
    let Some(server) = server().await else { return };
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = at(&server).clock(clock.clone()).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    load(&store, 1).await.unwrap();
    let client = server.connect().await.unwrap();
    // Under the feet of a connection that has prepared all statements.
    let add = "ALTER TABLE terrace_sessions ADD COLUMN note text DEFAULT 'new'; \
               UPDATE terrace_sessions SET note = 'kept'";
    client.batch_execute(add).await.unwrap();
    clock.advance(10 * MINUTE);
    assert!(store.load(&key(1), USE).await.unwrap().unwrap().touched);
    patch(&store, 1, &set("a", 1), Guard::Exists).await;
    let change = Change::Login { authentication: login("ada", None), keep_values: true };
    let moves = [(key(1), key(2), rotation(change)), (key(2), key(3), renewal())];
    for (old, new, rotation) in moves {
        assert!(is_rotated(&store.rotate(&old, &new, &rotation).await.unwrap()));
    }
    assert_eq!(store.list(&subject("ada")).await.unwrap().len(), 1);
    let note = client.query_one("SELECT note FROM terrace_sessions", &[]).await.unwrap();
    assert_eq!(note.get::<_, &str>(0), "kept");
    create(&store, 9, &stranger()).await;
}

#[tokio::test]
async fn bytes_that_neither_text_nor_jsonb_can_hold_are_kept() {
    let Some(server) = server().await else { return };
    let store = at(&server).connect().await.unwrap();
    let mut new = somebody("a\0da 🦀");
    if let Some(login) = &mut new.authentication {
        login.device.label = Some("\0".into());
        login.device.agent = Some(String::new());
    }
    let texts = [
        "1.0e1",
        "\"\\u0000\"",
        "\"\0\"",
        "{\"b\":1, \"a\":2,\"a\":3}",
        "123456789012345678901234567890",
        " [1]\n",
    ];
    for (number, text) in texts.iter().enumerate() {
        // One of them is no JSON.
        let Ok(value) = Value::from_json(text) else { continue };
        new.values.insert(name(&format!("{number} \"'\\ é")), value);
    }
    assert_eq!(new.values.len(), 5);
    let created = create(&store, 1, &new).await;
    let loaded = load(&store, 1).await.unwrap();
    assert_eq!(loaded.record, created.record);
    assert_eq!(*loaded.record.values, new.values);
    assert_eq!(loaded.record.subject.as_deref(), Some("a\0da 🦀"));
    let device = new.authentication.unwrap().device;
    assert_eq!(loaded.record.device, device);
    let listed = store.list(&subject("a\0da 🦀")).await.unwrap();
    assert_eq!(listed[0].device, device);
}

#[tokio::test]
async fn what_somebody_else_wrote_into_a_row_is_an_error_and_no_panic() {
    let Some(server) = server().await else { return };
    let store = at(&server).connect().await.unwrap();
    create(&store, 1, &somebody("ada")).await;
    let client = server.connect().await.unwrap();
    for garbage in [
        "data = '{\"a\": 1}'",
        "data = '{\"a\": \"{\"}'",
        "data = '[]'",
        "data = '{}', version = -1",
        "version = 1, subject = '\\xff'",
    ] {
        let update = format!("UPDATE terrace_sessions SET {garbage}");
        client.batch_execute(&update).await.unwrap();
        assert_eq!(kind(store.load(&key(1), USE).await), "invalid", "{garbage}");
    }
    client.batch_execute("UPDATE terrace_sessions SET subject = NULL, tag = ''").await.unwrap();
    client.batch_execute("UPDATE terrace_sessions SET subject = 'ada'").await.unwrap();
    assert_eq!(kind(store.list(&subject("ada")).await), "invalid");
    assert!(store.delete(&key(1)).await.unwrap(), "it can be ended all the same");
    assert_eq!(patch(&store, 1, &set("a", 1), Guard::Exists).await, Patched::Gone);
}

#[tokio::test]
async fn a_pool_of_the_application_will_do() {
    let Some(server) = server().await else { return };
    let pool =
        deadpool_postgres::Manager::new(server.url().parse().unwrap(), tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(pool).max_size(2).build().unwrap();
    let store = terrace_session::store::Postgres::from_pool(pool).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    assert!(load(&store, 1).await.is_some());
}
