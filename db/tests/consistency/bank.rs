//! Money moves in transactions, and is neither made nor lost.

use std::cell::Cell;

use fastrand::Rng;
use futures_util::future::join_all;
use terrace_db::{ErrorKind, Outcome};
use terrace_testkit::history::History;
use terrace_testkit::history::bank::{self, Answer, Call};

use crate::in_both_worlds;
use crate::load::Mishap;
use crate::world::{ACCOUNTS, Network, World, config, opening, seed};

in_both_worlds!(transfers_keep_the_sum, transfers_keep_the_sum_across_a_failover);

const PROCESSES: u32 = 5;
const ROUNDS: usize = 50;

async fn transfers_keep_the_sum<W: World>() {
    moved::<W>("bank", false).await;
}

async fn transfers_keep_the_sum_across_a_failover<W: World>() {
    moved::<W>("bank and a failover", true).await;
}

async fn moved<W: World>(scenario: &str, failover: bool) {
    let seed = seed::<W>(scenario);
    let Some(world) = W::start(Network::Direct).await else { return };
    if failover {
        world.quorum(1).await;
    }
    let pool = &world.pool(config(), seed).await;
    let history = &History::<Call, Answer>::new();
    let (world, next) = (&world, &Cell::new(1));
    let process = |number: u32| async move {
        let mut rng = Rng::with_seed(seed ^ (u64::from(number) << 32));
        for round in 0..ROUNDS {
            if failover && number == 0 && round == ROUNDS / 2 {
                world.kill(0).await;
                world.promote().await;
            }
            let call = made_up(&mut rng, next);
            let pending = history.invoke(number, call);
            let done = match call {
                Call::Transfer { id, from, to, amount } => {
                    W::transfer(pool, id, from, to, amount).await.map(|()| Answer::Moved)
                }
                Call::Audit => W::audit(pool, rng.bool()).await.map(Answer::Balances),
            };
            match done {
                Ok(answer) => pending.ok(answer),
                Err(error) => {
                    let transfer = call != Call::Audit;
                    let declined = transfer && error.kind() == ErrorKind::Statement;
                    let mishap = Mishap::new(transfer, &error);
                    // An audit on the primary may find that there is none.
                    let fits = declined || (failover && mishap.fits());
                    assert!(fits, "seed {seed}: {mishap}");
                    match error.outcome() {
                        Outcome::Unknown => pending.unknown(),
                        Outcome::NotExecuted | Outcome::Refused => pending.fail(),
                    }
                }
            }
        }
    };
    join_all((0..PROCESSES).map(process)).await;
    let books = W::books(&world.truth().await).await;
    let report = bank::check(&history.ops(), &opening(), &books);
    println!("  {report}");
    assert!(report.is_ok(), "seed {seed}: {report}");
    assert!(report.audits > 10 && report.transfers.acknowledged > 20, "seed {seed}: {report}");
}

fn made_up(rng: &mut Rng, next: &Cell<u64>) -> Call {
    if rng.u8(..3) == 0 {
        return Call::Audit;
    }
    next.set(next.get() + 1);
    let from = rng.u64(..ACCOUNTS);
    let to = (from + rng.u64(1..ACCOUNTS)) % ACCOUNTS;
    Call::Transfer { id: next.get(), from, to, amount: rng.i64(1..60) }
}
