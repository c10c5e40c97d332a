//! Law 6: what becomes of an error.

use super::FOREVER;
use crate::contract::flight::Flight;
use crate::contract::kit::{Failure, Findings, Kit, World};
use crate::contract::{Plan, ProbeError};

pub(super) async fn kept(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    // For ever, not once: a layer that retries must give up in the end.
    world.probe.plan(Plan::fail("disk full"));
    let mut flight = Flight::oneshot(&(world.wrap)(), 0);
    if !flight.finish(true, FOREVER).await {
        found.add(format!("the inner service failed, and the request is {}", flight.describe()));
        return;
    }
    match (flight.failure(), flight.reply()) {
        (Some(failure), _) => typed(kit, failure, found),
        (None, Some(reply)) if reply.is_refusal() => {}
        (None, _) => found.expect(kit.answers_errors, || {
            format!(
                "the inner service failed, and the request {}: the error is gone",
                flight.describe()
            )
        }),
    }
}

fn typed(kit: &Kit, failure: &Failure, found: &mut Findings<'_>) {
    if kit.http && !kit.names_errors {
        found.expect(failure.same, || {
            format!(
                "an HTTP layer keeps the caller's error type, this one has its own: {}",
                failure.error
            )
        });
    } else {
        concrete(failure, found);
    }
    let source = ProbeError::find(failure.error.as_ref());
    found.expect(source.is_some(), || {
        format!(
            "the inner service's error is not in the source() chain of {:?}; whoever logs the \
             chain never learns the cause",
            failure.error.to_string()
        )
    });
}

/// An error type that the caller can match on.
pub(super) fn concrete(failure: &Failure, found: &mut Findings<'_>) {
    found.expect(!failure.erased, || {
        format!(
            "its Error is Box<dyn Error> ({}): return a concrete public type that says what \
             failed and whether a retry is safe",
            failure.error
        )
    });
}

/// What the layer itself refuses: a typed error, or a response with the reason in its extensions.
pub(super) fn own_refusal(kit: &Kit, flight: &Flight, what: &str, found: &mut Findings<'_>) {
    if let Some(failure) = flight.failure() {
        if kit.http && !kit.names_errors {
            found.add(format!(
                "{what}: an HTTP layer answers with a response, this one failed: {}",
                failure.error
            ));
        } else {
            concrete(failure, found);
        }
    }
    if let Some(reply) = flight.reply() {
        found.expect(reply.extensions > 0, || {
            format!("{what}: {} without a typed reason in its extensions", flight.describe())
        });
    }
}
