//! The pool over an embedded cluster: `call` on each guard, and what happens in between.

use std::time::{Duration, UNIX_EPOCH};

use rusqlite::OptionalExtension as _;
use tokio::time::{Instant, sleep};

use super::super::Sqlite;
use super::{Bed, sqlite};
use crate::{CausalContext, Error, ErrorKind, Node, NodeState, Outcome, RwPool, Standing};

async fn pool(bed: &Bed, names: &[&str]) -> RwPool<Sqlite> {
    let nodes = names.iter().map(|name| Node::new(*name, bed.cluster.target(name)));
    let pool = RwPool::builder(sqlite()).nodes(nodes).seed(7).connect().await.unwrap();
    until("all nodes are known", || {
        pool.status().nodes.iter().all(|node| node.state != NodeState::Unknown)
    })
    .await;
    pool
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        let waited = Instant::now().saturating_duration_since(begun);
        assert!(waited < Duration::from_secs(20), "not within {waited:?}: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

async fn set(pool: &RwPool<Sqlite>, context: &CausalContext, value: i64) -> Result<(), Error> {
    let put = "INSERT OR REPLACE INTO kv VALUES ('x', ?1)";
    pool.write()
        .context(context)
        .call(move |t| t.prepare_cached(put)?.execute([value]).map(drop))
        .await
}

fn x(connection: &rusqlite::Connection) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT v FROM kv WHERE k = 'x'")?
        .query_row([], |row| row.get(0))
        .optional()
}

#[tokio::test(start_paused = true)]
async fn a_context_reads_its_writes_however_late_replicas_are() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.cluster.delay("b", Duration::from_secs(3600)).unwrap();
    let pool = pool(&bed, &["a", "b"]).await;
    let mut stale = 0;
    for value in 0..10 {
        let context = CausalContext::new();
        set(&pool, &context, value).await.unwrap();
        assert_eq!(pool.read().context(&context).call(x).await.unwrap(), Some(value));
        stale += i32::from(pool.read().call(x).await.unwrap() != Some(value));
    }
    assert!(stale > 0, "the control: without the context nothing was stale");
}

#[tokio::test(start_paused = true)]
async fn every_guard_has_its_call() {
    let bed = Bed::new(&["a", "b"]).await;
    let pool = pool(&bed, &["a", "b"]).await;
    let context = CausalContext::new();
    let mut writer = pool.write().context(&context).await.unwrap();
    let insert = |value: i64| {
        move |t: &rusqlite::Connection| {
            t.execute("INSERT OR REPLACE INTO kv VALUES ('x', ?1)", [value])
        }
    };
    let first = insert(1);
    writer.call(move |t| first(t)).await.unwrap();
    drop(writer);
    let mut reader = pool.read().context(&context).await.unwrap();
    assert_eq!(reader.call(x).await.unwrap(), Some(1));
    drop(reader);
    let mut transaction = pool.transaction().context(&context).await.unwrap();
    transaction.call(insert(2)).await.unwrap();
    assert_eq!(transaction.call(x).await.unwrap(), Some(2));
    transaction.commit().await.unwrap().unwrap();
    assert_eq!(pool.read().context(&context).call(x).await.unwrap(), Some(2));
    // Dropped midway, it leaves nothing, and the connection is clean.
    let mut transaction = pool.transaction().await.unwrap();
    transaction.call(insert(3)).await.unwrap();
    drop(transaction);
    set(&pool, &context, 4).await.unwrap();
    assert_eq!(pool.read_primary().call(x).await.unwrap(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_writes_is_refused_on_replicas_and_on_the_primary() {
    let bed = Bed::new(&["a", "b"]).await;
    let pool = pool(&bed, &["a", "b"]).await;
    let sneak = |c: &rusqlite::Connection| c.execute("INSERT INTO kv VALUES ('x', 1)", []);
    for read in [pool.read(), pool.read_primary()] {
        let error = read.call(sneak).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ReadOnly, Outcome::Refused));
    }
    // The control: the same in a write.
    pool.write().call(move |t| sneak(t)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn writes_flow_again_soon_after_a_promotion_and_what_was_lost_is_reported() {
    for freeze in [false, true] {
        let bed = Bed::new(&["a", "b"]).await;
        let pool = pool(&bed, &["a", "b"]).await;
        let (kept, lost) = (CausalContext::new(), CausalContext::new());
        set(&pool, &kept, 1).await.unwrap();
        bed.cluster.replicate_once().unwrap();
        // The replica gets nothing of this.
        bed.cluster.kill("b").unwrap();
        set(&pool, &lost, 2).await.unwrap();
        if freeze {
            bed.cluster.freeze("a").unwrap();
        } else {
            bed.cluster.kill("a").unwrap();
        }
        bed.cluster.start("b").unwrap();
        let old = [&kept, &lost].map(|context| context.token(UNIX_EPOCH).unwrap());
        bed.cluster.promote("b").unwrap();
        let begun = Instant::now();
        let context = CausalContext::new();
        while set(&pool, &context, 3).await.is_err() {
            let waited = Instant::now().saturating_duration_since(begun);
            assert!(waited < Duration::from_secs(20), "no write is accepted");
        }
        let took = Instant::now().saturating_duration_since(begun);
        assert!(took <= Duration::from_millis(if freeze { 1500 } else { 300 }), "{took:?}");
        assert_eq!(pool.read().context(&context).call(x).await.unwrap(), Some(3));
        let standing = old.map(|token| pool.standing(&token).unwrap());
        assert_eq!(standing, [Standing::Kept, Standing::Lost]);
        // The old primary comes back, and thinks it still is one.
        if freeze {
            bed.cluster.thaw("a").unwrap();
        } else {
            bed.cluster.start("a").unwrap();
        }
        until("it is seen for what it is", || {
            pool.status().nodes[0].state == NodeState::StalePrimary
        })
        .await;
        for value in 4..10 {
            set(&pool, &context, value).await.unwrap();
            assert_eq!(pool.read().context(&context).call(x).await.unwrap(), Some(value));
        }
        assert_eq!(bed.get("a", "x").await, Some(2), "the old primary took a write");
    }
}

#[tokio::test(start_paused = true)]
async fn two_primaries_on_one_timeline_get_no_writes() {
    let bed = Bed::new(&["a", "b"]).await;
    let pool = pool(&bed, &["a", "b"]).await;
    set(&pool, &CausalContext::new(), 1).await.unwrap();
    bed.cluster.split("b").unwrap();
    until("both are seen", || pool.status().split_brain).await;
    let error = set(&pool, &CausalContext::new(), 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SplitBrain);
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_commit_is_unknown_and_a_failed_statement_refused() {
    let bed = Bed::new(&["a", "b"]).await;
    let pool = pool(&bed, &["a", "b"]).await;
    bed.cluster.kill("b").unwrap();
    bed.cluster.quorum(1, Duration::from_millis(100)).unwrap();
    let error = set(&pool, &CausalContext::new(), 1).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unconfirmed, Outcome::Unknown));
    bed.cluster.quorum(0, Duration::ZERO).unwrap();
    let error = pool.write().call(|t| t.execute("INSERT INTO nowhere VALUES (1)", [])).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
}

#[tokio::test]
async fn calls_may_be_spawned() {
    let bed = Bed::new(&["a", "b"]).await;
    let pool = pool(&bed, &["a", "b"]).await;
    let tasks = (0..4).map(|value| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let context = CausalContext::new();
            set(&pool, &context, value).await.unwrap();
            pool.read().context(&context).call(x).await.unwrap()
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert!(task.await.unwrap().is_some());
    }
}
