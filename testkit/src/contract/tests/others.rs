//! Layers of tower, whose virtues and faults are known.

use std::time::Duration;

use tower::limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer};
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;

use crate::contract::{Law, Subject, Verdict};

fn broken(verdict: &Verdict) -> Vec<Law> {
    let mut laws: Vec<_> = verdict.violations().iter().map(|violation| violation.law).collect();
    laws.dedup();
    laws
}

#[test]
fn a_concurrency_limit_with_one_semaphore_passes_as_a_reserving_layer() {
    Subject::new("global limit", || GlobalConcurrencyLimitLayer::new(3), |n| n, |n: &usize| *n)
        .capacity(3)
        .reserves_in_poll_ready()
        .check()
        .assert();
}

#[test]
fn a_concurrency_limit_waits_in_poll_ready_where_axum_never_asks() {
    let layer = || GlobalConcurrencyLimitLayer::new(3);
    let verdict = Subject::new("global limit", layer, |n| n, |n: &usize| *n).capacity(3).check();
    assert_eq!(broken(&verdict), [Law::Deadline], "{verdict}");
}

#[test]
fn a_concurrency_limit_per_product_is_caught() {
    let layer = || ConcurrencyLimitLayer::new(3);
    let subject = Subject::new("limit per route", layer, |n| n, |n: &usize| *n);
    let verdict = subject.capacity(3).reserves_in_poll_ready().check();
    assert!(verdict.breaks(Law::SharedState), "{verdict}");
}

#[test]
fn a_concurrency_limit_that_forgets_the_body_is_caught() {
    let verdict = Subject::http("global limit", || GlobalConcurrencyLimitLayer::new(3))
        .capacity(3)
        .reserves_in_poll_ready()
        .check();
    assert_eq!(broken(&verdict), [Law::Completion], "{verdict}");
}

#[test]
fn a_timeout_keeps_its_deadline_and_erases_its_error() {
    let limit = Duration::from_millis(250);
    let layer = move || TimeoutLayer::new(limit);
    let subject = Subject::new("timeout", layer, |n| n, |n: &usize| *n).waits_at_most(limit);
    let verdict = subject.check();
    assert_eq!(broken(&verdict), [Law::Errors], "{verdict}");
}

#[test]
fn a_timeout_that_is_shorter_than_declared_is_caught() {
    let layer = || TimeoutLayer::new(Duration::from_millis(250));
    let subject = Subject::new("timeout", layer, |n| n, |n: &usize| *n);
    let verdict = subject.waits_at_most(Duration::from_millis(500)).check();
    assert!(verdict.breaks(Law::Deadline), "{verdict}");
}

#[test]
fn a_load_shedder_is_always_ready_and_erases_its_error() {
    let subject = Subject::new("shed", LoadShedLayer::new, |n| n, |n: &usize| *n);
    let verdict = subject.check();
    assert_eq!(broken(&verdict), [Law::Errors], "{verdict}");
}
