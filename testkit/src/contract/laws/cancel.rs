//! Law 5: what a dropped future leaves behind.

use std::task::Poll;
use std::time::Duration;

use super::{FOREVER, drive, occupy, quiet};
use crate::contract::check::caught;
use crate::contract::flight::{BUSY, Flight};
use crate::contract::kit::{Findings, Kit, World, settle};
use crate::contract::{Latency, Outcome, Plan};

/// Await points inside the inner call of the scenario.
const POINTS: usize = 3;

/// Drops a request after its 0th, 1st, 2nd… poll, until it ends by itself.
pub(super) async fn polls(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let service = (world.wrap)();
    for outcome in [Outcome::Respond, Outcome::Fail("on purpose".into())] {
        world.probe.plan(Plan { latency: Latency::Polls(POINTS), outcome });
        for polls in 0..BUSY {
            let mut flight = Flight::oneshot(&service, polls);
            let mut ended = false;
            for _ in 0..polls {
                ended = flight.poll().is_ready();
                if ended {
                    break;
                }
                settle().await;
            }
            let stage = flight.describe();
            drop(flight);
            if let Err(left) = quiet(world).await {
                found.add(format!("a future dropped after {polls} poll(s) ({stage}): {left}"));
                return;
            }
            if ended {
                break;
            }
        }
    }
    still_serves(kit, world, found, "after futures were dropped at every await point").await;
}

/// A waiter that is dropped, before or after its turn came, takes nobody's place.
pub(super) async fn waiters(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let Some(capacity) = kit.capacity else { return };
    let mut holders = occupy(world, 0, capacity).await;
    let service = (world.wrap)();
    let mut waiters: Vec<_> = (0..3).map(|n| Flight::oneshot(&service, capacity + n)).collect();
    drive(&mut waiters).await;
    if waiters.iter().all(|waiter| waiter.failure().is_some() || waiter.reply().is_some()) {
        return; // It refuses at once: nobody waits.
    }
    drop(waiters.pop());
    // The place of the first holder goes to the first waiter, which is dropped before it runs.
    world.probe.release();
    let mut first = holders.remove(0);
    first.finish(true, Duration::from_millis(1)).await;
    drop(first);
    settle().await;
    drop(waiters.remove(0));
    settle().await;
    let calls = world.probe.counts().calls;
    drive(&mut waiters).await;
    let moved = world.probe.counts().calls > calls || waiters[0].reply().is_some();
    found.expect(moved, || {
        "two requests waited for a place, one became free, the first was dropped before it could \
         take it, and the second was not let in: the place is lost"
            .into()
    });
    drop(waiters);
    drop(holders);
    if let Err(left) = quiet(world).await {
        found.add(format!("holders and waiters were dropped: {left}"));
    }
    still_serves(kit, world, found, "after waiters were dropped").await;
}

/// An unwinding inner service is a dropped future too.
pub(super) async fn unwinding(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    world.probe.script([Plan { latency: Latency::Polls(1), outcome: Outcome::Panic }]);
    let mut flight = Flight::oneshot(&(world.wrap)(), 0);
    for _ in 0..4 {
        if !matches!(caught(|| flight.poll()), Ok(Poll::Pending)) {
            break;
        }
        settle().await;
    }
    if let Err(message) = caught(|| drop(flight)) {
        found.add(format!("dropping the future of a panicked call panics again: {message}"));
    }
    if let Err(left) = quiet(world).await {
        found.add(format!("the inner service panicked: {left}"));
    }
    still_serves(kit, world, found, "after the inner service panicked once").await;
}

/// As many requests as it admits still get through.
async fn still_serves(kit: &Kit, world: &World, found: &mut Findings<'_>, when: &str) {
    let wanted = kit.capacity.unwrap_or(1);
    world.probe.plan(Plan::default());
    let mut flights = occupy(world, 1_000, wanted).await;
    let reached = world.probe.counts().in_flight;
    world.probe.release_all();
    let mut answered = 0;
    for flight in &mut flights {
        flight.finish(true, FOREVER).await;
        answered += usize::from(flight.reply().is_some());
    }
    // A layer that skips its inner service may have an answer of its own.
    found.expect(reached == wanted || (kit.skips_inner && answered == wanted), || {
        format!(
            "{when}, {wanted} requests at once: {reached} reached the inner service, {answered} \
             were answered; something is leaked or broken"
        )
    });
}
