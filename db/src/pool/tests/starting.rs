use super::*;
use crate::{ErrorKind, NodeState};

fn builder(world: &World) -> crate::Builder<Fake> {
    let nodes = world.names().into_iter().map(|name| Node::new(name, name));
    RwPool::builder(world.backend()).nodes(nodes).seed(1)
}

#[tokio::test(start_paused = true)]
async fn a_pool_needs_a_node_and_a_name_stands_once() {
    let world = World::new(1);
    let error = RwPool::builder(world.backend()).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let error = builder(&world).node(Node::new("n0", "n0")).connect().await.unwrap_err();
    assert!(error.to_string().contains("\"n0\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_refuses_to_let_us_in_is_named_at_once() {
    let world = World::new(2);
    world.deny(1);
    let error = builder(&world).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::Denied, Some("n1")));
}

#[tokio::test(start_paused = true)]
async fn a_node_of_another_cluster_is_named_at_once() {
    let world = World::new(2);
    world.foreign(1);
    let error = builder(&world).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignCluster);
}

#[tokio::test(start_paused = true)]
async fn a_pool_starts_while_a_node_is_down_or_hangs() {
    let world = World::new(4);
    world.kill(1);
    world.freeze(2);
    let begun = Instant::now();
    let pool = builder(&world).connect().await.unwrap();
    assert!(Instant::now().saturating_duration_since(begun) <= Duration::from_secs(2));
    put(&pool, 1, 1).await.unwrap();
    world.restart(1);
    world.thaw(2);
    until("they are taken in", || {
        pool.status().nodes[1..].iter().all(|node| node.state == NodeState::Replica)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_over_nothing_but_dead_nodes_says_so() {
    let world = World::new(2);
    world.kill(0);
    world.kill(1);
    let error = builder(&world).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoNode);
    assert!(error.to_string().contains("n0") && error.to_string().contains("n1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn with_replicas_only_reads_flow_and_writes_say_why_not() {
    let world = World::new(3);
    world.demote(0);
    let pool = builder(&world).connect().await.unwrap();
    get(&pool, 1).await.unwrap();
    assert_eq!(put(&pool, 1, 1).await.unwrap_err().kind(), ErrorKind::NoPrimary);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_added_serves_once_it_has_caught_up_and_none_after_it_was_removed() {
    let world = World::new(3);
    world.pause(2, true);
    let pool = RwPool::builder(world.backend())
        .nodes([Node::new("n0", "n0"), Node::new("n1", "n1")])
        .config(PoolConfig::default().max_lag_bytes(10))
        .connect()
        .await
        .unwrap();
    for value in 0..50 {
        put(&pool, 1, value).await.unwrap();
    }
    pool.add(Node::new("n2", "n2")).unwrap();
    assert_eq!(pool.add(Node::new("n2", "n2")).unwrap_err().kind(), ErrorKind::Config);
    tokio::time::sleep(ms(500)).await;
    for _ in 0..20 {
        assert_eq!(pool.read().await.unwrap().served_by(), "n1");
    }
    world.pause(2, false);
    until("it has caught up", || pool.status().nodes[2].state == NodeState::Replica).await;
    pool.remove("n1").unwrap();
    assert_eq!(pool.remove("n1").unwrap_err().kind(), ErrorKind::Config);
    for _ in 0..20 {
        assert_eq!(pool.read().await.unwrap().served_by(), "n2");
    }
    until("its connections are closed", || world.open(1) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn everything_ends_with_the_last_clone() {
    let world = World::new(2);
    let pool = builder(&world).connect().await.unwrap();
    put(&pool, 1, 1).await.unwrap();
    let clone = pool.clone();
    drop(pool);
    put(&clone, 1, 2).await.unwrap();
    drop(clone);
    until("all connections are closed", || world.open(0) + world.open(1) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_pool_remembers_the_timeline_and_believes_no_old_primary() {
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("memory");
    let world = World::new(2);
    let pool = builder(&world).remember(&path).connect().await.unwrap();
    world.promote(1, true);
    until("the new one is seen", || pool.status().primary.as_deref() == Some("n1")).await;
    put(&pool, 1, 1).await.unwrap();
    until("it is written down", || {
        std::fs::read_to_string(&path).is_ok_and(|text| !text.is_empty())
    })
    .await;
    drop(pool);
    world.kill(1);
    let pool = builder(&world).remember(&path).connect().await;
    // Only the old primary answers, and it must not be believed.
    if let Ok(pool) = pool {
        assert_eq!(put(&pool, 1, 1).await.unwrap_err().kind(), ErrorKind::NoPrimary);
    }
    // The control: without the memory, it is.
    let forgetful = builder(&world).connect().await.unwrap();
    put(&forgetful, 1, 1).await.unwrap();
}
