//! Writes and transactions: what they leave, and what they say about it.

use terrace_db::CausalContext;
use terrace_db::backend::postgres::{IDEMPOTENCY_TABLE, PgError};
use tokio_postgres::NoTls;

use super::*;

const INSERT: &str = "INSERT INTO t VALUES ($1)";

#[tokio::test]
async fn live_a_dropped_transaction_leaves_nothing_and_its_connection_is_clean() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool_with(&cluster, PoolConfig::default().connections(1)).await;
    let pid = "SELECT pg_backend_pid()";
    let mut transaction = pool.transaction().await.unwrap();
    transaction.execute(INSERT, &[&1_i32]).await.unwrap();
    let before: i32 = transaction.query_one(pid, &[]).await.unwrap().get(0);
    drop(transaction);

    let mut connection = pool.write().await.unwrap();
    let sql = "SELECT pg_backend_pid(), pg_current_xact_id_if_assigned() IS NULL";
    let row = connection.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), before, "another connection");
    assert!(row.get::<_, bool>(1), "in a transaction");
    drop(connection);
    assert_eq!(count_on_primary(&pool).await, 0);

    // Dropped while a statement is under way.
    let mut transaction = pool.transaction().await.unwrap();
    transaction.execute(INSERT, &[&1_i32]).await.unwrap();
    let sleeping = transaction.query("SELECT pg_sleep(60)", &[]);
    assert!(tokio::time::timeout(ms(50), sleeping).await.is_err());
    drop(transaction);
    pool.write().execute(INSERT, &[&2_i32]).await.unwrap();
    assert_eq!(count_on_primary(&pool).await, 1);

    // Control: one that commits stays.
    let mut transaction = pool.transaction().await.unwrap();
    transaction.execute(INSERT, &[&3_i32]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(count_on_primary(&pool).await, 2);
}

#[tokio::test]
async fn live_a_commit_after_a_failed_statement_is_refused() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool_with(&cluster, PoolConfig::default().connections(1)).await;
    for context in [false, true] {
        let cx = CausalContext::new();
        let begin = pool.transaction();
        let begin = if context { begin.context(&cx) } else { begin };
        let mut transaction = begin.await.unwrap();
        transaction.execute(INSERT, &[&1_i32]).await.unwrap();
        let error = transaction.execute(INSERT, &[&1_i32]).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
        let error = transaction.commit().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
        assert_eq!(cx.position(), None);
        assert_eq!(count_on_primary(&pool).await, 0);
    }
}

#[tokio::test]
async fn live_a_transaction_is_read_by_its_context() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool(&cluster).await;
    for id in 0..20 {
        let cx = CausalContext::new();
        let mut transaction = pool.transaction().context(&cx).await.unwrap();
        transaction.execute(INSERT, &[&id]).await.unwrap();
        let position = transaction.commit().await.unwrap();
        assert!(position.is_some());
        assert_eq!(cx.position(), position);
        let sql = "SELECT id FROM t WHERE id = $1";
        pool.read().context(&cx).query_one(sql, &[&id]).await.unwrap();
    }
}

#[tokio::test]
async fn live_a_cancelled_wait_for_synchronous_replicas_is_an_unknown_outcome() {
    let Some(cluster) = start(1).await else { return };
    let pool = pool(&cluster).await;
    cluster.quorum(1).await.unwrap();
    pool.write().execute(INSERT, &[&0_i32]).await.unwrap();
    cluster.nodes()[1].stop().await.unwrap();
    let watcher = cluster.primary().connect().await.unwrap();
    let cancel = async || {
        until("somebody waits for the replica", async || {
            let sql = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                       WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'";
            !watcher.query(sql, &[]).await.unwrap().is_empty()
        })
        .await;
    };
    let cx = CausalContext::new();
    let (alone, ()) = tokio::join!(pool.write().execute(INSERT, &[&1_i32]), cancel());
    let write = pool.write().context(&cx);
    let (with_context, ()) = tokio::join!(write.execute(INSERT, &[&2_i32]), cancel());
    let mut transaction = pool.transaction().context(&cx).await.unwrap();
    transaction.execute(INSERT, &[&3_i32]).await.unwrap();
    let (committed, ()) = tokio::join!(transaction.commit(), cancel());
    let mut connection = pool.write().await.unwrap();
    let (held, ()) = tokio::join!(connection.execute(INSERT, &[&4_i32]), cancel());
    for error in
        [alone.unwrap_err(), with_context.unwrap_err(), committed.unwrap_err(), held.unwrap_err()]
    {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unconfirmed, Outcome::Unknown));
    }
    // It was carried out: "refused" would have been a lie.
    let rows = watcher.query("SELECT id FROM t", &[]).await.unwrap();
    assert_eq!(rows.len(), 5);
    // Control: the doubt is not left to the next one.
    cluster.nodes()[1].cont();
    pool.write().execute(INSERT, &[&5_i32]).await.unwrap();
}

#[tokio::test]
async fn live_a_write_with_the_wrong_number_of_rows_is_not_called_refused() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool(&cluster).await;
    let two = "INSERT INTO t VALUES (1), (2) RETURNING id";
    let error = pool.write().query_one(two, &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Unknown));
    assert_eq!(count_on_primary(&pool).await, 2);
    let error = pool.write().query(two, &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
    let error = pool.write().execute(INSERT, &[&"three"]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
    assert_eq!(count_on_primary(&pool).await, 2);
}

#[tokio::test]
async fn live_a_write_whose_session_is_ended_midway_is_unknown_and_one_before_it_is_sent_again() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool_with(&cluster, PoolConfig::default().connections(1)).await;
    let other = cluster.primary().connect().await.unwrap();
    let ours = "FROM pg_stat_activity WHERE application_name = 'terrace-db'";
    let end = format!("SELECT pg_terminate_backend(pid, 5000) {ours}");
    let (mut sent, mut unknown) = (0, 0);
    for id in 0..20 {
        // All of its sessions end while nobody uses them.
        pool.write().execute(INSERT, &[&id]).await.unwrap();
        other.query(&end, &[]).await.unwrap();
        match pool.write().execute(INSERT, &[&(100 + id)]).await {
            Ok(_) => sent += 1,
            // The news crossed with the statement.
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
                unknown += 1;
            }
        }
    }
    assert!(sent > unknown, "{sent} sent, {unknown} unknown");
    let sleeping = "INSERT INTO t SELECT 1000 FROM pg_sleep(60)";
    let ending = until("it sleeps", async || {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE wait_event = 'PgSleep'";
        !other.query(sql, &[]).await.unwrap().is_empty()
    });
    let (written, ()) = tokio::join!(pool.write().execute(sleeping, &[]), ending);
    let error = written.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
}

#[tokio::test]
async fn live_of_several_statements_one_that_was_carried_out_is_not_denied() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool(&cluster).await;
    let mut connection = pool.write().await.unwrap();
    let done = connection
        .run(async |connection| {
            connection.execute("INSERT INTO t VALUES (1)", &[]).await?;
            let suicide = "SELECT pg_terminate_backend(pg_backend_pid())";
            let _ = connection.client().batch_execute(suicide).await;
            connection.execute("INSERT INTO t VALUES (2)", &[]).await
        })
        .await;
    let error = done.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
    assert_eq!(count_on_primary(&pool).await, 1);
    // Control: with each in a call of its own, it is known of the second.
    let mut connection = pool.write().await.unwrap();
    connection.execute("INSERT INTO t VALUES (3)", &[]).await.unwrap();
    let cancel = connection
        .run(async |connection| Ok::<_, PgError>(connection.client().cancel_token()))
        .await
        .unwrap();
    cancel.cancel_query(NoTls).await.unwrap();
}

#[tokio::test]
async fn live_a_claimed_request_is_carried_out_once() {
    let Some(cluster) = start(0).await else { return };
    let pool = pool(&cluster).await;
    pool.write().await.unwrap().batch_execute(IDEMPOTENCY_TABLE).await.unwrap();
    let attempt = async |commit: bool| {
        let mut transaction = pool.transaction().await.unwrap();
        let first = transaction.claim("request-1").await.unwrap();
        if first {
            transaction.execute(INSERT, &[&1_i32]).await.unwrap();
            if commit {
                transaction.commit().await.unwrap();
            }
        }
        first
    };
    // Dropped, it is no claim.
    assert!(attempt(false).await);
    assert!(attempt(true).await);
    assert!(!attempt(true).await);
    assert_eq!(count_on_primary(&pool).await, 1);
}
