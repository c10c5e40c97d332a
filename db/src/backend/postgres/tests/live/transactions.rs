//! What a commit says, and what it leaves behind.

use super::*;

#[tokio::test]
async fn live_a_commit_after_a_failed_statement_is_refused_and_leaves_the_connection_clean() {
    let Some(cluster) = start(0).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    for position in [false, true] {
        primary.begin().await.unwrap();
        primary.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
        let error = primary.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
        assert_eq!(fault(&error), Fault::Statement);
        let error = primary.commit(position).await.unwrap_err();
        assert!(matches!(error, PgError::Aborted), "{error:?}");
        assert_eq!(fault(&error), Fault::Statement);
        assert_eq!(count(&primary).await, 0);
    }
    // Control: the server itself calls such a commit a success.
    primary.begin().await.unwrap();
    primary.batch_execute("nonsense").await.unwrap_err();
    primary.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn live_a_commit_that_the_server_refuses_is_an_error_of_the_statement() {
    let Some(cluster) = start(0).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    let table = "CREATE TABLE u (id int REFERENCES t DEFERRABLE INITIALLY DEFERRED)";
    primary.batch_execute(table).await.unwrap();
    for position in [false, true] {
        primary.begin().await.unwrap();
        primary.execute("INSERT INTO u VALUES (1)", &[]).await.unwrap();
        let error = primary.commit(position).await.unwrap_err();
        assert_eq!((fault(&error), error.code().unwrap().code()), (Fault::Statement, "23503"));
        assert_eq!(count(&primary).await, 0);
    }
}

#[tokio::test]
async fn live_a_commit_that_loses_to_a_concurrent_one_is_a_conflict() {
    let Some(cluster) = start(0).await else { return };
    let mut one = connect(cluster.primary(), Access::ReadWrite).await;
    let mut two = connect(cluster.primary(), Access::ReadWrite).await;
    for (connection, id) in [(&mut one, 1), (&mut two, 2)] {
        connection.begin().await.unwrap();
        let level = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
        connection.batch_execute(level).await.unwrap();
        assert_eq!(count(connection).await, 0);
        let _ = id;
    }
    one.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    two.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    one.commit(true).await.unwrap();
    let error = two.commit(true).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Conflict, "{error:?}");
    assert_eq!(count(&two).await, 1);
}

#[tokio::test]
async fn live_a_commit_of_what_was_ended_by_hand_is_doubted() {
    let Some(cluster) = start(0).await else { return };
    let backend = Postgres::new();
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    primary.begin().await.unwrap();
    primary.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    primary.batch_execute("ROLLBACK").await.unwrap();
    primary.commit(true).await.unwrap();
    assert!(matches!(backend.doubt(&primary), Some(PgError::Ended)));
    // Control: one that was not.
    primary.begin().await.unwrap();
    primary.commit(true).await.unwrap();
    assert!(backend.doubt(&primary).is_none());
}

#[tokio::test]
async fn live_a_cancelled_wait_for_synchronous_replicas_leaves_a_doubt() {
    let Some(cluster) = start(1).await else { return };
    let backend = Postgres::new();
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    cluster.quorum(1).await.unwrap();
    primary.ask_written::<Count>("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    assert!(backend.doubt(&primary).is_none());
    cluster.nodes()[1].stop().await.unwrap();
    let watcher = connect(cluster.primary(), Access::ReadOnly).await;

    // As one statement, and as a transaction; in another language, too.
    for (id, setting) in [(2, "SET lc_messages = 'C'"), (3, "SET lc_messages = 'de_DE.UTF-8'")] {
        let _ = primary.batch_execute(setting).await;
        for transaction in [false, true] {
            let id = id * 10 + i32::from(transaction);
            let committing = async {
                if transaction {
                    primary.begin().await?;
                    primary.execute("INSERT INTO t VALUES ($1)", &[&id]).await?;
                    primary.commit(true).await?;
                } else {
                    let sql = "INSERT INTO t VALUES ($1)";
                    primary.ask_written::<Count>(sql, &[&id]).await?;
                }
                Ok::<_, PgError>(())
            };
            // Looked for and cancelled in one statement, and again until the commit is over. A vacuum
            // may wait there too.
            let cancelling = async {
                let sql = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                           WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'";
                loop {
                    watcher.query(sql, &[]).await.unwrap();
                    sleep(Duration::from_millis(1)).await;
                }
            };
            let done = async {
                tokio::select! {
                    done = committing => done,
                    () = cancelling => unreachable!(),
                }
            };
            let done = timeout(LONG, done).await.unwrap();
            done.unwrap();
            let doubt = backend.doubt(&primary).unwrap();
            assert!(matches!(doubt, PgError::Unconfirmed), "{doubt:?}");
            assert_eq!(fault(&doubt), Fault::Unconfirmed);
            // It is said once, and it was carried out.
            assert!(backend.doubt(&primary).is_none());
        }
    }
    assert_eq!(count(&watcher).await, 5);
    cluster.nodes()[1].cont();
}

#[tokio::test]
async fn live_a_rolled_back_transaction_leaves_nothing() {
    let Some(cluster) = start(0).await else { return };
    let backend = Postgres::new();
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    backend.begin(&mut primary).await.unwrap();
    primary.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    backend.rollback(&mut primary).await.unwrap();
    assert_eq!(count(&primary).await, 0);
    // With nothing to roll back, it is none the worse.
    backend.rollback(&mut primary).await.unwrap();
    assert!(backend.doubt(&primary).is_none());
    let Found::One(row) = primary
        .ask::<AtMostOne>("SELECT pg_current_xact_id_if_assigned() IS NULL", &[])
        .await
        .unwrap()
    else {
        panic!("one row")
    };
    assert!(row.get::<_, bool>(0));
}
