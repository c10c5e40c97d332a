//! Reads: where they go, what they see, what they may not do.

use terrace_db::CausalContext;

use super::*;

/// How many of `rounds` reads, each after a write of its own, miss that write.
async fn missed(pool: &RwPool<Postgres>, first: i32, context: bool) -> usize {
    let mut missed = 0;
    for id in first..first + 30 {
        let cx = CausalContext::new();
        let write = pool.write().context(&cx);
        assert_eq!(write.execute("INSERT INTO t VALUES ($1)", &[&id]).await.unwrap(), 1);
        let read = if context { pool.read().context(&cx) } else { pool.read() };
        let row = read.query_opt("SELECT id FROM t WHERE id = $1", &[&id]).await.unwrap();
        missed += usize::from(row.is_none());
    }
    missed
}

#[tokio::test]
async fn live_a_context_reads_its_own_writes_while_replicas_are_behind() {
    let Some(cluster) = start(2).await else { return };
    let pool = pool(&cluster).await;
    for replica in cluster.replicas() {
        replica.apply_delay(ms(300)).await.unwrap();
    }
    assert_eq!(missed(&pool, 0, true).await, 0);
    // Control: without a context they are not there yet.
    assert!(missed(&pool, 1000, false).await > 0, "replicas were not behind");
}

#[tokio::test]
async fn live_a_read_waits_for_a_replica_that_is_just_behind_and_is_served_there() {
    let Some(cluster) = start(1).await else { return };
    // The last sample of the replica is never new enough.
    let config = PoolConfig::default().probe_interval(Duration::from_secs(60)).catch_up(LONG);
    let pool = pool_with(&cluster, config).await;
    for id in 0..50 {
        let cx = CausalContext::new();
        let sql = "INSERT INTO t VALUES ($1)";
        pool.write().context(&cx).execute(sql, &[&id]).await.unwrap();
        let sql = "SELECT pg_is_in_recovery(), id FROM t WHERE id = $1";
        let row = pool.read().context(&cx).query_one(sql, &[&id]).await.unwrap();
        assert!(row.get::<_, bool>(0), "the primary served read {id}");
        // The same through a connection.
        let mut connection = pool.read().context(&cx).await.unwrap();
        let row = connection.query_one(sql, &[&id]).await.unwrap();
        assert!(row.get::<_, bool>(0), "the primary served read {id}");
    }
}

#[tokio::test]
async fn live_a_read_goes_to_the_primary_when_no_replica_catches_up() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool(&cluster).await;
    cluster.nodes()[1].pause_replay().await.unwrap();
    let cx = CausalContext::new();
    pool.write().context(&cx).execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let sql = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM t)";
    let row = pool.read().context(&cx).query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i64>(1)), (false, 1));
    // Control: who does not ask for it stays on the replica.
    let row = pool.read().query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i64>(1)), (true, 0));
}

#[tokio::test]
async fn live_a_write_in_a_read_is_refused_on_every_node() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool(&cluster).await;
    let sql = "INSERT INTO t VALUES (1) RETURNING id";
    for error in [
        pool.read().query_one(sql, &[]).await.unwrap_err(),
        pool.read_primary().query_one(sql, &[]).await.unwrap_err(),
        pool.read_primary().await.unwrap().execute(sql, &[]).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ReadOnly, Outcome::Refused));
    }
    assert_eq!(count_on_primary(&pool).await, 0);
    // Control: in a write it is not.
    pool.write().query_one(sql, &[]).await.unwrap();
    assert_eq!(count_on_primary(&pool).await, 1);
}

#[tokio::test]
async fn live_a_read_with_the_wrong_number_of_rows_says_so() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool(&cluster).await;
    let (none, two) = ("SELECT 1 WHERE false", "SELECT generate_series(1, 2)");
    assert!(pool.read().query_opt(none, &[]).await.unwrap().is_none());
    assert_eq!(pool.read().query(two, &[]).await.unwrap().len(), 2);
    for error in [
        pool.read().query_one(none, &[]).await.unwrap_err(),
        pool.read().query_one(two, &[]).await.unwrap_err(),
        pool.read().query_opt(two, &[]).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
        assert!(error.at().is_some() && error.to_string().contains("row"), "{error}");
    }
}

#[tokio::test]
async fn live_a_read_goes_on_after_its_table_has_changed() {
    let Some(cluster) = start(0).await else { return };
    let config = PoolConfig::default().connections(1);
    let pool = pool_with(&cluster, config).await;
    let sql = "SELECT * FROM t";
    assert!(pool.read().query(sql, &[]).await.unwrap().is_empty());
    let alter = "ALTER TABLE t ADD COLUMN name text";
    pool.write().await.unwrap().batch_execute(alter).await.unwrap();
    pool.read().query(sql, &[]).await.unwrap();
}

#[tokio::test]
async fn live_a_read_goes_on_elsewhere_when_its_node_is_killed() {
    let Some(cluster) = start(2).await else { return };
    let pool = pool(&cluster).await;
    let reading = async {
        let mut served = 0;
        let deadline = Instant::now() + ms(1500);
        while Instant::now() < deadline {
            pool.read().query_one("SELECT count(*) FROM t", &[]).await.unwrap();
            served += 1;
        }
        served
    };
    let killing = async {
        sleep(ms(300)).await;
        cluster.nodes()[1].kill().await.unwrap();
        sleep(ms(300)).await;
        cluster.nodes()[2].kill().await.unwrap();
    };
    let (served, ()) = tokio::join!(reading, killing);
    assert!(served > 100, "{served}");
}

#[tokio::test]
async fn live_a_frozen_node_costs_a_deadline_and_not_more() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool(&cluster).await;
    pool.read().query_one("SELECT 1", &[]).await.unwrap();
    pool.write().execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    cluster.primary().stop().await.unwrap();
    let begun = Instant::now();
    let read = pool.read().deadline(ms(300)).query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(read.outcome(), Outcome::NotExecuted, "{read}");
    let took = Instant::now().saturating_duration_since(begun);
    assert!(took < Duration::from_secs(5), "{took:?}");
    cluster.primary().cont();
    until("it serves again", async || pool.read().query_one("SELECT 1", &[]).await.is_ok()).await;
}
