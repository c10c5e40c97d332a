use super::*;
use crate::backend::Fault;
use crate::{CausalContext, ErrorKind, NodeState, Outcome};

/// Time from a promotion to the first accepted write, with somebody trying all the time.
async fn recovery(world: &World, pool: &RwPool<Fake>, promoted: usize) -> Duration {
    world.promote(promoted, true);
    let begun = Instant::now();
    while put(pool, 1, 2).await.is_err() {
        assert!(Instant::now().saturating_duration_since(begun) < ms(5000), "no write is accepted");
    }
    assert_eq!(world.values(promoted, 1).last(), Some(&2));
    Instant::now().saturating_duration_since(begun)
}

#[tokio::test(start_paused = true)]
async fn writes_flow_again_within_300_ms_of_a_promotion_after_a_kill() {
    let world = World::new(3);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    world.kill(0);
    until("the kill is noticed", || pool.status().primary.is_none()).await;
    let took = recovery(&world, &pool, 1).await;
    assert!(took <= ms(300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn writes_flow_again_within_1500_ms_of_a_promotion_that_follows_a_freeze_at_once() {
    let world = World::new(3);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    world.freeze(0);
    let took = recovery(&world, &pool, 1).await;
    assert!(took <= ms(1500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_on_a_frozen_primary_is_given_up_as_soon_as_the_node_is_lost() {
    let world = World::new(2);
    let pool = pool(&world).await;
    let mut connection = pool.write().await.unwrap();
    world.freeze(0);
    let begun = Instant::now();
    let error = connection.run(async |c| c.put(1, 1).await).await.unwrap_err();
    let took = Instant::now().saturating_duration_since(begun);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert!(took < ms(1000), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thawed_old_primary_gets_no_write_and_no_read() {
    let world = World::new(3);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    world.freeze(0);
    recovery(&world, &pool, 1).await;
    world.follow(2, 1);
    let before = world.values(0, 1).len();
    world.thaw(0);
    until("the old primary is known for one", || {
        pool.status().nodes[0].state == NodeState::StalePrimary
    })
    .await;
    for value in 10..30 {
        put(&pool, 1, value).await.unwrap();
        let mut read = pool.read().await.unwrap();
        assert_ne!(read.served_by(), "n0");
        read.run(async |c| c.get(1).await).await.unwrap();
    }
    assert_eq!(world.values(0, 1).len(), before, "the old primary took a write");
}

/// The control: without a new timeline, nothing tells the two apart, and the pool must not choose.
#[tokio::test(start_paused = true)]
async fn two_writable_nodes_on_one_timeline_get_no_writes() {
    let world = World::new(3);
    let pool = pool(&world).await;
    world.promote(1, false);
    until("both are seen", || pool.status().split_brain).await;
    let error = put(&pool, 1, 1).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::SplitBrain, Outcome::NotExecuted));
    assert!(error.to_string().contains("n0 and n1"), "{error}");
    world.demote(1);
    until("one is left", || pool.status().primary.is_some()).await;
    put(&pool, 1, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_from_before_its_node_was_lost_carries_no_more_exchange() {
    let world = World::new(3);
    let pool = pool(&world).await;
    let mut held = pool.write().await.unwrap();
    world.freeze(0);
    recovery(&world, &pool, 1).await;
    world.thaw(0);
    let before = world.values(0, 9).len();
    let error = held.run(async |c| c.put(9, 9).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::NotExecuted));
    assert_eq!(world.values(0, 9).len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_a_primary_and_fails_with_a_typed_error_when_none_comes() {
    let world = World::new(2);
    let pool = pool(&world).await;
    world.kill(0);
    until("the kill is noticed", || pool.status().primary.is_none()).await;
    let begun = Instant::now();
    let error = put(&pool, 1, 1).await.unwrap_err();
    let waited = Instant::now().saturating_duration_since(begun);
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NoPrimary, Outcome::NotExecuted));
    assert!(error.is_retryable());
    assert!(waited >= ms(1990) && waited < ms(2100), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_goes_to_the_new_primary() {
    let world = World::new(2);
    let pool = pool(&world).await;
    world.kill(0);
    until("the kill is noticed", || pool.status().primary.is_none()).await;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { put(&pool, 1, 5).await }
    });
    tokio::time::sleep(ms(700)).await;
    assert!(!waiting.is_finished());
    world.promote(1, true);
    waiting.await.unwrap().unwrap();
    assert_eq!(world.values(1, 1), [5]);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_unknown_and_never_repeated() {
    let world = World::new(2);
    let pool = pool(&world).await;
    world.mute(0, 1);
    let error = put(&pool, 1, 1).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
    assert!(!error.is_retryable());
    tokio::time::sleep(ms(3000)).await;
    assert_eq!(world.values(0, 1), [1], "carried out once");
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_unknown() {
    let world = World::new(2);
    let pool = pool(&world).await;
    let mut transaction = pool.transaction().await.unwrap();
    transaction.run(async |c| c.put(1, 1).await).await.unwrap();
    world.mute(0, 1);
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_breaks_before_its_commit_left_nothing() {
    let world = World::new(2);
    let pool = pool(&world).await;
    let mut transaction = pool.transaction().await.unwrap();
    transaction.run(async |c| c.put(1, 1).await).await.unwrap();
    world.kill(0);
    let error = transaction.run(async |c| c.put(1, 2).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::NotExecuted));
    assert_eq!(world.values(0, 1), Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_says_it_takes_no_writes_is_not_the_primary_any_more() {
    let world = World::new(2);
    let pool = pool(&world).await;
    let mut connection = pool.write().await.unwrap();
    world.demote(0);
    let error = connection.run(async |c| c.put(1, 1).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::NotPrimary, Outcome::NotExecuted));
    drop(connection);
    assert_eq!(pool.status().primary, None, "believed at once, not at the next probe");
    world.promote(1, true);
    put(&pool, 1, 2).await.unwrap();
    assert_eq!(world.values(1, 1), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_write_behind_the_fork_is_reported_as_lost_and_one_before_it_as_kept() {
    let world = World::new(3);
    let pool = pool(&world).await;
    let (kept, lost) = (CausalContext::new(), CausalContext::new());
    for (context, value) in [(&kept, 1), (&lost, 2)] {
        let mut connection = pool.write().context(context).await.unwrap();
        connection.run(async |c| c.put(1, value).await).await.unwrap();
        world.cut(1, true);
        world.cut(2, true);
    }
    let token = |context: &CausalContext| crate::Token {
        system: crate::SystemId(77),
        position: context.position().unwrap(),
        seen: 0,
        issued: 0,
    };
    world.kill(0);
    until("the kill is noticed", || pool.status().primary.is_none()).await;
    recovery(&world, &pool, 1).await;
    assert_eq!(pool.standing(&token(&kept)).unwrap(), crate::Standing::Kept);
    assert_eq!(pool.standing(&token(&lost)).unwrap(), crate::Standing::Lost);
    // A read of the one who lost a write is told, and then goes on.
    let mut connection = pool.read().context(&lost).await.unwrap();
    connection.run(async |c| c.get(1).await).await.unwrap();
    assert!(lost.lost().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_commit_is_unknown_and_keeps_its_connection() {
    let world = World::new(1);
    let pool = pool(&world).await;
    let mut connection = pool.write().await.unwrap();
    let error = connection.run(async |c| c.fail(Fault::Unconfirmed).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unconfirmed, Outcome::Unknown));
    connection.run(async |c| c.put(1, 1).await).await.unwrap();
}
