//! The controlled service does what its probe says, and counts what its caller does.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::ServiceExt;
use tower_service::Service;

use crate::contract::{
    ControlledService, Latency, Outcome, Plan, ProbeBody, ProbeError, Readiness, ServiceProbe,
};

fn doubling() -> (ServiceProbe, ControlledService<u32, u32>) {
    ControlledService::new(|n| n * 2)
}

#[test]
fn a_full_service_is_pending_until_a_call_ends_or_a_reservation_is_dropped() {
    let (probe, service) = doubling();
    probe.capacity(Some(1));
    probe.plan(Plan::held());
    let mut first = service.clone();
    let mut second = task::spawn(service);
    assert_ready_ok!(task::spawn(()).enter(|cx, _| first.poll_ready(cx)));
    assert_pending!(second.enter(|cx, mut service| service.poll_ready(cx)));
    let mut call = task::spawn(first.call(4));
    assert_pending!(call.poll());
    assert!(!second.is_woken());
    assert!(probe.release());
    assert!(call.is_woken());
    assert_eq!(assert_ready_ok!(call.poll()), 8);
    assert!(second.is_woken());
    assert_ready_ok!(second.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(probe.counts().reservations, 1);
    drop(second);
    let counts = probe.counts();
    assert_eq!((counts.reservations, counts.in_flight, counts.completed), (0, 0, 1));
    assert_eq!(counts.unready_calls, 0);
}

#[test]
fn a_clone_is_not_ready_and_a_call_on_it_is_counted_as_a_violation() {
    let (probe, mut service) = doubling();
    assert_ready_ok!(task::spawn(()).enter(|cx, _| service.poll_ready(cx)));
    let mut clone = service.clone();
    assert_eq!(assert_ready_ok!(task::spawn(clone.call(1)).poll()), 2);
    assert_eq!((probe.counts().unready_calls, probe.counts().clones), (1, 1));
    assert_eq!(assert_ready_ok!(task::spawn(service.call(1)).poll()), 2);
    assert_eq!(probe.counts().unready_calls, 1);
}

#[test]
fn readiness_can_wait_and_fail() {
    let (probe, service) = doubling();
    let mut service = task::spawn(service);
    probe.readiness(Readiness::Pending);
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    probe.readiness(Readiness::Failing("closed".into()));
    assert!(service.is_woken());
    let error = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(error, ProbeError::new("closed"));
    assert_eq!(probe.counts().wakes, 1);
}

#[tokio::test(start_paused = true)]
async fn plans_are_played_in_their_order_and_then_the_standing_one() {
    let (probe, service) = doubling();
    let slow = Duration::from_secs(60);
    let late_failure = Plan { latency: Latency::Polls(3), outcome: Outcome::Fail("late".into()) };
    probe.script([Plan::after(slow), late_failure]);
    let began = Instant::now();
    assert_eq!(service.clone().oneshot(1).await, Ok(2));
    assert_eq!(began.elapsed(), slow);
    assert_eq!(service.clone().oneshot(1).await, Err(ProbeError::new("late")));
    assert_eq!(service.oneshot(1).await, Ok(2));
    let counts = probe.counts();
    assert_eq!((counts.calls, counts.completed, counts.failed), (3, 2, 1));
}

#[tokio::test]
async fn a_test_can_wait_for_what_the_service_sees() {
    let (probe, service) = doubling();
    probe.plan(Plan::held());
    let call = tokio::spawn(service.oneshot(1));
    probe.until(|counts| counts.in_flight == 1).await;
    call.abort();
    probe.until(|counts| counts.cancelled == 1 && counts.in_flight == 0).await;
    assert!(!probe.release());
}

#[tokio::test]
async fn a_tracked_body_is_open_until_its_end_or_drop() {
    let probe = ServiceProbe::default();
    let mut read = probe.body(["one", "two"]);
    let dropped = probe.body(["three"]);
    assert_eq!(probe.counts().open_bodies, 2);
    drop(dropped);
    while let Some(frame) = read.frame().await {
        frame.unwrap();
    }
    assert_eq!(probe.counts().open_bodies, 0);
    let failing = ProbeBody::new(["half"]).failing("gone");
    assert_eq!(failing.collect().await.unwrap_err(), ProbeError::new("gone"));
}

#[test]
fn the_probes_error_is_found_behind_other_errors() {
    let direct = ProbeError::new("x");
    let wrapped = std::io::Error::other(std::io::Error::other(direct.clone()));
    assert_eq!(ProbeError::find(&wrapped), Some(&direct));
    assert_eq!(ProbeError::find(&std::io::Error::other("x")), None);
}
