//! Law 2: what `poll_ready` says and reserves.

use std::task::Poll;

use super::{FOREVER, drive};
use crate::contract::flight::{Flight, drive_ready};
use crate::contract::kit::{Findings, Kit, World, settle};
use crate::contract::{Plan, Readiness};

pub(super) async fn forwarded(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let mut service = (world.wrap)();
    let alarm = std::sync::Arc::default();
    world.probe.readiness(Readiness::Pending);
    match drive_ready(&mut service, &alarm) {
        // A busy loop is law 3's finding.
        Err(_) | Ok(Poll::Ready(Ok(()))) => {}
        Ok(Poll::Ready(Err(failure))) => {
            found.add(format!(
                "the inner service is not ready yet, and poll_ready failed: {}",
                failure.error
            ));
        }
        Ok(Poll::Pending) if kit.skips_inner => {
            found.add(
                "it may skip the inner service, yet poll_ready waits for it: requests that need \
                 no inner service stand behind it",
            );
        }
        Ok(Poll::Pending) => {
            world.probe.readiness(Readiness::Ready);
            settle().await;
            found.expect(alarm.rang(), || {
                "poll_ready was Pending, the inner service became ready, and nobody was woken"
                    .into()
            });
            let again = drive_ready(&mut service, &alarm);
            found.expect(matches!(again, Ok(Poll::Ready(Ok(())))), || {
                format!("the inner service became ready, and poll_ready answers {again:?}")
            });
        }
    }
    world.probe.readiness(Readiness::Ready);
    let ready = drive_ready(&mut service, &alarm);
    if kit.skips_inner {
        let reserved = world.probe.counts().reservations;
        found.expect(reserved == 0, || {
            format!(
                "it may skip the inner service, yet poll_ready reserved {reserved} of it: \
                 capacity that a skipped call never spends"
            )
        });
    }
    // Ready is a promise: the call must come through without another poll_ready.
    if matches!(ready, Ok(Poll::Ready(Ok(())))) {
        let mut flight = Flight::call(&mut service, 0);
        flight.finish(true, FOREVER).await;
        found.expect(flight.reply().is_some(), || {
            format!("poll_ready was Ready, and the call {}", flight.describe())
        });
    }
}

pub(super) async fn failing(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let mut service = (world.wrap)();
    world.probe.readiness(Readiness::Failing("closed".into()));
    match drive_ready(&mut service, &std::sync::Arc::default()) {
        Ok(Poll::Ready(Err(_))) | Err(_) => {}
        Ok(Poll::Pending) => {
            found.add("the inner service's poll_ready failed, and the layer's is Pending");
        }
        Ok(Poll::Ready(Ok(()))) => {
            let mut flight = Flight::call(&mut service, 0);
            let ended = flight.finish(true, FOREVER).await;
            let told = flight.failure().is_some()
                || flight.reply().is_some_and(|reply| reply.is_refusal() || kit.answers_errors);
            found.expect(ended && told, || {
                format!(
                    "the inner service's poll_ready fails, and neither poll_ready nor the call \
                     says so: the call {}",
                    flight.describe()
                )
            });
        }
    }
}

/// A clone starts without the reservation of the original.
pub(super) async fn cloned(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let alarm = std::sync::Arc::default();
    world.probe.plan(Plan::held());
    let mut original = (world.wrap)();
    if !matches!(drive_ready(&mut original, &alarm), Ok(Poll::Ready(Ok(())))) {
        found.add("poll_ready is not Ready although the inner service is");
        return;
    }
    let mut flights = Vec::new();
    // Each clone of the readied original is called as soon as it says Ready.
    for n in 1..=kit.capacity.unwrap_or(1) {
        let mut clone = original.clone_box();
        if matches!(drive_ready(&mut clone, &alarm), Ok(Poll::Ready(Ok(())))) {
            flights.push(Flight::call(&mut clone, n));
        }
    }
    flights.push(Flight::call(&mut original, 0));
    drive(&mut flights).await;
    let counts = world.probe.counts();
    found.expect(counts.unready_calls == 0, || {
        format!(
            "the clone of a readied service answered Ready, and its inner service was called \
             without being ready ({} time(s)): Clone copies a reservation; write Clone by hand",
            counts.unready_calls
        )
    });
    if let Some(capacity) = kit.capacity {
        found.expect(counts.max_in_flight <= capacity, || {
            format!(
                "clones of a readied service and the service itself: {} at once in the inner \
                 service, the capacity is {capacity}: Clone copies a reservation",
                counts.max_in_flight
            )
        });
    }
}

/// However often it is polled, one instance reserves one thing, and gives it back when dropped.
pub(super) async fn repeated(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let Some(capacity) = kit.capacity else { return };
    let alarm = std::sync::Arc::default();
    world.probe.plan(Plan::held());
    let mut service = (world.wrap)();
    for _ in 0..capacity + 2 {
        let _ = drive_ready(&mut service, &alarm);
    }
    let mut flights = vec![Flight::call(&mut service, 0)];
    flights.extend((1..capacity).map(|n| Flight::oneshot(&service, n)));
    drive(&mut flights).await;
    let reached = world.probe.counts().in_flight;
    found.expect(reached == capacity, || {
        format!(
            "one instance was polled ready {} times; then only {reached} of {capacity} requests \
             reached the inner service: each poll_ready reserves anew",
            capacity + 2
        )
    });
    drop(flights);
    settle().await;

    let mut reserved: Vec<_> = (0..capacity).map(|_| (world.wrap)()).collect();
    for service in &mut reserved {
        let _ = drive_ready(service, &alarm);
    }
    drop(reserved);
    let mut flights: Vec<_> = (0..capacity).map(|n| Flight::oneshot(&service, n)).collect();
    drive(&mut flights).await;
    let reached = world.probe.counts().in_flight;
    found.expect(reached == capacity, || {
        format!(
            "{capacity} readied instances were dropped without a call; then only {reached} of \
             {capacity} requests reached the inner service: the reservation was not given back"
        )
    });
}
