//! Transactions on lists: nothing lost, nothing twice, no circles.

use std::cell::Cell;

use fastrand::Rng;
use futures_util::future::join_all;
use terrace_db::{CausalContext, Outcome};
use terrace_testkit::history::History;
use terrace_testkit::history::append::{self, Answer, Call, Step};

use crate::in_both_worlds;
use crate::load::Mishap;
use crate::world::{LISTS, Network, World, config, seed, until};

in_both_worlds!(lists_grow_and_transactions_do_not_circle, lists_survive_a_restart_of_the_primary);

const PROCESSES: u32 = 5;
const ROUNDS: usize = 40;

async fn lists_grow_and_transactions_do_not_circle<W: World>() {
    appended::<W>("lists", false).await;
}

async fn lists_survive_a_restart_of_the_primary<W: World>() {
    appended::<W>("lists and a restart", true).await;
}

async fn appended<W: World>(scenario: &str, restart: bool) {
    let seed = seed::<W>(scenario);
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = &world.pool(config(), seed).await;
    let history = &History::<Call, Answer>::new();
    let next = &Cell::new(1);
    let (world, failed) = (&world, &Cell::new(0_usize));
    let process = |number: u32| async move {
        let mut rng = Rng::with_seed(seed ^ (u64::from(number) << 32));
        let context = CausalContext::new();
        for round in 0..ROUNDS {
            if restart && number == 0 && round == ROUNDS / 2 {
                world.kill(0).await;
                until("the pool has noticed", || pool.status().primary.is_none()).await;
                world.restart(0).await;
            }
            let replicas = rng.u8(..3) == 0;
            let call =
                if replicas { Call::read(rng.u64(..LISTS)) } else { made_up(&mut rng, next) };
            let pending = history.invoke(number, call.clone());
            let done = match (&call.0[..], replicas) {
                ([Step::Read { key }], true) => {
                    W::read_list(pool, *key, &context).await.map(|list| vec![list])
                }
                _ => W::transact(pool, &call, &context).await,
            };
            match done {
                Ok(lists) => pending.ok(lists),
                Err(error) => {
                    let mishap = Mishap::new(!replicas, &error);
                    assert!(mishap.fits(), "seed {seed}: {mishap}");
                    failed.set(failed.get() + 1);
                    match error.outcome() {
                        Outcome::Unknown => pending.unknown(),
                        Outcome::NotExecuted | Outcome::Refused => pending.fail(),
                    }
                }
            }
        }
    };
    join_all((0..PROCESSES).map(process)).await;
    assert!(restart || failed.get() == 0, "seed {seed}: {} failed", failed.get());
    let finals = W::lists(&world.truth().await).await;
    let report = append::check(&history.ops(), &finals);
    println!("  {} failed; {report}", failed.get());
    assert!(report.is_ok(), "seed {seed}: {report}");
}

/// Some appends and reads, in the order of their keys, so that no two wait for each other.
fn made_up(rng: &mut Rng, next: &Cell<u64>) -> Call {
    let mut steps = Vec::new();
    for key in 0..LISTS {
        match rng.u8(..4) {
            0 => steps.push(Step::Read { key }),
            1 => {}
            _ => {
                next.set(next.get() + 1);
                steps.push(Step::Append { key, element: next.get() });
            }
        }
    }
    if steps.is_empty() {
        steps.push(Step::Read { key: 0 });
    }
    Call(steps)
}
