//! The primary goes, and another one comes.

use terrace_db::{CausalContext, Position};

use super::*;

#[tokio::test]
async fn live_writes_go_on_at_the_promoted_replica_and_contexts_keep_their_promise() {
    let Some(cluster) = start(2).await else { return };
    let pool = pool_with(&cluster, PoolConfig::default().write_wait(LONG)).await;
    cluster.quorum(1).await.unwrap();
    let cx = CausalContext::new();
    pool.write().context(&cx).execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let before = cx.position().unwrap();
    cluster.primary().kill().await.unwrap();
    let writing = pool.write().context(&cx).execute("INSERT INTO t VALUES (2)", &[]);
    let promoting = async {
        cluster.quorum_off().await.unwrap();
        cluster.promote_most_advanced().await.unwrap();
    };
    let (written, ()) = tokio::join!(writing, promoting);
    assert_eq!(written.unwrap(), 1);
    let after = cx.position().unwrap();
    assert_eq!((before.timeline, after.timeline), (1, 2));
    assert!(after > before);
    let rows = pool.read().context(&cx).query("SELECT id FROM t", &[]).await.unwrap();
    assert_eq!(rows.len(), 2);

    // The other replica serves reads of the new timeline again, to contexts too.
    let promoted = cluster.primary().name();
    let other = cluster.nodes()[1..].iter().find(|node| node.name() != promoted).unwrap();
    other.follow(cluster.primary()).await.unwrap();
    until("a replica serves it", async || {
        let sql = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM t)";
        let row = pool.read().context(&cx).query_one(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(1), 2);
        row.get(0)
    })
    .await;
}

#[tokio::test]
async fn live_an_acknowledged_write_that_a_promotion_dropped_is_reported() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool_with(&cluster, PoolConfig::default().write_wait(LONG)).await;
    let (kept, lost) = (CausalContext::new(), CausalContext::new());
    pool.write().context(&kept).execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    cluster.catch_up().await.unwrap();
    // Nobody but the primary gets the second one.
    cluster.nodes()[1].shutdown().await.unwrap();
    pool.write().context(&lost).execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    let dropped: Position = lost.position().unwrap();
    cluster.primary().kill().await.unwrap();
    cluster.nodes()[1].restart().await.unwrap();
    cluster.promote_most_advanced().await.unwrap();
    until("the new primary is known", async || {
        pool.status().timeline == 2 && pool.status().primary.as_deref() == Some("node_1")
    })
    .await;
    let rows = pool.read().context(&lost).query("SELECT id FROM t", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(lost.lost(), Some(dropped));
    // Control: the one before the fork is still there, and not reported.
    let rows = pool.read().context(&kept).query("SELECT id FROM t", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(kept.lost(), None);
}

#[tokio::test]
async fn live_a_write_to_a_frozen_primary_is_unknown_and_the_old_primary_is_refused_for_ever() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool_with(&cluster, PoolConfig::default().write_wait(LONG)).await;
    pool.write().execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    cluster.catch_up().await.unwrap();
    cluster.primary().stop().await.unwrap();
    let frozen = pool.write().deadline(ms(300));
    let error = frozen.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    cluster.promote(1).await.unwrap();
    pool.write().execute("INSERT INTO t VALUES (3)", &[]).await.unwrap();

    // It wakes up, and believes that it is the primary.
    cluster.nodes()[0].cont();
    until("the old primary is seen", async || {
        pool.status().nodes[0].state == NodeState::StalePrimary
    })
    .await;
    for id in 10..30 {
        let sql = "INSERT INTO t VALUES ($1) RETURNING pg_current_wal_lsn()::text, \
                   left(pg_walfile_name(pg_current_wal_lsn()), 8)";
        let row = pool.write().query_one(sql, &[&id]).await.unwrap();
        assert_eq!(row.get::<_, &str>(1), "00000002");
    }
    let reading = "SELECT count(*) FROM t WHERE id >= 10";
    let read: i64 = pool.read().query_one(reading, &[]).await.unwrap().get(0);
    assert_eq!(read, 20);
}
