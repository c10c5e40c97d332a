//! The laws, one function each, over a subject whose types are erased.

mod cancel;
mod deadline;
mod driven;
mod errors;
mod panics;
mod readiness;
mod state;

use std::time::Duration;

use super::check::caught;
use super::flight::Flight;
use super::kit::{Findings, Kit, Refusal, World};
use super::verdict::{Law, Verdict, Violation};

/// Longer than any deadline of a sane layer; it costs nothing, the clock is paused.
const FOREVER: Duration = Duration::from_secs(3600);

pub(super) fn check(name: &str, kit: &Kit, refusals: &[Refusal]) -> Verdict {
    let mut run = Run { kit, violations: Vec::new() };
    run.law(Law::Serves, async |world, found| {
        serves(&world, found).await;
    });
    if run.violations.is_empty() {
        run.law(Law::SharedState, async |world, found| {
            state::shared(kit, world, found).await;
        });
        run.law(Law::Readiness, async |world, found| {
            readiness::forwarded(kit, &world, found).await;
        });
        run.law(Law::Readiness, async |world, found| {
            readiness::failing(kit, &world, found).await;
        });
        run.law(Law::Readiness, async |world, found| {
            readiness::cloned(kit, &world, found).await;
        });
        run.law(Law::Readiness, async |world, found| {
            readiness::repeated(kit, &world, found).await;
        });
        run.law(Law::DrivenClones, async |world, found| {
            driven::clones(&world, found).await;
        });
        run.law(Law::DrivenClones, async |world, found| {
            driven::calls(&world, found).await;
        });
        run.law(Law::DrivenClones, async |world, found| {
            driven::ready(kit, &world, found).await;
        });
        run.law(Law::Completion, async |world, found| {
            state::completion(kit, &world, found).await;
        });
        run.law(Law::Completion, async |world, found| {
            state::occupancy(kit, &world, found).await;
        });
        run.law(Law::CancelSafety, async |world, found| {
            cancel::polls(kit, &world, found).await;
        });
        run.law(Law::CancelSafety, async |world, found| {
            cancel::waiters(kit, &world, found).await;
        });
        run.law(Law::CancelSafety, async |world, found| {
            cancel::unwinding(kit, &world, found).await;
        });
        run.law(Law::Errors, async |world, found| {
            errors::kept(kit, &world, found).await;
        });
        run.law(Law::NoPanic, async |world, found| {
            panics::hostile(kit, &world, found).await;
        });
        panics::refusals(
            refusals,
            &mut Findings { law: Law::NoPanic, violations: &mut run.violations },
        );
        run.law(Law::Deadline, async |world, found| {
            deadline::kept(kit, &world, found).await;
        });
    }
    Verdict { name: name.into(), violations: run.violations, skipped: skipped(kit, refusals) }
}

fn skipped(kit: &Kit, refusals: &[Refusal]) -> Vec<(Law, &'static str)> {
    let mut skipped = Vec::new();
    if !kit.counts && kit.capacity.is_none() {
        if !kit.has_shared_state_check {
            skipped.push((Law::SharedState, "declare in_flight, capacity or shares_state"));
        }
        skipped.push((Law::Completion, "declare in_flight or capacity"));
    }
    if kit.hostile.is_empty() {
        skipped.push((Law::NoPanic, "requests: declare hostile ones"));
    }
    if refusals.is_empty() {
        skipped.push((Law::NoPanic, "constructors: declare what they refuse"));
    }
    if kit.capacity.is_none() && kit.deadline.is_none() {
        skipped.push((Law::Deadline, "declare capacity or waits_at_most, if it ever waits"));
    }
    skipped
}

struct Run<'a> {
    kit: &'a Kit,
    violations: Vec<Violation>,
}

impl Run<'_> {
    /// Runs one scenario in a fresh runtime, so that what it leaks does not touch the next.
    fn law(&mut self, law: Law, scenario: impl AsyncFnOnce(World, &mut Findings<'_>)) {
        let violations = &mut self.violations;
        let run = caught(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime can be built");
            let mut found = Findings { law, violations };
            runtime.block_on(async {
                let world = (self.kit.new_world)();
                // The laws drive futures by hand: tokio's budget would answer Pending in between.
                tokio::task::unconstrained(scenario(world, &mut found)).await;
            });
        });
        if let Err(message) = run {
            let what = format!("the scenario for {law} made it panic: {message}");
            self.violations.push(Violation { law: Law::NoPanic, what });
        }
    }
}

async fn serves(world: &World, found: &mut Findings<'_>) {
    let service = (world.wrap)();
    for n in 0..3 {
        let mut flight = Flight::oneshot(&service, n);
        if !flight.finish(true, FOREVER).await || flight.reply().is_none() {
            let how = flight.describe();
            found.add(format!("plain request {n} with a ready inner service: {how}"));
            return;
        }
    }
    let calls = world.probe.counts().calls;
    found.expect(calls > 0, || "three requests, and the inner service was never called".into());
}

/// Starts `n` held requests through clones of one product and waits for them to reach the inner
/// service; the ones that do not are returned too.
async fn occupy(world: &World, first: usize, n: usize) -> Vec<Flight> {
    world.probe.plan(super::Plan::held());
    let service = (world.wrap)();
    let mut flights: Vec<_> = (first..first + n).map(|n| Flight::oneshot(&service, n)).collect();
    drive(&mut flights).await;
    flights
}

/// Polls each flight as far as it comes without outside help, with spawned tasks running.
async fn drive(flights: &mut [Flight]) {
    for _ in 0..4 {
        for flight in flights.iter_mut() {
            // A busy loop is a finding of law 3, not of whoever just needs progress.
            let _ = flight.stall(true);
        }
        super::kit::settle().await;
    }
}

/// Ends with true when everything that a request held is back.
async fn quiet(world: &World) -> Result<(), String> {
    super::kit::settle().await;
    let counts = world.probe.counts();
    let mut left = Vec::new();
    if counts.in_flight > 0 {
        left.push(format!("{} call(s) of the inner service still in flight", counts.in_flight));
    }
    if counts.open_bodies > 0 {
        left.push(format!("{} response bodies still open", counts.open_bodies));
    }
    match (world.held)() {
        Some(held) if held > 0 => left.push(format!("the layer still counts {held} in flight")),
        _ => {}
    }
    if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
}
