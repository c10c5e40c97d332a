//! Law 8: how long a request waits, and where.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::errors::own_refusal;
use super::{FOREVER, occupy};
use crate::contract::flight::{Flight, drive_ready};
use crate::contract::kit::{Findings, Kit, World};
use crate::contract::{Law, Plan};

/// tokio's timers have a granularity of one millisecond.
const GRAIN: Duration = Duration::from_millis(2);

pub(super) async fn kept(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    let service = (world.wrap)();
    let (holders, what) = match (kit.capacity, kit.deadline) {
        (Some(capacity), _) => {
            let holders = occupy(world, 0, capacity).await;
            let mut next = service.clone_box();
            let ready = drive_ready(&mut next, &Arc::default());
            found.expect(kit.reserves || !matches!(ready, Ok(Poll::Pending)), || {
                "its capacity is taken, and poll_ready is Pending: axum never asks it, so the \
                 wait belongs in call, with a deadline"
                    .into()
            });
            if kit.reserves {
                return; // The wait is its caller's, and so is the deadline.
            }
            (holders, "its capacity is taken")
        }
        (None, Some(_)) => {
            world.probe.plan(Plan::held());
            (Vec::new(), "the inner service does not answer")
        }
        (None, None) => return,
    };
    let mut waiter = Flight::oneshot(&service, 10_000);
    let began = tokio::time::Instant::now();
    let ended = waiter.finish(true, FOREVER).await;
    let waited = tokio::time::Instant::now().saturating_duration_since(began);
    if !ended {
        found.add(format!("{what}, and a request waits for ever ({})", waiter.describe()));
        return;
    }
    if let Some(deadline) = kit.deadline {
        found.expect(waited <= deadline + GRAIN, || {
            format!("{what}, and a request waited {waited:?}; declared is {deadline:?}")
        });
        found.expect(waited + GRAIN >= deadline, || {
            format!("{what}, and a request gave up after {waited:?}; declared is {deadline:?}")
        });
    }
    let refused = waiter.failure().is_some()
        || waiter.reply().is_some_and(crate::contract::kit::Reply::is_refusal);
    found.expect(refused, || {
        format!("{what}, and a request {} without having reached it", waiter.describe())
    });
    let mut typed = Findings { law: Law::Errors, violations: found.violations };
    own_refusal(kit, &waiter, what, &mut typed);
    drop(holders);
}
