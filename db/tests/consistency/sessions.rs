//! Sessions read their own writes and never go backwards, however late replicas are.

use std::time::Duration;

use terrace_testkit::history::session::{self, Broken, SessionReport};

use crate::load::{Load, Tokens};
use crate::world::{Network, World, config, in_both_worlds, seed};

in_both_worlds!(
    sessions_with_tokens_keep_their_guarantees_on_late_replicas,
    sessions_with_tokens_keep_their_guarantees_on_paused_replicas,
    sessions_with_tokens_keep_their_guarantees_on_replicas_that_differ,
    sessions_without_tokens_do_not,
    fresh_replicas_serve_sessions_with_tokens,
);

/// Replicas that lag, each in its own way.
#[derive(Clone, Copy)]
enum Lag {
    Both,
    One,
    Paused,
}

async fn sessions<W: World>(world: &W, seed: u64, lag: Lag, tokens: Tokens) -> SessionReport {
    let delay = Duration::from_millis(300);
    if matches!(lag, Lag::Both | Lag::One) {
        world.delay(1, delay).await;
    }
    if matches!(lag, Lag::Both) {
        world.delay(2, delay).await;
    }
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, tokens);
    load.during(async {
        load.progress(100).await;
        if matches!(lag, Lag::Paused) {
            world.pause(1).await;
            world.pause(2).await;
            load.progress(150).await;
            world.resume(1).await;
            load.progress(50).await;
            world.resume(2).await;
        }
        load.progress(150).await;
    })
    .await;
    load.mishaps_fit();
    assert_eq!(load.failed_writes(), 0, "the primary was well");
    let report = session::check(&load.ops());
    let (replicas, primary) = load.served();
    println!("  {replicas} reads on replicas, {primary} on the primary; {report}");
    report
}

async fn kept<W: World>(scenario: &str, lag: Lag) {
    let seed = seed::<W>(scenario);
    let Some(world) = W::start(Network::Direct).await else { return };
    let report = sessions(&world, seed, lag, Tokens::Carried).await;
    assert!(report.is_ok(), "seed {seed}: {report}");
    assert!(report.bound > 100, "seed {seed}: hardly anything was promised: {report}");
}

async fn sessions_with_tokens_keep_their_guarantees_on_late_replicas<W: World>() {
    kept::<W>("sessions on late replicas", Lag::Both).await;
}

async fn sessions_with_tokens_keep_their_guarantees_on_paused_replicas<W: World>() {
    kept::<W>("sessions on paused replicas", Lag::Paused).await;
}

async fn sessions_with_tokens_keep_their_guarantees_on_replicas_that_differ<W: World>() {
    kept::<W>("sessions on replicas that differ", Lag::One).await;
}

/// The control.
async fn sessions_without_tokens_do_not<W: World>() {
    let seed = seed::<W>("sessions without tokens");
    let Some(world) = W::start(Network::Direct).await else { return };
    // Both late: which of two replicas serves is the pool's business. Reads on the primary in between
    // show a session what replicas do not have yet.
    let report = sessions(&world, seed, Lag::Both, Tokens::Dropped).await;
    assert!(report.count(Broken::ReadYourWrites) > 0, "seed {seed}: {report}");
    assert!(report.count(Broken::MonotonicReads) > 0, "seed {seed}: {report}");
}

/// Tokens are no excuse for reading everything on the primary.
async fn fresh_replicas_serve_sessions_with_tokens<W: World>() {
    let seed = seed::<W>("fresh replicas serve sessions");
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), seed).await;
    let load = Load::<W>::new(&pool, seed, Tokens::Carried);
    load.during(load.progress(300)).await;
    let (replicas, _) = load.served();
    let reads = load.ops().iter().filter(|op| is_session_read(op)).count() as u64;
    println!("  {replicas} of {reads} reads of sessions were served by replicas");
    assert!(replicas * 2 > reads, "seed {seed}: {replicas} of {reads}");
}

fn is_session_read(op: &terrace_testkit::history::register::RegisterOp) -> bool {
    use terrace_testkit::history::register::Call;
    op.process < crate::load::SESSIONS && matches!(op.call, Call::Read { .. })
}
