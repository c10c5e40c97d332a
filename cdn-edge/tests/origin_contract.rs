//! The tower laws, held against the services around an origin.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use http::{Request, Response};
use terrace_cdn_edge::origin::{
    BreakerSettings, CapSettings, Guard, Phases, ServerErrors, TimedLayer, first_of,
};
use terrace_testkit::contract::{ControlledService, ProbeBody, Subject};
use tower::layer::layer_fn;

type Inner = ControlledService<Request<ProbeBody>, Response<ProbeBody>>;

#[test]
fn a_timed_origin_keeps_the_laws() {
    Subject::http("Timed", || TimedLayer::new(Phases::default()).unwrap())
        .names_errors()
        .refuses("no time at all", "first_byte", || {
            TimedLayer::new(Phases::default().first_byte(Duration::ZERO))
        })
        .check()
        .assert();
}

/// Two places, and a breaker that the suite's failures do not open.
fn guard() -> Guard {
    let patient = BreakerSettings::default().failures(u32::MAX).ratio(1.0, u32::MAX, MINUTE);
    Guard::new(patient, CapSettings::default().in_flight(2)).unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_guarded_origin_keeps_the_laws() {
    Subject::http("Guarded", guard)
        .capacity(2)
        .waits_at_most(Duration::from_secs(1))
        .in_flight(|guard| guard.cap().in_flight())
        .skips_inner()
        .names_errors()
        .refuses("no place at all", "in_flight", || {
            Guard::new(BreakerSettings::default(), CapSettings::default().in_flight(0))
        })
        .refuses("a share above one", "1.5", || {
            let settings = BreakerSettings::default().ratio(1.5, 1, MINUTE);
            Guard::new(settings, CapSettings::default())
        })
        .refuses("a status that blames the request", "404", || ServerErrors::new([404]))
        .check()
        .assert();
}

#[test]
fn control_a_guard_that_lets_more_in_than_it_says_is_caught() {
    let verdict = Subject::http("wide", || {
        Guard::new(BreakerSettings::default(), CapSettings::default().in_flight(3)).unwrap()
    })
    .capacity(2)
    .waits_at_most(Duration::from_secs(1))
    .in_flight(|guard| guard.cap().in_flight())
    .skips_inner()
    .names_errors()
    .check();
    assert!(verdict.to_string().contains("law 1"), "{verdict}");
}

#[test]
fn origins_in_turn_keep_the_laws() {
    Subject::http("Fallback", || {
        layer_fn(|inner: Inner| first_of([inner.clone(), inner]).unwrap())
    })
    .skips_inner()
    .names_errors()
    .refuses("no origin", "origins", || first_of::<()>([]))
    .check()
    .assert();
}
