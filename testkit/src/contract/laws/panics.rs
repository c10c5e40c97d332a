//! Law 7: hostile requests and bad configuration.

use super::FOREVER;
use crate::contract::Plan;
use crate::contract::check::caught;
use crate::contract::flight::Flight;
use crate::contract::kit::{Findings, Kit, Refusal, World};

pub(super) async fn hostile(kit: &Kit, world: &World, found: &mut Findings<'_>) {
    for (n, what) in kit.hostile.iter().enumerate() {
        for plan in [Plan::default(), Plan::fail("on purpose")] {
            world.probe.plan(plan);
            let service = (world.wrap)();
            let mut flight = Flight::hostile(&service, n);
            // By hand and not through the runtime, so that the panic is caught at its poll.
            let mut polls = 0;
            let panic = loop {
                match caught(|| flight.stall(true)) {
                    Err(panic) => break Some(panic),
                    Ok(Ok(std::task::Poll::Pending)) if polls < 4 => {
                        polls += 1;
                        tokio::time::sleep(FOREVER / 4).await;
                    }
                    Ok(_) => break None,
                }
            };
            if let Some(panic) = panic {
                found.add(format!("request {what:?} made it panic: {panic}"));
                break;
            }
        }
    }
    world.probe.plan(Plan::default());
    let mut flight = Flight::oneshot(&(world.wrap)(), 0);
    flight.finish(true, FOREVER).await;
    found.expect(flight.reply().is_some(), || {
        format!("after hostile requests a plain one {}", flight.describe())
    });
}

pub(super) fn refusals(refusals: &[Refusal], found: &mut Findings<'_>) {
    for Refusal { what, names, build } in refusals {
        match caught(build) {
            Err(panic) => found.add(format!("{what} panics: {panic}")),
            Ok(Ok(())) => found.add(format!("{what} is accepted")),
            Ok(Err(error)) => found.expect(error.to_string().contains(names), || {
                format!(
                    "{what} is refused by {:?}, which does not name {names:?}",
                    error.to_string()
                )
            }),
        }
    }
}
