//! On real servers, through the trait alone. Skipped where PostgreSQL is not installed.

use std::time::Duration;

use terrace_testkit::{Postgres as Server, PostgresCluster, tools};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

use super::super::exchange::{AtMostOne, Checked, Count, Found, Rows};
use super::super::{PgConnection, PgError, Postgres};
use crate::backend::{Access, Backend, Fault, Observation, Role};
use crate::position::Position;

mod errors;
mod observing;
mod positions;
mod transactions;

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

async fn connect(server: &Server, access: Access) -> PgConnection {
    try_connect(&server.url(), access).await.unwrap()
}

async fn try_connect(url: &str, access: Access) -> Result<PgConnection, PgError> {
    Postgres::new().connect(&Postgres::target(url).unwrap(), access).await
}

async fn observe(connection: &mut PgConnection) -> Observation {
    Postgres::new().observe(connection).await.unwrap()
}

fn fault(error: &PgError) -> Fault {
    Postgres::new().fault(error)
}

async fn count(connection: &PgConnection) -> i64 {
    connection.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
}

/// Waits until `look` says yes.
async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !look().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
