//! Futures that are dropped, closures that panic, connections that outlive their runtime.

use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::super::SqliteTarget;
use super::{Bed, get, put, sqlite};
use crate::backend::{Access, Backend as _, Fault};

/// Never ends by itself.
const LONG: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[tokio::test]
async fn a_dropped_read_is_interrupted_and_its_connection_is_not_used_again() {
    let bed = Bed::new(&["a"]).await;
    let mut reader = bed.reader("a").await;
    let (begun, began) = oneshot::channel();
    let endless = reader.read(move |c| {
        let _ = begun.send(());
        c.query_row(LONG, [], |row| row.get::<_, i64>(0))
    });
    tokio::select! {
        _ = endless => unreachable!("it does not end"),
        _ = began => {}
    }
    assert!(!bed.sqlite.is_open(&reader));
    let refused = tokio::time::timeout(Duration::from_secs(20), get(&mut reader, "a")).await;
    assert_eq!(refused.unwrap().unwrap_err().fault(), Fault::Broken);
    // Closing waits for the statement: if it were still running, the test would not end.
    drop(reader);
}

/// Whether a write whose future is `kept` or dropped, before its closure returns, commits.
async fn commits(kept: bool) -> Option<i64> {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    let (begun, began) = oneshot::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    let write = writer.write(move |t| {
        t.execute("INSERT INTO kv VALUES ('a', 1)", [])?;
        let _ = begun.send(());
        let _ = gate.recv();
        Ok(())
    });
    if kept {
        let release = async {
            began.await.unwrap();
            go_on.send(()).unwrap();
        };
        let (written, ()) = tokio::join!(write, release);
        written.unwrap();
    } else {
        tokio::select! {
            _ = write => unreachable!("it waits"),
            _ = began => {}
        }
        go_on.send(()).unwrap();
        assert!(!bed.sqlite.is_open(&writer));
        drop(writer);
    }
    // Takes the lock after it: whatever it did is done then.
    put(&mut bed.writer("a").await, "b", 1).await.unwrap();
    bed.get("a", "a").await
}

#[tokio::test]
async fn a_write_that_is_dropped_before_its_commit_does_not_commit() {
    assert_eq!(commits(false).await, None);
    assert_eq!(commits(true).await, Some(1), "the control");
}

#[tokio::test]
async fn a_dropped_transaction_leaves_the_connection_clean() {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    bed.sqlite.begin(&mut writer).await.unwrap();
    writer.within(|c| c.execute("INSERT INTO kv VALUES ('a', 1)", [])).await.unwrap();
    // The control: until then it is there, for this connection.
    assert_eq!(get(&mut writer, "a").await.unwrap(), Some(1));
    // What the pool does with a transaction that nobody ended.
    bed.sqlite.rollback(&mut writer).await.unwrap();
    assert!(bed.sqlite.is_open(&writer));
    assert_eq!(get(&mut writer, "a").await.unwrap(), None);
    put(&mut writer, "b", 2).await.unwrap();
    assert_eq!(bed.get("a", "a").await, None);
    assert_eq!(bed.get("a", "b").await, Some(2));
}

#[tokio::test]
async fn a_connection_that_is_dropped_in_a_transaction_keeps_no_lock() {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    bed.sqlite.begin(&mut writer).await.unwrap();
    writer.within(|c| c.execute("INSERT INTO kv VALUES ('a', 1)", [])).await.unwrap();
    drop(writer);
    put(&mut bed.writer("a").await, "b", 2).await.unwrap();
    assert_eq!(bed.get("a", "a").await, None);
}

#[tokio::test]
async fn a_closure_that_panics_is_an_error_and_commits_nothing() {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    let panicked = writer.write::<()>(|t| {
        t.execute("INSERT INTO kv VALUES ('a', 1)", [])?;
        panic!("on purpose")
    });
    let error = panicked.await.unwrap_err();
    assert!(error.to_string().contains("on purpose"), "{error}");
    assert_eq!(error.fault(), Fault::Broken);
    assert!(!bed.sqlite.is_open(&writer));
    drop(writer);
    put(&mut bed.writer("a").await, "b", 2).await.unwrap();
    assert_eq!(bed.get("a", "a").await, None);
}

#[test]
fn a_connection_may_outlive_its_runtime() {
    let dir = TempDir::new().unwrap();
    let target = SqliteTarget::file(dir.path().join("kv.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let running = runtime.block_on(sqlite().connect(&target, Access::ReadWrite)).unwrap();
    // Outside of the runtime, which still runs; then after it has ended.
    drop(running);
    let orphan = runtime.block_on(sqlite().connect(&target, Access::ReadWrite)).unwrap();
    drop(runtime);
    drop(orphan);
}
