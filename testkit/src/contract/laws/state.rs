//! Laws 1 and 4: where state lives, and when a request ends.

use std::time::Duration;

use super::{FOREVER, drive, occupy};
use crate::contract::Plan;
use crate::contract::flight::Flight;
use crate::contract::kit::{Findings, Kit, World, settle};

pub(super) async fn shared(kit: &Kit, world: World, found: &mut Findings<'_>) {
    if kit.has_shared_state_check {
        match tokio::time::timeout(FOREVER, (world.shared_state)()).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => found.add(format!("two products of one layer: {why}")),
            Err(_) => found.add("two products of one layer: the check of shares_state never ended"),
        }
    }
    world.probe.plan(Plan::held());
    // One request more than it admits, each through a product of its own, as axum's routes do.
    let requests = kit.capacity.map_or(2, |capacity| capacity + 1);
    let mut flights: Vec<_> = (0..requests).map(|n| Flight::oneshot(&(world.wrap)(), n)).collect();
    drive(&mut flights).await;
    let reached = world.probe.counts().in_flight;
    if let Some(capacity) = kit.capacity {
        found.expect(reached <= capacity, || {
            format!(
                "{requests} requests through {requests} products of one layer: {reached} reached \
                 the inner service at once, its capacity is {capacity}; the limit is per \
                 product, so an axum router with many routes multiplies it"
            )
        });
    }
    if let Some(held) = (world.held)() {
        found.expect(held >= reached, || {
            format!(
                "{reached} requests through products of one layer are in flight, the layer counts \
                 {held}: the count is not in the layer"
            )
        });
    }
}

pub(super) async fn completion(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    if !kit.counts {
        return;
    }
    let held = || (world.held)().unwrap_or(0);
    world.probe.plan(Plan::held());
    let service = (world.wrap)();
    let mut flight = Flight::oneshot(&service, 0);
    drive(std::slice::from_mut(&mut flight)).await;
    let count = held();
    found.expect(count == 1, || {
        format!("a request waits for the inner service, and the layer counts {count}, not 1")
    });
    world.probe.release_all();
    flight.finish(false, FOREVER).await;
    let count = held();
    if kit.http {
        found.expect(count == 1, || {
            format!(
                "the head is out, the body is not read, and the layer counts {count}, not 1: it \
                 takes the response for the end of the request"
            )
        });
    }
    flight.finish(true, FOREVER).await;
    settle().await;
    let count = held();
    found.expect(count == 0, || {
        let end = if kit.http { "body was read to its end" } else { "response is there" };
        format!("the {end}, and the layer still counts {count}")
    });
    drop(flight);

    let mut flight = Flight::oneshot(&service, 1);
    flight.finish(false, FOREVER).await;
    drop(flight);
    settle().await;
    let count = held();
    found.expect(count == 0, || {
        format!("a response was dropped unread, and the layer still counts {count}")
    });

    world.probe.plan(Plan::fail("on purpose"));
    Flight::oneshot(&service, 2).finish(true, FOREVER).await;
    settle().await;
    let count = held();
    found.expect(count == 0, || {
        format!("the inner service failed, and the layer still counts {count}")
    });
}

/// The same law seen from outside: an unread body occupies a place of the capacity.
pub(super) async fn occupancy(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let Some(capacity) = kit.capacity else { return };
    let mut flights = occupy(world, 0, capacity).await;
    let reached = world.probe.counts().calls;
    found.expect(reached == capacity, || {
        format!("{capacity} requests at once, as many as it admits, and only {reached} reached the inner service")
    });
    world.probe.release_all();
    for flight in &mut flights {
        flight.finish(false, FOREVER).await;
    }
    let service = (world.wrap)();
    let calls = world.probe.counts().calls;
    let mut next = Flight::oneshot(&service, capacity);
    drive(std::slice::from_mut(&mut next)).await;
    let admitted = world.probe.counts().calls > calls;
    if kit.http {
        found.expect(!admitted, || {
            format!(
                "{capacity} bodies are unread, the capacity is {capacity}, and one more request \
                 reached the inner service: the place was given back at the head"
            )
        });
    }
    for flight in &mut flights {
        flight.finish(true, FOREVER).await;
    }
    // The one that waited may have been refused meanwhile; a new one must find a place.
    next.finish(true, Duration::from_millis(1)).await;
    drop(next);
    let calls = world.probe.counts().calls;
    Flight::oneshot(&service, capacity + 1).finish(true, Duration::from_millis(1)).await;
    let admitted = world.probe.counts().calls > calls;
    found.expect(admitted, || {
        format!("all {capacity} requests ended (bodies read to the end), and the next one finds no place")
    });
}
