//! Law 3: clones are driven, tasks sleep until something happened, `poll_ready` spawns nothing.

use std::sync::Arc;
use std::task::Poll;

use super::FOREVER;
use crate::contract::flight::{BUSY, Flight, drive_ready};
use crate::contract::kit::{Findings, Kit, World, settle};
use crate::contract::{Plan, Readiness};

pub(super) async fn clones(world: &World, found: &mut Findings<'_>) {
    let alarm = Arc::default();
    let mut service = (world.wrap)();
    for n in 0..3 {
        if matches!(drive_ready(&mut service, &alarm), Ok(Poll::Ready(Ok(())))) {
            let mut first = Flight::call(&mut service, 2 * n);
            // A second call through a clone while the first is not even polled.
            let mut second = Flight::oneshot(&service, 2 * n + 1);
            second.finish(true, FOREVER).await;
            first.finish(true, FOREVER).await;
        }
    }
    let unready = world.probe.counts().unready_calls;
    found.expect(unready == 0, || {
        format!(
            "6 requests, each after poll_ready = Ready, and the inner service was called \
             {unready} time(s) on a clone that was never driven to ready: swap the clone with the \
             readied original (mem::replace) or oneshot it"
        )
    });
}

pub(super) async fn calls(world: &World, found: &mut Findings<'_>) {
    world.probe.plan(Plan::held());
    let service = (world.wrap)();
    let mut flight = Flight::oneshot(&service, 0);
    for round in 0..3 {
        if flight.stall(true).is_err() {
            found.add(format!(
                "the inner service holds the request, nothing happens, and the future woke itself \
                 {BUSY} times (round {round}): a busy loop"
            ));
            return;
        }
        settle().await;
    }
    world.probe.release_all();
    let mut polls = 0;
    while polls < BUSY {
        polls += 1;
        if flight.poll().is_ready() {
            return;
        }
        settle().await;
        if !flight.alarm.rang() {
            found.add(format!(
                "the inner service answered, and after {polls} poll(s) the future is {} with \
                 nobody to wake it",
                flight.describe()
            ));
            return;
        }
    }
    found.add(format!("the inner service answered, and {BUSY} polls did not finish the request"));
}

pub(super) async fn ready(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let alarm = Arc::default();

    world.probe.readiness(Readiness::Pending);
    let mut service = (world.wrap)();
    let before = tasks();
    for _ in 0..8 {
        if drive_ready(&mut service, &alarm).is_err() {
            found.add(format!(
                "the inner service is not ready, nothing happens, and poll_ready woke its task \
                 {BUSY} times: a busy loop"
            ));
            break;
        }
    }
    world.probe.readiness(Readiness::Ready);
    for _ in 0..8 {
        let _ = drive_ready(&mut service, &alarm);
    }
    let mut spawned = tasks().saturating_sub(before);

    if let Some(capacity) = kit.capacity {
        let flights = super::occupy(world, 0, capacity + 1).await;
        let before = tasks();
        let mut service = (world.wrap)();
        for _ in 0..8 {
            if drive_ready(&mut service, &alarm).is_err() {
                found.add(format!(
                    "its capacity is taken, nothing happens, and poll_ready woke its task {BUSY} \
                     times: a busy loop"
                ));
                break;
            }
        }
        spawned += tasks().saturating_sub(before);
        let mut waiter = Flight::oneshot(&service, capacity + 1);
        found.expect(waiter.stall(true).is_ok(), || {
            format!(
                "its capacity is taken, nothing happens, and a waiting request woke itself {BUSY} \
                 times: a busy loop"
            )
        });
        drop(flights);
    }
    found.expect(spawned == 0, || {
        format!("poll_ready spawned {spawned} task(s); whoever polls often would spawn many")
    });
}
