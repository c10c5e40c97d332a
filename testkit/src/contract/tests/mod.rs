//! The suite against one good layer and many wrong ones: a check that cannot fail is a defect.

mod gate;
mod others;
mod probe;
mod wrong;

use std::sync::atomic::Ordering;

use gate::{Flaw, GateLayer, LIMIT, WAIT};

use super::model::Admission;
use super::{Law, Subject, Verdict};

fn verdict(flaw: Flaw) -> Verdict {
    let subject = Subject::http(format!("{flaw:?}"), move || GateLayer::new(flaw))
        .capacity(LIMIT)
        .waits_at_most(WAIT)
        .in_flight(|layer: &GateLayer| layer.state.in_flight.load(Ordering::SeqCst))
        .skips_inner();
    let verdict = subject.check();
    println!("{verdict}\n");
    verdict
}

#[test]
fn a_layer_that_keeps_every_law_passes() {
    verdict(Flaw::None).assert();
}

#[test]
fn a_plain_layer_that_keeps_every_law_passes_and_everything_was_checked() {
    let verdict = Subject::new("Admission", || Admission::new(2).unwrap(), |n| n, |n: &usize| *n)
        .capacity(2)
        .waits_at_most(WAIT)
        .in_flight(Admission::in_flight)
        .skips_inner()
        .hostile("the largest number", || usize::MAX)
        .refuses("a limit of 0", "0", || Admission::new(0))
        .check();
    verdict.assert();
    assert_eq!(verdict.skipped(), []);
}

/// Each flaw of the gate, and the law that must catch it.
const FLAWS: [(Flaw, Law); 18] = [
    (Flaw::StatePerProduct, Law::SharedState),
    (Flaw::WaitsForInnerReadiness, Law::Readiness),
    (Flaw::CloneKeepsReservation, Law::Readiness),
    (Flaw::ReservesAtEachPoll, Law::Readiness),
    (Flaw::CallsUndrivenClone, Law::DrivenClones),
    (Flaw::WakesItself, Law::DrivenClones),
    (Flaw::WakesItselfWhileQueued, Law::DrivenClones),
    (Flaw::SpawnsInPollReady, Law::DrivenClones),
    (Flaw::EndsAtHead, Law::Completion),
    (Flaw::EndsAtBodyDropOnly, Law::Completion),
    (Flaw::CountsWithoutGuard, Law::CancelSafety),
    (Flaw::ForgetsPlaceOfDroppedWaiter, Law::CancelSafety),
    (Flaw::SwallowsFailures, Law::Errors),
    (Flaw::RefusesWithoutReason, Law::Errors),
    (Flaw::UnwrapsHeaders, Law::NoPanic),
    (Flaw::WaitsForEver, Law::Deadline),
    (Flaw::GivesUpEarly, Law::Deadline),
    (Flaw::QueuesInPollReady, Law::Deadline),
];

#[test]
fn every_flaw_is_caught_by_its_law() {
    let missed: Vec<_> =
        FLAWS.into_iter().filter(|(flaw, law)| !verdict(*flaw).breaks(*law)).collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

#[test]
fn a_message_names_the_layer_the_law_and_what_happened() {
    let text = verdict(Flaw::EndsAtHead).to_string();
    assert!(text.starts_with("EndsAtHead breaks"), "{text}");
    assert!(text.contains("law 4 (a request ends with its body)"), "{text}");
    assert!(text.contains("the head is out, the body is not read"), "{text}");
}

#[test]
fn what_was_not_declared_is_listed_as_not_checked() {
    let verdict = Subject::new("identity", tower_layer::Identity::new, |n| n, |n: &usize| *n);
    let verdict = verdict.check();
    verdict.assert();
    let laws: Vec<_> = verdict.skipped().iter().map(|(law, _)| *law).collect();
    for law in [Law::SharedState, Law::Completion, Law::NoPanic, Law::Deadline] {
        assert!(laws.contains(&law), "{law} is not in {laws:?}");
    }
}

#[test]
fn the_suite_runs_inside_a_runtime_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { verdict(Flaw::None).assert() });
}
