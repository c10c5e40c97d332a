//! The pool on a real primary with streaming replicas. Skipped where PostgreSQL is not installed.

#![allow(clippy::unwrap_used, missing_docs)]

mod failover;
mod reading;
mod writing;

use std::time::Duration;

use terrace_db::backend::postgres::Postgres;
use terrace_db::{Builder, ErrorKind, Node, NodeState, Outcome, PoolConfig, RwPool};
use terrace_testkit::{PostgresCluster, tools};
use tokio::time::{Instant, sleep};

/// Far more than anything here takes; reached only when a test fails.
const LONG: Duration = Duration::from_secs(20);

/// A primary with the empty table `t`, and replicas that have it too.
async fn start(replicas: usize) -> Option<PostgresCluster> {
    tools::require_or_skip("postgres")?;
    let cluster = PostgresCluster::start(replicas).await.unwrap();
    let client = cluster.primary().connect().await.unwrap();
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    cluster.catch_up().await.unwrap();
    Some(cluster)
}

fn builder(cluster: &PostgresCluster) -> Builder<Postgres> {
    let nodes = cluster.nodes().iter();
    RwPool::builder(Postgres::new())
        .nodes(nodes.map(|node| Node::new(node.name(), Postgres::target(&node.url()).unwrap())))
        .seed(7)
}

/// A pool that has seen each node in the role it has.
async fn pool(cluster: &PostgresCluster) -> RwPool<Postgres> {
    pool_with(cluster, PoolConfig::default()).await
}

async fn pool_with(cluster: &PostgresCluster, config: PoolConfig) -> RwPool<Postgres> {
    let pool = builder(cluster).config(config).connect().await.unwrap();
    until("all replicas serve", async || {
        let serving = |state| matches!(state, NodeState::Primary | NodeState::Replica);
        pool.status().nodes.iter().all(|node| serving(node.state))
    })
    .await;
    pool
}

/// Waits until `look` says yes.
async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !look().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

async fn count_on_primary(pool: &RwPool<Postgres>) -> i64 {
    pool.read_primary().query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[tokio::test]
async fn live_who_may_not_come_in_is_told_so_when_the_pool_connects() {
    let Some(cluster) = start(0).await else { return };
    let url = cluster.primary().database_url("nowhere");
    let node = Node::new("db", Postgres::target(&url).unwrap());
    let error = RwPool::builder(Postgres::new()).node(node).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Denied, Outcome::NotExecuted));
}

#[tokio::test]
async fn live_two_primaries_on_equal_timelines_get_no_writes() {
    // Servers of the testkit are copies of one: of each other they cannot be told.
    let (Some(cluster), Some(other)) = (start(0).await, start(0).await) else { return };
    let second = Node::new("second", Postgres::target(&other.primary().url()).unwrap());
    let pool = builder(&cluster).node(second).connect().await.unwrap();
    let sql = "INSERT INTO t VALUES (1)";
    let error = pool.write().execute(sql, &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::SplitBrain, Outcome::NotExecuted));
    // Control: with one of them, they flow.
    pool.remove("second").unwrap();
    pool.write().execute(sql, &[]).await.unwrap();
}
