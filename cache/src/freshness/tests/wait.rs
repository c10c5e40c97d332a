use proptest::prelude::*;

use super::{at, load, ms, plain};
use crate::freshness::{Deadlines, Freshness, Lifetime, Moment, Wait};

fn freshness() -> Freshness {
    plain(100).stale_if_error(ms(10_000)).soft_timeout(ms(20)).hard_timeout(ms(500))
}

fn stale(freshness: &Freshness) -> Lifetime {
    freshness.lifetime(&load(0, 0), 0)
}

/// Follows a reader from when it came to what it gets, and when.
fn outcome(deadlines: &Deadlines, came: Moment) -> (Moment, Wait) {
    let mut now = came;
    loop {
        match deadlines.at(now) {
            Wait::Until(then) => {
                assert!(then > now, "it would spin");
                now = then;
            }
            end => return (now, end),
        }
    }
}

#[test]
fn with_a_stale_value_a_reader_waits_up_to_the_soft_timeout() {
    let freshness = freshness();
    let deadlines = freshness.deadlines(at(1000), Some(&stale(&freshness)));
    assert_eq!(outcome(&deadlines, at(1000)), (at(1020), Wait::ServeStale));
}

#[test]
fn without_one_it_waits_up_to_the_hard_one() {
    let deadlines = freshness().deadlines(at(1000), None);
    assert_eq!(deadlines.serve_stale_at, None);
    assert_eq!(outcome(&deadlines, at(1000)), (at(1500), Wait::GiveUp));
}

#[test]
fn without_a_soft_timeout_the_stale_value_comes_at_the_hard_one() {
    let freshness = freshness().soft_timeout(None);
    let deadlines = freshness.deadlines(at(1000), Some(&stale(&freshness)));
    assert_eq!(outcome(&deadlines, at(1000)), (at(1500), Wait::ServeStale));
}

#[test]
fn a_stale_value_that_ends_before_the_soft_timeout_is_none() {
    let freshness = freshness();
    // It ends at 10,100.
    let deadlines = freshness.deadlines(at(10_090), Some(&stale(&freshness)));
    assert_eq!(outcome(&deadlines, at(10_090)), (at(10_590), Wait::GiveUp));
}

#[test]
fn a_late_timer_does_not_serve_what_has_run_out_meanwhile() {
    let freshness = freshness();
    let deadlines = freshness.deadlines(at(10_000), Some(&stale(&freshness)));
    assert_eq!(deadlines.at(at(10_099)), Wait::ServeStale);
    assert_eq!(deadlines.at(at(10_100)), Wait::Until(at(10_500)));
    assert_eq!(deadlines.at(at(10_600)), Wait::GiveUp);
}

proptest! {
    #[test]
    fn nobody_waits_longer_than_the_hard_timeout_nor_gets_what_has_ended(
        soft in prop::option::of(1_u64..1000), more in 0_u64..1000, came in 0_u64..20_000,
        age in prop::option::of(1_u64..20_000), has_stale: bool,
    ) {
        let hard = soft.unwrap_or(1) + more;
        let freshness =
            freshness().soft_timeout(soft.map(ms)).hard_timeout(ms(hard)).l1_max_age(age.map(ms));
        prop_assert_eq!(freshness.check(), Ok(()));
        let old = stale(&freshness);
        let deadlines = freshness.deadlines(at(came), has_stale.then_some(&old));
        let (end, what) = outcome(&deadlines, at(came));
        prop_assert!(end <= at(came + hard));
        match what {
            Wait::ServeStale => {
                // Its ttl and its time for errors, and what this process may keep.
                let kept = age.map_or(Moment::NEVER, at);
                prop_assert!(has_stale && end < at(100 + 10_000).min(kept));
            }
            _ => prop_assert!(end == at(came + hard)),
        }
    }
}
