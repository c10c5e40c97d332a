//! Commands that are sent twice, because the answer to the first was lost.

use ::redis::Value;
use ::redis::aio::MultiplexedConnection;
use terrace_testkit::tools;

use crate::store::redis::script::Script;

const EPOCH: &str = "users:3:{epoch}";

async fn server() -> Option<(terrace_testkit::Redis, MultiplexedConnection)> {
    tools::require_or_skip("redis-server")?;
    let server = terrace_testkit::Redis::start().await.unwrap();
    let connection = server.connect().await.unwrap();
    Some((server, connection))
}

async fn run(
    to: &mut MultiplexedConnection,
    script: Script,
    keys: &[&str],
    args: &[&str],
) -> Value {
    let mut command = ::redis::cmd("EVAL");
    command.arg(script.source()).arg(keys.len()).arg(keys).arg(args);
    command.query_async(to).await.unwrap()
}

async fn epoch(to: &mut MultiplexedConnection) -> Vec<u8> {
    ::redis::cmd("GET").arg(EPOCH).query_async(to).await.unwrap()
}

/// The epoch after a clear, and after the same once more with somebody else's in between.
async fn cleared_twice(to: &mut MultiplexedConnection, clear: &::redis::Cmd) -> [Vec<u8>; 2] {
    clear.exec_async(to).await.unwrap();
    let first = epoch(to).await;
    run(to, Script::Clear, &[EPOCH], &["another."]).await;
    clear.exec_async(to).await.unwrap();
    [first, epoch(to).await]
}

#[tokio::test]
async fn a_clear_that_is_sent_twice_does_not_bring_back_what_was_kept_in_between() {
    let Some((_server, mut to)) = server().await else { return };
    let mut clear = ::redis::cmd("EVAL");
    clear.arg(Script::Clear.source()).arg(1).arg(EPOCH).arg("12345678");
    let [first, last] = cleared_twice(&mut to, &clear).await;
    assert_ne!(first, last);
    assert_eq!(first.len(), 8);
    // The control: an epoch that is sent is there again.
    let mut set = ::redis::cmd("SET");
    set.arg(EPOCH).arg("12345678");
    let [first, last] = cleared_twice(&mut to, &set).await;
    assert_eq!(first, last);
}

#[tokio::test]
async fn a_lease_that_is_asked_for_twice_by_one_is_his() {
    let Some((_server, mut to)) = server().await else { return };
    let keys = ["users:3:i7,", "users:3:i7,{lease}", EPOCH];
    let won =
        Value::Array(vec![Value::BulkString(b"won".into()), Value::BulkString(b"12345678".into())]);
    let busy = Value::Array(vec![Value::BulkString(b"busy".into())]);
    for (token, wanted) in [('1', &won), ('1', &won), ('2', &busy), ('1', &won)] {
        let token = token.to_string().repeat(16);
        let args = [&token, "60000", "12345678", ""];
        assert_eq!(&run(&mut to, Script::Lease, &keys, &args).await, wanted);
    }
}

#[tokio::test]
async fn a_writer_who_asks_twice_does_not_contend_with_himself() {
    let Some((_server, mut to)) = server().await else { return };
    let keys = ["users:3:i7,{lease}", EPOCH];
    for (token, letter) in [('1', b'w'), ('1', b'w'), ('2', b'x'), ('2', b'x'), ('1', b'x')] {
        let token = token.to_string().repeat(16);
        run(&mut to, Script::LeaseForWrite, &keys, &[&token, "60000", "12345678"]).await;
        let held: Vec<u8> = ::redis::cmd("GET").arg(keys[0]).query_async(&mut to).await.unwrap();
        assert_eq!(held[0], letter);
    }
}
