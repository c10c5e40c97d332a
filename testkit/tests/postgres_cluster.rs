//! Every fault of replication is brought about and observed from outside.

use std::time::{Duration, Instant};

use terrace_testkit::process::{descendants, is_alive};
use terrace_testkit::{Postgres, PostgresCluster, tools};
use tokio::time::timeout;

/// What a test waits for in vain, where nothing must come.
const SHORT: Duration = Duration::from_millis(400);
/// Far more than anything here takes; reached only when a test fails.
const LONG: Duration = Duration::from_secs(20);

/// A cluster whose primary has the empty table `t`, on all nodes.
async fn start(replicas: usize) -> Option<PostgresCluster> {
    tools::require_or_skip("postgres")?;
    let cluster = PostgresCluster::start(replicas).await.unwrap();
    let client = cluster.primary().connect().await.unwrap();
    client.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    cluster.catch_up().await.unwrap();
    Some(cluster)
}

async fn insert(server: &Postgres, id: i32) -> Result<(), tokio_postgres::Error> {
    let client = server.connect().await.unwrap();
    let sql = format!("INSERT INTO t VALUES ({id})");
    client.batch_execute(&sql).await
}

async fn ids(server: &Postgres) -> Vec<i32> {
    let client = server.connect().await.unwrap();
    let rows = client.query("SELECT id FROM t ORDER BY id", &[]).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn has_received(replica: &Postgres, primary: &Postgres) {
    let client = primary.connect().await.unwrap();
    let lsn = client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await;
    let lsn: String = lsn.unwrap().get(0);
    let client = replica.connect().await.unwrap();
    let sql = format!("SELECT pg_last_wal_receive_lsn() >= '{lsn}'::pg_lsn");
    let deadline = Instant::now() + LONG;
    loop {
        let row = client.query_one(&sql, &[]).await.unwrap();
        if row.get::<_, Option<bool>>(0) == Some(true) {
            return;
        }
        assert!(Instant::now() < deadline, "{} never received it", replica.name());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn replicas_follow_and_refuse_writes() {
    let Some(cluster) = start(2).await else {
        return;
    };
    insert(cluster.primary(), 1).await.unwrap();
    cluster.catch_up().await.unwrap();
    for replica in cluster.replicas() {
        assert_eq!(ids(replica).await, [1]);
        assert!(insert(replica, 2).await.is_err());
        assert!(replica.is_standby().await.unwrap());
    }
}

#[tokio::test]
async fn a_replica_with_paused_replay_lags_until_it_is_resumed() {
    let Some(cluster) = start(1).await else {
        return;
    };
    let (primary, replica) = (&cluster.nodes()[0], &cluster.nodes()[1]);
    replica.pause_replay().await.unwrap();
    insert(primary, 1).await.unwrap();
    has_received(replica, primary).await;
    assert!(timeout(SHORT, replica.catch_up_with(primary)).await.is_err());
    assert!(ids(replica).await.is_empty());

    replica.resume_replay().await.unwrap();
    replica.catch_up_with(primary).await.unwrap();
    assert_eq!(ids(replica).await, [1]);
}

#[tokio::test]
async fn a_replica_with_an_apply_delay_lags_until_it_is_ended() {
    let Some(cluster) = start(1).await else {
        return;
    };
    let (primary, replica) = (&cluster.nodes()[0], &cluster.nodes()[1]);
    let hour = Duration::from_secs(3600);
    replica.apply_delay(hour).await.unwrap();
    insert(primary, 1).await.unwrap();
    has_received(replica, primary).await;
    assert!(timeout(SHORT, replica.catch_up_with(primary)).await.is_err());
    assert!(ids(replica).await.is_empty());

    replica.apply_delay(Duration::ZERO).await.unwrap();
    replica.catch_up_with(primary).await.unwrap();
    assert_eq!(ids(replica).await, [1]);
}

#[tokio::test]
async fn a_promoted_replica_takes_writes_on_the_next_timeline() {
    let Some(cluster) = start(1).await else {
        return;
    };
    let replica = &cluster.nodes()[1];
    let before = replica.timeline().await.unwrap();
    assert_eq!(cluster.primary().timeline().await.unwrap(), before);
    // A promotion ends a pause and loses nothing that was received.
    replica.pause_replay().await.unwrap();
    insert(cluster.primary(), 1).await.unwrap();
    has_received(replica, cluster.primary()).await;
    cluster.primary().kill().await.unwrap();

    let promoted = cluster.promote(1).await.unwrap();
    assert_eq!(promoted.name(), "node_1");
    assert_eq!(cluster.primary().name(), "node_1");
    insert(promoted, 2).await.unwrap();
    assert_eq!(ids(promoted).await, [1, 2]);
    assert_eq!(promoted.timeline().await.unwrap(), before + 1);
    promoted.restart().await.unwrap();
    assert!(!promoted.is_standby().await.unwrap());
}

#[tokio::test]
async fn with_a_quorum_a_commit_waits_for_replicas_and_without_it_does_not() {
    let Some(cluster) = start(2).await else {
        return;
    };
    let primary = cluster.primary();
    cluster.quorum(1).await.unwrap();
    insert(primary, 1).await.unwrap();
    cluster.nodes()[1].stop().await.unwrap();
    insert(primary, 2).await.unwrap();
    cluster.nodes()[2].stop().await.unwrap();
    assert!(timeout(SHORT, insert(primary, 3)).await.is_err());
    cluster.nodes()[2].cont();
    timeout(LONG, insert(primary, 4)).await.unwrap().unwrap();

    // Control: the same replicas frozen, nobody waited for.
    cluster.nodes()[2].stop().await.unwrap();
    cluster.quorum_off().await.unwrap();
    timeout(LONG, insert(primary, 5)).await.unwrap().unwrap();
}

/// Replica 1 misses row 1, which replica 2 has; the primary is dead.
async fn one_replica_behind() -> Option<PostgresCluster> {
    let cluster = start(2).await?;
    cluster.quorum(1).await.unwrap();
    cluster.nodes()[1].shutdown().await.unwrap();
    insert(cluster.primary(), 1).await.unwrap();
    cluster.primary().kill().await.unwrap();
    cluster.nodes()[1].restart().await.unwrap();
    Some(cluster)
}

#[tokio::test]
async fn the_most_advanced_replica_has_every_acknowledged_row_and_the_other_follows_it() {
    let Some(cluster) = one_replica_behind().await else {
        return;
    };
    let promoted = cluster.promote_most_advanced().await.unwrap();
    assert_eq!(promoted.name(), "node_2");
    assert_eq!(ids(promoted).await, [1]);
    let other = &cluster.nodes()[1];
    other.follow(promoted).await.unwrap();
    // The quorum holds for the new primary, too: this returns because of the follower.
    timeout(LONG, insert(promoted, 2)).await.unwrap().unwrap();
    other.catch_up_with(promoted).await.unwrap();
    assert_eq!(ids(other).await, [1, 2]);
    assert_eq!(other.timeline().await.unwrap(), promoted.timeline().await.unwrap());
}

#[tokio::test]
async fn control_promoting_any_replica_loses_an_acknowledged_row() {
    let Some(cluster) = one_replica_behind().await else {
        return;
    };
    let promoted = cluster.promote(1).await.unwrap();
    assert!(ids(promoted).await.is_empty());
}

#[tokio::test]
async fn a_cluster_without_a_living_replica_cannot_promote() {
    let Some(cluster) = start(1).await else {
        return;
    };
    cluster.nodes()[1].stop().await.unwrap();
    let error = cluster.promote_most_advanced().await.unwrap_err();
    assert!(error.to_string().contains("no replica is up"), "{error}");
}

#[tokio::test]
async fn a_replica_that_was_down_follows_when_it_is_told_to() {
    let Some(cluster) = start(2).await else {
        return;
    };
    cluster.nodes()[2].kill().await.unwrap();
    cluster.primary().kill().await.unwrap();
    let promoted = cluster.promote_most_advanced().await.unwrap();
    insert(promoted, 1).await.unwrap();
    cluster.nodes()[2].follow(promoted).await.unwrap();
    cluster.nodes()[2].catch_up_with(promoted).await.unwrap();
    assert_eq!(ids(&cluster.nodes()[2]).await, [1]);
}

/// Node 0 was the primary and has row 1, which nobody else has; node 1 is the primary and has row 2.
async fn parted() -> Option<PostgresCluster> {
    let cluster = start(1).await?;
    cluster.nodes()[1].shutdown().await.unwrap();
    insert(cluster.primary(), 1).await.unwrap();
    cluster.primary().kill().await.unwrap();
    cluster.nodes()[1].restart().await.unwrap();
    let promoted = cluster.promote_most_advanced().await.unwrap();
    insert(promoted, 2).await.unwrap();
    Some(cluster)
}

async fn follows_again(cluster: &PostgresCluster) {
    let (old, new) = (&cluster.nodes()[0], cluster.primary());
    assert!(old.is_standby().await.unwrap());
    insert(new, 3).await.unwrap();
    old.catch_up_with(new).await.unwrap();
    assert_eq!(ids(old).await, [2, 3]);
    assert!(insert(old, 4).await.is_err());
}

#[tokio::test]
async fn a_rewound_old_primary_follows_and_has_lost_its_own_rows() {
    let Some(cluster) = parted().await else {
        return;
    };
    cluster.nodes()[0].rewind(cluster.primary()).await.unwrap();
    follows_again(&cluster).await;
}

#[tokio::test]
async fn a_running_old_primary_can_be_rewound() {
    let Some(cluster) = parted().await else {
        return;
    };
    cluster.nodes()[0].restart().await.unwrap();
    cluster.nodes()[0].rewind(cluster.primary()).await.unwrap();
    follows_again(&cluster).await;
}

#[tokio::test]
async fn a_rebuilt_old_primary_follows_and_has_lost_its_own_rows() {
    let Some(cluster) = parted().await else {
        return;
    };
    cluster.nodes()[0].rebuild(cluster.primary()).await.unwrap();
    follows_again(&cluster).await;
}

#[tokio::test]
async fn control_an_old_primary_that_just_restarts_splits_the_cluster() {
    let Some(cluster) = parted().await else {
        return;
    };
    let old = &cluster.nodes()[0];
    let error = old.follow(cluster.primary()).await.unwrap_err();
    assert!(error.to_string().contains("rewind or rebuild"), "{error}");
    old.restart().await.unwrap();
    insert(old, 4).await.unwrap();
    assert_eq!(ids(old).await, [1, 4]);
    assert_eq!(ids(cluster.primary()).await, [2]);
}

#[tokio::test]
async fn a_dropped_cluster_leaves_nothing_even_with_nodes_frozen_and_killed() {
    let Some(cluster) = start(2).await else {
        return;
    };
    let pids = cluster.nodes().iter().filter_map(Postgres::pid);
    let pids: Vec<u32> = pids.flat_map(|pid| [vec![pid], descendants(pid)].concat()).collect();
    let dirs: Vec<_> = cluster.nodes().iter().map(Postgres::data_dir).collect();
    assert!(pids.len() > 12, "{pids:?}");
    cluster.nodes()[1].stop().await.unwrap();
    cluster.nodes()[2].kill().await.unwrap();
    drop(cluster);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
    assert!(!dirs.iter().any(|dir| dir.exists()));
}
