//! Writes and reads on the primary: one register a key, whoever asks.

use std::time::Duration;

use terrace_testkit::history::register;

use crate::in_both_worlds;
use crate::load::{Load, Tokens};
use crate::world::{Network, World, config, seed};

in_both_worlds!(reads_on_the_primary_are_linearizable, reads_on_late_replicas_are_not);

async fn reads_on_the_primary_are_linearizable<W: World>() {
    let seed = seed::<W>("reads on the primary are linearizable");
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    load.during(load.progress(300)).await;
    assert_eq!(load.failed(), 0, "nothing was wrong");
    let report = register::check(&load.latest());
    println!("  {report}");
    assert!(report.is_ok(), "seed {seed}: {report}");
}

/// The control: the same history with reads on replicas is found out.
async fn reads_on_late_replicas_are_not<W: World>() {
    let seed = seed::<W>("reads on late replicas are not linearizable");
    let Some(world) = W::start(Network::Direct).await else { return };
    for replica in [1, 2] {
        world.delay(replica, Duration::from_millis(300)).await;
    }
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Dropped);
    load.during(load.progress(300)).await;
    let report = register::check(&load.ops());
    assert!(!report.offences.is_empty(), "seed {seed}: stale reads were not found: {report}");
    let latest = register::check(&load.latest());
    assert!(latest.is_ok(), "seed {seed}: {latest}");
}
