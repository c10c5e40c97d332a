//! Every fault of Redis is brought about and observed from outside.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};
use terrace_testkit::process::is_alive;
use terrace_testkit::{Redis, tools};
use tokio::time::timeout;

/// What a test waits for in vain, where nothing must come.
const SHORT: Duration = Duration::from_millis(300);

fn installed() -> bool {
    tools::require_or_skip("redis-server").is_some()
}

async fn set(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    cmd("SET").arg("key").arg("value").exec_async(connection).await
}

async fn get(server: &Redis) -> Option<String> {
    let mut connection = server.connect().await.unwrap();
    let got = cmd("GET").arg("key").query_async(&mut connection).await;
    got.unwrap()
}

#[tokio::test]
async fn a_killed_server_refuses_and_comes_back_empty() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let mut connection = server.connect().await.unwrap();
    set(&mut connection).await.unwrap();
    assert_eq!(get(&server).await.as_deref(), Some("value"));
    server.kill().await.unwrap();
    assert!(set(&mut connection).await.is_err());
    assert!(server.connect().await.is_err());
    assert_eq!(server.pid(), None);

    server.restart().await.unwrap();
    assert_eq!(get(&server).await, None);
}

#[tokio::test]
async fn a_persistent_server_comes_back_with_its_data() {
    if !installed() {
        return;
    }
    let server = Redis::builder().persistent(true).start().await.unwrap();
    set(&mut server.connect().await.unwrap()).await.unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(get(&server).await.as_deref(), Some("value"));
    server.restart().await.unwrap();
    assert_eq!(get(&server).await.as_deref(), Some("value"));
}

#[tokio::test]
async fn a_frozen_server_is_silent_and_answers_when_it_goes_on() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let mut connection = server.connect().await.unwrap();
    server.stop().await.unwrap();
    let waiting = set(&mut connection);
    tokio::pin!(waiting);
    assert!(timeout(SHORT, &mut waiting).await.is_err());
    assert!(timeout(SHORT, server.connect()).await.is_err());
    server.cont();
    waiting.await.unwrap();
    assert_eq!(get(&server).await.as_deref(), Some("value"));
}

#[tokio::test]
async fn a_cluster_of_one_node_owns_every_slot_and_survives_a_crash() {
    if !installed() {
        return;
    }
    let server = Redis::start_cluster().await.unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let mut connection = server.connect().await.unwrap();
    let slots: Vec<redis::Value> =
        cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await.unwrap();
    let described = format!("{slots:?}");
    assert_eq!(slots.len(), 1, "{described}");
    for part in ["int(0)", "int(16383)", "127.0.0.1"] {
        assert!(described.contains(part), "{described}");
    }
    assert!(described.contains(&server.addr().port().to_string()));
    set(&mut connection).await.unwrap();
    let across: Result<redis::Value, _> =
        cmd("MGET").arg("key").arg("other").query_async(&mut connection).await;
    assert!(across.unwrap_err().to_string().contains("CrossSlot"));
}

#[tokio::test]
async fn control_a_single_server_knows_no_slots() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let mut connection = server.connect().await.unwrap();
    set(&mut connection).await.unwrap();
    let across: Vec<Option<String>> =
        cmd("MGET").arg("key").arg("other").query_async(&mut connection).await.unwrap();
    assert_eq!(across.len(), 2);
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let pid = server.pid().unwrap();
    server.stop().await.unwrap();
    drop(server);
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    if !installed() {
        return;
    }
    let builder = Redis::builder().setting("no-such-setting", "1");
    let message = builder.start().await.unwrap_err().to_string();
    assert!(message.contains("no-such-setting"), "{message}");
}
