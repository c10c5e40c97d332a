use std::time::Duration;

use proptest::prelude::*;

use super::{at, load, ms, plain};
use crate::freshness::{Backoff, Freshness, Meanwhile, Moment};

fn freshness() -> Freshness {
    plain(100).stale_if_error(ms(1000)).error_backoff(ms(100), ms(1000))
}

#[test]
fn pauses_double_up_to_the_longest() {
    let mut backoff = Backoff::default();
    let mut now = Moment::ORIGIN;
    let pauses: Vec<_> = (0..6)
        .map(|_| {
            let until = backoff.failed(&freshness(), now);
            let pause = until.since(now);
            now = until;
            pause
        })
        .collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000].map(ms));
}

#[test]
fn a_success_starts_it_over() {
    let mut backoff = Backoff::default();
    for _ in 0..5 {
        backoff.failed(&freshness(), at(0));
    }
    assert_eq!(backoff.failures(), 5);
    backoff.succeeded();
    assert_eq!(backoff.meanwhile(at(0), None), Meanwhile::Load);
    assert_eq!(backoff.failed(&freshness(), at(0)), at(100));
}

#[test]
fn meanwhile_the_stale_value_is_served_as_long_as_it_may_be_and_then_the_error() {
    let freshness = freshness();
    // It may be served until 1100.
    let stale = freshness.lifetime(&load(0, 0), 0);
    let mut backoff = Backoff::default();
    assert_eq!(backoff.meanwhile(at(1050), Some(&stale)), Meanwhile::Load);
    backoff.failed(&freshness, at(1050));
    assert_eq!(backoff.meanwhile(at(1099), Some(&stale)), Meanwhile::Stale);
    assert_eq!(backoff.meanwhile(at(1099), None), Meanwhile::Error);
    assert_eq!(backoff.meanwhile(at(1100), Some(&stale)), Meanwhile::Error);
    assert_eq!(backoff.meanwhile(at(1149), Some(&stale)), Meanwhile::Error);
    assert_eq!(backoff.meanwhile(at(1150), Some(&stale)), Meanwhile::Load);
}

#[test]
fn meanwhile_nothing_is_served_that_this_process_has_kept_for_too_long() {
    let freshness = freshness().l1_max_age(ms(500));
    let stale = freshness.lifetime(&load(0, 0), 0);
    let mut backoff = Backoff::default();
    backoff.failed(&freshness, at(450));
    assert_eq!(backoff.meanwhile(at(499), Some(&stale)), Meanwhile::Stale);
    assert_eq!(backoff.meanwhile(at(500), Some(&stale)), Meanwhile::Error);
}

#[test]
fn it_may_be_forgotten_once_it_says_nothing_any_more() {
    let mut backoff = Backoff::default();
    backoff.failed(&freshness(), at(0));
    assert!(!backoff.is_over(&freshness(), at(1099)));
    assert!(backoff.is_over(&freshness(), at(1100)));
}

proptest! {
    #[test]
    fn a_pause_is_never_shorter_than_the_one_before_nor_beyond_its_bounds(
        first in 1_u64..1 << 40, more in 0_u64..1 << 50, failures in 1_usize..200,
    ) {
        let (first, longest) = (Duration::from_nanos(first), Duration::from_nanos(first + more));
        let freshness = Freshness::default().error_backoff(first, longest);
        prop_assert_eq!(freshness.check(), Ok(()));
        let mut backoff = Backoff::default();
        let (mut now, mut before) = (Moment::ORIGIN, None);
        for _ in 0..failures {
            let until = backoff.failed(&freshness, now);
            let pause = until.since(now);
            let expected = before.map_or(first, |before: Duration| (before * 2).min(longest));
            prop_assert_eq!(pause, expected);
            (now, before) = (until, Some(pause));
        }
    }

    #[test]
    fn a_failure_never_shortens_a_pause(times in prop::collection::vec(0_u64..10_000, 1..20)) {
        let mut backoff = Backoff::default();
        let mut until = Moment::ORIGIN;
        for time in times {
            let now = backoff.failed(&freshness(), at(time));
            prop_assert!(now >= until);
            until = now;
        }
    }
}
