use super::*;
use crate::backend::Fault;
use crate::{ErrorKind, Outcome};

#[tokio::test(start_paused = true)]
async fn a_caller_waits_for_a_connection_no_longer_than_it_may() {
    let world = World::new(1);
    let pool = pool_with(&world, PoolConfig::default().connections(1).checkout(ms(250))).await;
    let held = pool.write().await.unwrap();
    let begun = Instant::now();
    let error = pool.write().await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Busy, Outcome::NotExecuted));
    assert_eq!(Instant::now().saturating_duration_since(begun), ms(250));
    drop(held);
    pool.write().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_callers_is_bounded() {
    let world = World::new(1);
    let config = PoolConfig::default().connections(1).max_waiting(2);
    let pool = pool_with(&world, config).await;
    let held = pool.write().await.unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.write().await.map(drop) })
        })
        .collect();
    tokio::time::sleep(ms(10)).await;
    let begun = Instant::now();
    let error = pool.write().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(Instant::now().saturating_duration_since(begun), Duration::ZERO);
    drop(held);
    for done in waiting {
        done.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_and_its_connection_with_it() {
    let world = World::new(1);
    let config = PoolConfig::default().answer(ms(300)).probe_deadline(ms(60_000));
    let pool = pool_with(&world, config).await;
    let mut connection = pool.read().await.unwrap();
    world.freeze(0);
    let begun = Instant::now();
    let error = connection.run(async |c| c.get(1).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotExecuted));
    assert_eq!(Instant::now().saturating_duration_since(begun), ms(300));
    world.thaw(0);
    // What comes late must not be taken for the answer to something else.
    let again = connection.run(async |c| c.get(1).await).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Disconnected);
    drop(connection);
    get(&pool, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_read_that_failed_late_is_not_begun_again_elsewhere() {
    let world = World::new(3);
    let pool = pool_with(&world, PoolConfig::default().checkout(ms(500))).await;
    for (took, again) in [(0, true), (400, true), (600, false)] {
        let mut read = pool.read();
        let connection = read.pick().await.unwrap();
        tokio::time::sleep(ms(took)).await;
        let failed = crate::Error::before(ErrorKind::Disconnected);
        assert_eq!(read.forgive(&connection, failed).is_ok(), again, "after {took} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_dropped_midway_costs_its_connection_and_nothing_else() {
    let world = World::new(1);
    let pool = pool(&world).await;
    put(&pool, 1, 1).await.unwrap();
    let open = world.open(0);
    let mut connection = pool.write().await.unwrap();
    let begun = tokio::time::timeout(ms(0), connection.run(async |c| c.put(1, 2).await)).await;
    assert!(begun.is_err());
    drop(connection);
    assert_eq!(world.open(0), open - 1, "the connection is closed");
    assert_eq!(pool.status().nodes[0].in_flight, 0);
    put(&pool, 1, 3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_fails_keeps_its_connection() {
    let world = World::new(1);
    let pool = pool(&world).await;
    let mut connection = pool.write().await.unwrap();
    let error = connection.run(async |c| c.fail(Fault::Statement).await).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Statement, Outcome::Refused));
    assert!(std::error::Error::source(&error).is_some());
    drop(connection);
    let connects = world.connects(0);
    put(&pool, 1, 1).await.unwrap();
    assert_eq!(world.connects(0), connects);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_dropped_is_rolled_back_before_its_connection_is_lent_again() {
    let world = World::new(1);
    let pool = pool_with(&world, PoolConfig::default().connections(1)).await;
    let mut transaction = pool.transaction().await.unwrap();
    transaction.run(async |c| c.put(1, 1).await).await.unwrap();
    drop(transaction);
    let connects = world.connects(0);
    let mut connection = pool.write().await.unwrap();
    assert!(!connection.run(async |c| Ok(c.in_transaction())).await.unwrap());
    connection.run(async |c| c.put(1, 2).await).await.unwrap();
    assert_eq!(world.values(0, 1), [2]);
    assert_eq!(world.connects(0), connects, "it is the same connection");
}

#[tokio::test(start_paused = true)]
async fn a_committed_transaction_stays_and_a_rolled_back_one_does_not() {
    let world = World::new(1);
    let pool = pool(&world).await;
    for commit in [true, false] {
        let mut transaction = pool.transaction().await.unwrap();
        transaction.run(async |c| c.put(1, u64::from(commit)).await).await.unwrap();
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    assert_eq!(world.values(0, 1), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lay_idle_is_asked_for_a_sign_of_life_first() {
    let world = World::new(1);
    let config = PoolConfig::default().probe_interval(Duration::from_secs(3600));
    let pool = pool_with(&world, config).await;
    get(&pool, 1).await.unwrap();
    let before = world.exchanges(0);
    get(&pool, 1).await.unwrap();
    assert_eq!(world.exchanges(0) - before, 1, "at once: the read alone");
    tokio::time::sleep(ms(1100)).await;
    let before = world.exchanges(0);
    get(&pool, 1).await.unwrap();
    assert_eq!(world.exchanges(0) - before, 2, "after a pause: a ping, and the read");
}

#[tokio::test(start_paused = true)]
async fn connections_grow_no_older_than_they_may_and_idle_ones_are_closed() {
    let world = World::new(1);
    let config = PoolConfig::default()
        .max_lifetime(Duration::from_secs(60))
        .max_idle(Duration::from_secs(20));
    let pool = pool_with(&world, config).await;
    get(&pool, 1).await.unwrap();
    let connects = world.connects(0);
    for _ in 0..70 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        get(&pool, 1).await.unwrap();
    }
    assert_eq!(world.connects(0), connects + 1, "one lifetime has ended");
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(pool.status().nodes[0].read_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_bad_setting_is_refused_by_name() {
    let world = World::new(1);
    let build = |config| {
        RwPool::builder(world.backend()).node(Node::new("n0", "n0")).config(config).connect()
    };
    let error = build(PoolConfig::default().connections(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("connections"), "{error}");
    let error = build(PoolConfig::default().answer(Duration::ZERO)).await.unwrap_err();
    assert!(error.to_string().contains("answer"), "{error}");
}
