//! What a node says about itself, asked or not.

use super::*;
use crate::cluster::{Fork, History};

#[tokio::test]
async fn live_a_primary_and_its_replicas_say_what_they_are_and_how_far() {
    let Some(cluster) = start(2).await else { return };
    let mut seen = Vec::new();
    for node in cluster.nodes() {
        let mut connection = connect(node, Access::ReadOnly).await;
        seen.push(observe(&mut connection).await);
    }
    assert_eq!(
        seen.iter().map(|o| o.role).collect::<Vec<_>>(),
        [Role::Primary, Role::Replica, Role::Replica]
    );
    for observation in &seen {
        assert_eq!(observation.system, seen[0].system);
        assert_eq!(observation.position.timeline, 1);
    }
    assert_eq!(seen[0].history, Some(History::default()));
    assert_eq!(seen[1].history, None);
    assert!(seen[0].incarnation != seen[1].incarnation);

    // With nobody writing, replicas come exactly as far as the primary says.
    for node in &cluster.nodes()[1..] {
        let mut connection = connect(node, Access::ReadOnly).await;
        until("the replica is as far as the primary", async || {
            observe(&mut connection).await.position >= seen[0].position
        })
        .await;
    }
}

#[tokio::test]
async fn live_an_incarnation_lasts_until_the_server_may_have_gone_back_in_time() {
    let Some(cluster) = start(1).await else { return };
    let replica = &cluster.nodes()[1];
    let incarnation = async || {
        let mut connection = connect(replica, Access::ReadOnly).await;
        observe(&mut connection).await.incarnation
    };
    let first = incarnation().await;
    assert_eq!(incarnation().await, first);

    // One process dies, and the postmaster lets all others recover, without a new start of its own.
    let connection = connect(replica, Access::ReadOnly).await;
    let pid: i32 = connection.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
    Postgres::new().changed(&connection).await;
    until("the replica is back", async || replica.connect().await.is_ok()).await;
    let second = incarnation().await;
    assert!(second != first);

    replica.restart().await.unwrap();
    assert!(incarnation().await != second);
}

#[tokio::test]
async fn live_a_promoted_node_names_its_new_timeline_and_the_fork_at_once() {
    let Some(cluster) = start(2).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    primary.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let before = observe(&mut primary).await;
    cluster.catch_up().await.unwrap();

    // Not through the testkit, which makes a checkpoint afterwards.
    let mut promoted = connect(&cluster.nodes()[1], Access::ReadOnly).await;
    promoted.query_one("SELECT pg_promote(true, 20)", &[]).await.unwrap();
    let after = observe(&mut promoted).await;
    assert_eq!((after.role, after.position.timeline), (Role::Primary, 2));
    assert_eq!(after.system, before.system);
    let forks = after.history.unwrap().forks().to_vec();
    assert!(
        matches!(forks[..], [Fork { timeline: 1, offset }] if offset >= before.position.offset
            && offset <= after.position.offset),
        "{forks:?}"
    );

    // Control: the control file says otherwise, or may.
    let tli: i32 = promoted
        .query_one("SELECT timeline_id FROM pg_control_checkpoint()", &[])
        .await
        .unwrap()
        .get(0);
    println!("control file on the new primary says timeline {tli}");

    // Who follows says so, too, as soon as it has come to the new timeline.
    cluster.nodes()[2].follow(&cluster.nodes()[1]).await.unwrap();
    let mut follower = connect(&cluster.nodes()[2], Access::ReadOnly).await;
    until("the follower is on the new timeline", async || {
        observe(&mut follower).await.position >= after.position
    })
    .await;
}

#[tokio::test]
async fn live_a_user_without_privileges_can_observe_all_but_the_forks() {
    let Some(cluster) = start(1).await else { return };
    let client = cluster.primary().connect().await.unwrap();
    client.batch_execute("CREATE ROLE plain LOGIN").await.unwrap();
    cluster.catch_up().await.unwrap();
    let plain = |server: &Server| server.url().replace("postgres@", "plain@");

    let mut replica = try_connect(&plain(&cluster.nodes()[1]), Access::ReadOnly).await.unwrap();
    let observation = observe(&mut replica).await;
    assert_eq!((observation.role, observation.position.timeline), (Role::Replica, 1));
    cluster.nodes()[1].promote().await.unwrap();
    let observation = observe(&mut replica).await;
    assert_eq!((observation.role, observation.position.timeline), (Role::Primary, 2));
    assert_eq!(observation.history, None);

    // Control: with the privilege, the same user gets them.
    let grant = "GRANT EXECUTE ON FUNCTION pg_read_file(text,bigint,bigint,boolean) TO plain";
    let client = cluster.nodes()[1].connect().await.unwrap();
    client.batch_execute(grant).await.unwrap();
    let mut again = try_connect(&plain(&cluster.nodes()[1]), Access::ReadOnly).await.unwrap();
    assert_eq!(observe(&mut again).await.history.unwrap().forks().len(), 1);
}

#[tokio::test]
async fn live_a_promotion_is_heard_without_asking() {
    let Some(cluster) = start(1).await else { return };
    let backend = Postgres::new();
    let mut connection = connect(&cluster.nodes()[1], Access::ReadWrite).await;
    assert_eq!(backend.role(&connection), Some(Role::Replica));
    assert!(timeout(Duration::from_millis(50), backend.changed(&connection)).await.is_err());
    cluster.nodes()[1].promote().await.unwrap();
    // Any answer will do: the server adds it to what comes next.
    backend.ping(&mut connection).await.unwrap();
    timeout(LONG, backend.changed(&connection)).await.unwrap();
    assert_eq!(backend.role(&connection), Some(Role::Primary));
    assert!(backend.is_open(&connection));
}

#[tokio::test]
async fn live_a_connection_hears_that_its_server_is_gone() {
    let Some(cluster) = start(0).await else { return };
    let backend = Postgres::new();
    let mut connection = connect(cluster.primary(), Access::ReadOnly).await;
    assert!(backend.is_open(&connection));
    cluster.primary().kill().await.unwrap();
    timeout(LONG, backend.changed(&connection)).await.unwrap();
    assert!(!backend.is_open(&connection));
    let error = backend.ping(&mut connection).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Broken);
}

#[tokio::test]
async fn live_a_frozen_server_is_noticed_by_a_deadline_and_by_nothing_else() {
    let Some(cluster) = start(0).await else { return };
    let backend = Postgres::new();
    let mut connection = connect(cluster.primary(), Access::ReadOnly).await;
    cluster.primary().stop().await.unwrap();
    assert!(backend.is_open(&connection));
    let short = Duration::from_millis(300);
    assert!(timeout(short, backend.observe(&mut connection)).await.is_err());
    assert!(timeout(short, try_connect(&cluster.primary().url(), Access::ReadOnly)).await.is_err());
    assert!(backend.is_open(&connection));
    cluster.primary().cont();
}

#[tokio::test]
async fn live_a_dropped_connection_ends_on_the_server() {
    let Some(cluster) = start(0).await else { return };
    let connection = connect(cluster.primary(), Access::ReadOnly).await;
    let watcher = connect(cluster.primary(), Access::ReadOnly).await;
    let pid: i32 = connection.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let alive = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
        watcher.query_one(sql, &[&pid]).await.unwrap().get::<_, i64>(0) == 1
    };
    assert!(alive().await);
    drop(connection);
    until("the session is over", async || !alive().await).await;
}
