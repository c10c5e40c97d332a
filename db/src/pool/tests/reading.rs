use super::*;
use crate::backend::Role;
use crate::{CausalContext, ErrorKind, Outcome};

async fn write(pool: &RwPool<Fake>, context: &CausalContext, value: u64) {
    let mut connection = pool.write().context(context).await.unwrap();
    connection.run(async |c| c.put(1, value).await).await.unwrap();
}

async fn read(pool: &RwPool<Fake>, context: &CausalContext) -> (Option<u64>, Role) {
    let mut connection = pool.read().context(context).await.unwrap();
    let value = connection.run(async |c| c.get(1).await).await.unwrap();
    (value, connection.role())
}

#[tokio::test(start_paused = true)]
async fn reads_go_to_replicas() {
    let world = World::new(3);
    let pool = pool(&world).await;
    let mut served = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let mut connection = pool.read().await.unwrap();
        served.insert(connection.served_by().to_owned());
        connection.run(async |c| c.get(1).await).await.unwrap();
    }
    assert_eq!(served, ["n1".to_owned(), "n2".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn a_context_reads_its_own_writes_while_replicas_are_300_ms_behind() {
    let world = World::new(3);
    world.delay(1, ms(300));
    world.delay(2, ms(300));
    let pool = pool(&world).await;
    let context = CausalContext::new();
    for value in 1..40 {
        write(&pool, &context, value).await;
        assert_eq!(read(&pool, &context).await.0, Some(value));
        tokio::time::sleep(ms(value * 17 % 400)).await;
    }
}

/// The control of the test above.
#[tokio::test(start_paused = true)]
async fn without_a_context_the_same_reads_are_stale() {
    let world = World::new(3);
    world.delay(1, ms(300));
    world.delay(2, ms(300));
    let pool = pool(&world).await;
    let mut stale = 0;
    for value in 1..40 {
        put(&pool, 1, value).await.unwrap();
        stale += usize::from(get(&pool, 1).await.unwrap() != Some(value));
        tokio::time::sleep(ms(value * 17 % 400)).await;
    }
    assert!(stale > 10, "{stale}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_catches_up_within_the_wait_serves_the_read_itself() {
    let world = World::new(2);
    world.delay(1, ms(20));
    let pool = pool(&world).await;
    let context = CausalContext::new();
    write(&pool, &context, 1).await;
    let begun = Instant::now();
    assert_eq!(read(&pool, &context).await, (Some(1), Role::Replica));
    let waited = Instant::now().saturating_duration_since(begun);
    assert!(waited >= ms(15) && waited <= ms(50), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_no_replica_can_serve_in_time_goes_to_the_primary() {
    let world = World::new(2);
    world.pause(1, true);
    let pool = pool(&world).await;
    let context = CausalContext::new();
    write(&pool, &context, 1).await;
    let begun = Instant::now();
    assert_eq!(read(&pool, &context).await, (Some(1), Role::Primary));
    assert!(Instant::now().saturating_duration_since(begun) <= ms(80));
}

#[tokio::test(start_paused = true)]
async fn no_read_of_a_context_sees_less_than_the_one_before_it() {
    let world = World::new(4);
    world.delay(1, ms(5));
    world.delay(2, ms(150));
    world.delay(3, ms(350));
    let pool = pool(&world).await;
    let context = CausalContext::new();
    let writer = CausalContext::new();
    let mut last = None;
    for value in 1..200 {
        write(&pool, &writer, value).await;
        let (seen, _) = read(&pool, &context).await;
        assert!(seen >= last, "{seen:?} after {last:?}");
        last = seen;
        tokio::time::sleep(ms(value * 7 % 40)).await;
    }
}

/// The control of the test above.
#[tokio::test(start_paused = true)]
async fn without_a_context_reads_go_back_in_time() {
    let world = World::new(4);
    world.delay(1, ms(5));
    world.delay(2, ms(150));
    world.delay(3, ms(350));
    let pool = pool(&world).await;
    let (mut last, mut back) = (None, 0);
    for value in 1..200 {
        put(&pool, 1, value).await.unwrap();
        let seen = get(&pool, 1).await.unwrap();
        back += usize::from(seen < last);
        last = seen;
        tokio::time::sleep(ms(value * 7 % 40)).await;
    }
    assert!(back > 20, "{back}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_on_the_primary_returns_to_replicas_when_they_have_caught_up() {
    let world = World::new(3);
    let pool = pool(&world).await;
    let context = CausalContext::new();
    let mut connection = pool.read_primary().context(&context).await.unwrap();
    connection.run(async |c| c.get(1).await).await.unwrap();
    drop(connection);
    tokio::time::sleep(ms(250)).await;
    assert_eq!(read(&pool, &context).await.1, Role::Replica);
}

#[tokio::test(start_paused = true)]
async fn without_replicas_the_primary_serves_reads_and_still_refuses_writes_in_them() {
    let world = World::new(3);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    world.kill(1);
    world.kill(2);
    let mut connection = pool.read().await.unwrap();
    assert_eq!(connection.role(), Role::Primary);
    assert_eq!(connection.run(async |c| c.get(1).await).await.unwrap(), Some(1));
    let error = connection.run(async |c| c.put(1, 2).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ReadOnly, Outcome::Refused));
    assert_eq!(world.values(0, 1), [1]);
}

#[tokio::test(start_paused = true)]
async fn no_read_fails_while_replicas_die_and_come_back() {
    let world = World::new(3);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    for round in 0..20 {
        let node = 1 + round % 2;
        world.kill(node);
        for _ in 0..5 {
            assert_eq!(get(&pool, 1).await.unwrap(), Some(1));
        }
        world.restart(node);
        tokio::time::sleep(ms(120)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_fall_back_to_the_primary_leave_it_room() {
    let world = World::new(2);
    let config = PoolConfig::default().primary_reads(2).checkout(ms(200));
    let pool = pool_with(&world, config).await;
    world.kill(1);
    until("the kill is noticed", || pool.status().nodes[1].state == crate::NodeState::Down).await;
    let held = [pool.read().await.unwrap(), pool.read().await.unwrap()];
    let begun = Instant::now();
    let error = pool.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(Instant::now().saturating_duration_since(begun), ms(200));
    // Who asks for the primary by name is not capped.
    pool.read_primary().await.unwrap();
    drop(held);
    pool.read().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reads_flow_without_a_primary() {
    let world = World::new(3);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    world.kill(0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(get(&pool, 1).await.unwrap(), Some(1));
    let error = pool.read_primary().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoNode);
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_staleness_is_kept_or_refused() {
    let world = World::new(2);
    let pool = pool(&world).await;
    world.pause(1, true);
    put(&pool, 1, 1).await.unwrap();
    tokio::time::sleep(ms(1500)).await;
    let mut connection = pool.read().max_staleness(ms(500)).await.unwrap();
    assert_eq!(connection.role(), Role::Primary);
    assert_eq!(connection.run(async |c| c.get(1).await).await.unwrap(), Some(1));
    drop(connection);
    world.kill(0);
    until("the kill is noticed", || pool.status().primary.is_none()).await;
    let error = pool.read().max_staleness(ms(500)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooStale);
    // Without the bound, old data is better than none.
    assert_eq!(get(&pool, 1).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_cluster_is_refused() {
    let world = World::new(2);
    let pool = pool(&world).await;
    let token = crate::Token {
        system: crate::SystemId(1),
        position: crate::Position::new(1, 1),
        seen: 0,
        issued: 0,
    };
    let error = pool.read().after(token).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ForeignToken, Outcome::NotExecuted));
    assert!(!error.is_retryable());
    assert_eq!(pool.standing(&token).unwrap_err().kind(), ErrorKind::ForeignToken);
}

#[tokio::test(start_paused = true)]
async fn a_tagged_node_serves_only_reads_that_name_its_tag() {
    let world = World::new(3);
    let nodes = [
        Node::new("n0", "n0"),
        Node::new("n1", "n1"),
        Node::new("n2", "n2").tag("reports").connections(1),
    ];
    let pool = RwPool::builder(world.backend()).nodes(nodes).connect().await.unwrap();
    for _ in 0..30 {
        assert_eq!(pool.read().await.unwrap().served_by(), "n1");
    }
    let report = pool.read().tag("reports").await.unwrap();
    assert_eq!(report.served_by(), "n2");
    // Its cap is its own, and reaches nobody else.
    assert_eq!(pool.read().tag("reports").await.unwrap_err().kind(), ErrorKind::Busy);
    pool.read().await.unwrap();
    // With the others gone, reads go to the primary and not there.
    world.kill(1);
    assert_eq!(pool.read().await.unwrap().role(), Role::Primary);
    assert_eq!(pool.read().tag("none").await.unwrap_err().kind(), ErrorKind::NoNode);
}

#[tokio::test(start_paused = true)]
async fn replicas_of_the_own_zone_are_read_first() {
    let world = World::new(3);
    let nodes = [
        Node::new("n0", "n0").zone("a"),
        Node::new("n1", "n1").zone("a"),
        Node::new("n2", "n2").zone("b"),
    ];
    let pool = RwPool::builder(world.backend()).nodes(nodes).zone("b").connect().await.unwrap();
    for _ in 0..20 {
        assert_eq!(pool.read().await.unwrap().served_by(), "n2");
    }
    world.kill(2);
    assert_eq!(pool.read().await.unwrap().served_by(), "n1");
}
