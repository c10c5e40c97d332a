//! The pool over sqlx, against a real primary and a real replica.

use sqlx::Executor;
use sqlx_backend::{SqlxPostgres, target};
use terrace_db::backend::Role;
use terrace_db::{CausalContext, ErrorKind, Node, Outcome, RwPool};
use terrace_testkit::{PostgresCluster, tools};

async fn pool(cluster: &PostgresCluster) -> RwPool<SqlxPostgres> {
    let nodes = cluster
        .nodes()
        .iter()
        .map(|node| Node::new(node.name().to_owned(), target(&node.url()).unwrap()));
    RwPool::builder(SqlxPostgres).nodes(nodes).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_over_sqlx_splits_reads_from_writes_and_reads_its_own() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let cluster = PostgresCluster::start(1).await.unwrap();
    let pool = pool(&cluster).await;
    let context = CausalContext::new();
    let mut write = pool.write().context(&context).await.unwrap();
    write.run(async |c| c.0.execute("CREATE TABLE t (a int8)").await).await.unwrap();
    for _ in 0..50 {
        write.run(async |c| c.0.execute("INSERT INTO t VALUES (1)").await).await.unwrap();
    }
    drop(write);
    let mut read = pool.read().context(&context).await.unwrap();
    let rows: i64 = read
        .run(async |c| sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut c.0).await)
        .await
        .unwrap();
    assert_eq!(rows, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_a_read_is_refused_and_an_aborted_transaction_is_not_committed() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let cluster = PostgresCluster::start(1).await.unwrap();
    let pool = pool(&cluster).await;
    let mut read = pool.read_primary().await.unwrap();
    assert_eq!(read.role(), Role::Primary);
    let error = read.run(async |c| c.0.execute("CREATE TABLE t (a int8)").await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ReadOnly, Outcome::Refused));

    let mut transaction = pool.transaction().await.unwrap();
    transaction.run(async |c| c.0.execute("SELECT 1 / 0").await).await.unwrap_err();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_follow_a_promotion() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let cluster = PostgresCluster::start(1).await.unwrap();
    let pool = pool(&cluster).await;
    cluster.primary().kill().await.unwrap();
    cluster.promote_most_advanced().await.unwrap();
    let mut write = pool.write().await.unwrap();
    assert_eq!(write.served_by(), cluster.primary().name());
    write.run(async |c| c.0.execute("CREATE TABLE t (a int8)").await).await.unwrap();
}
