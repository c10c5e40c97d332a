//! Nodes fail under load, and nobody is promoted: nothing is lost, and nothing fails in a way that
//! it should not.

use terrace_db::backend::Role;
use terrace_db::{NodeState, PoolConfig, RwPool};
use terrace_testkit::history::{register, session};

use crate::in_both_worlds;
use crate::load::{Load, Tokens};
use crate::world::{Network, World, config, seed, until};

in_both_worlds!(
    a_killed_replica_is_hardly_noticed,
    without_replicas_the_primary_serves_reads,
    a_primary_that_restarts_is_waited_for,
    a_frozen_replica_is_left_alone,
    a_primary_behind_a_black_hole_is_waited_for,
    a_replica_behind_a_black_hole_is_left_alone,
);

/// What must hold after every fault that loses no node for good.
async fn nothing_is_lost<W: World>(world: &W, load: &Load<'_, W>, seed: u64) {
    load.mishaps_fit();
    let stored = W::values(&world.truth().await).await.expect("the values can be read");
    let audit = load.audit(&stored);
    println!("  {audit}");
    assert!(audit.is_ok(), "seed {seed}: {audit}");
    let sessions = session::check(&load.ops());
    println!("  {sessions}");
    assert!(sessions.is_ok(), "seed {seed}: {sessions}");
    let latest = register::check(&load.latest());
    assert!(latest.is_ok(), "seed {seed}: {latest}");
}

fn state<W: World>(pool: &RwPool<W::B>, number: usize, state: NodeState) -> bool {
    pool.status().nodes.get(number).is_some_and(|node| node.state == state)
}

/// Somebody who has seen nothing yet can read, on a replica. Those who have may have seen more than
/// replicas have, and wait for the primary.
async fn reads_flow<W: World>(pool: &RwPool<W::B>) {
    let read = W::get(pool, 0, None, false).await;
    assert!(matches!(read, Ok((_, Role::Replica))), "{read:?}");
}

async fn a_killed_replica_is_hardly_noticed<W: World>() {
    let seed = seed::<W>("a killed replica");
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    load.during(async {
        load.progress(60).await;
        world.kill(1).await;
        load.progress(100).await;
        load.reads_by(Role::Replica, 20).await;
        world.restart(1).await;
        until("it serves again", || state::<W>(&pool, 1, NodeState::Replica)).await;
        load.progress(60).await;
    })
    .await;
    assert_eq!(load.failed_writes(), 0, "seed {seed}: writes have nothing to do with replicas");
    nothing_is_lost(&world, &load, seed).await;
}

async fn without_replicas_the_primary_serves_reads<W: World>() {
    let seed = seed::<W>("no replica left");
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    load.during(async {
        load.progress(60).await;
        world.kill(1).await;
        world.kill(2).await;
        load.progress(60).await;
        load.reads_by(Role::Primary, 60).await;
        world.restart(1).await;
        world.restart(2).await;
        load.reads_by(Role::Replica, 20).await;
    })
    .await;
    assert_eq!(load.failed_writes(), 0, "seed {seed}: writes have nothing to do with replicas");
    nothing_is_lost(&world, &load, seed).await;
}

async fn a_primary_that_restarts_is_waited_for<W: World>() {
    let seed = seed::<W>("a primary that restarts");
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    load.during(async {
        load.progress(60).await;
        world.kill(0).await;
        until("the pool has noticed", || !state::<W>(&pool, 0, NodeState::Primary)).await;
        reads_flow::<W>(&pool).await;
        world.restart(0).await;
        let took = load.progress(1).await;
        println!("  first write {} ms after the restart", took.as_millis());
        load.progress(60).await;
    })
    .await;
    nothing_is_lost(&world, &load, seed).await;
}

async fn a_frozen_replica_is_left_alone<W: World>() {
    let seed = seed::<W>("a frozen replica");
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    load.during(async {
        load.progress(60).await;
        world.freeze(1).await;
        until("nobody asks it any more", || !state::<W>(&pool, 1, NodeState::Replica)).await;
        load.progress(100).await;
        world.thaw(1).await;
        until("it serves again", || state::<W>(&pool, 1, NodeState::Replica)).await;
        load.progress(60).await;
    })
    .await;
    assert_eq!(load.failed_writes(), 0, "seed {seed}: writes have nothing to do with replicas");
    nothing_is_lost(&world, &load, seed).await;
}

async fn a_primary_behind_a_black_hole_is_waited_for<W: World>() {
    let seed = seed::<W>("a primary behind a black hole");
    black_hole::<W>(seed, config(), 0).await;
}

async fn a_replica_behind_a_black_hole_is_left_alone<W: World>() {
    let seed = seed::<W>("a replica behind a black hole");
    black_hole::<W>(seed, config(), 1).await;
}

async fn black_hole<W: World>(seed: u64, config: PoolConfig, number: usize) {
    let Some(world) = W::start(Network::Cuttable).await else { return };
    let pool = world.pool(config, seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    let before = if number == 0 { NodeState::Primary } else { NodeState::Replica };
    load.during(async {
        load.progress(60).await;
        world.cut(number).await;
        until("the pool has noticed", || !state::<W>(&pool, number, before)).await;
        reads_flow::<W>(&pool).await;
        if number != 0 {
            load.progress(60).await;
        }
        world.heal(number).await;
        until("it serves again", || state::<W>(&pool, number, before)).await;
        load.progress(60).await;
    })
    .await;
    assert!(number == 0 || load.failed_writes() == 0, "seed {seed}: the primary was well");
    nothing_is_lost(&world, &load, seed).await;
}
