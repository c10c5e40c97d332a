use std::time::Duration;

use super::ms;
use crate::freshness::{Freshness, Ttl};

#[test]
fn the_defaults_are_valid() {
    assert_eq!(Freshness::default().check(), Ok(()));
}

#[test]
fn what_turns_something_off_is_valid() {
    let off = Freshness::default()
        .ttl(Ttl::ForEver)
        .jitter(0.0)
        .stale_while_revalidate(Duration::ZERO)
        .early_refresh(0.0)
        .stale_if_error(Duration::ZERO)
        .soft_timeout(None)
        .negative_ttl(None)
        .l1_max_age(None);
    assert_eq!(off.check(), Ok(()));
    // Both at once is the hard one.
    let equal = Freshness::default().soft_timeout(ms(5)).hard_timeout(ms(5));
    assert_eq!(equal.check(), Ok(()));
    let longest = Freshness::default()
        .ttl(Duration::MAX)
        .stale_while_revalidate(Duration::MAX)
        .stale_if_error(Duration::MAX)
        .hard_timeout(Duration::MAX)
        .error_backoff(Duration::MAX, Duration::MAX)
        .l1_max_age(Duration::MAX);
    assert_eq!(longest.check(), Ok(()));
}

#[test]
fn each_setting_that_means_nothing_is_refused_by_name_and_value() {
    let new = Freshness::default;
    let cases = [
        (new().ttl(Duration::ZERO), "ttl must be longer than 0 s, not 0ns"),
        (new().jitter(0.6), "jitter must be 0 to 0.5, not 0.6"),
        (new().jitter(-0.1), "jitter must be 0 to 0.5, not -0.1"),
        (new().jitter(f64::NAN), "jitter must be 0 to 0.5, not NaN"),
        (new().early_refresh(-1.0), "early_refresh must be 0 to 100, not -1.0"),
        (new().early_refresh(f64::INFINITY), "early_refresh must be 0 to 100, not inf"),
        (new().soft_timeout(Duration::ZERO), "soft_timeout must be longer than 0 s, not 0ns"),
        (new().hard_timeout(Duration::ZERO), "hard_timeout must be longer than 0 s, not 0ns"),
        (
            new().soft_timeout(ms(300)).hard_timeout(ms(200)),
            "soft_timeout must not be longer than hard_timeout (200ms), not 300ms",
        ),
        (new().negative_ttl(Duration::ZERO), "negative_ttl must be longer than 0 s, not 0ns"),
        (
            new().error_backoff(Duration::ZERO, ms(1)),
            "error_backoff must be longer than 0 s, not 0ns",
        ),
        (
            new().error_backoff(ms(20), ms(10)),
            "error_backoff must not begin longer than its longest (10ms), not 20ms",
        ),
        (new().l1_max_age(Duration::ZERO), "l1_max_age must be longer than 0 s, not 0ns"),
    ];
    for (freshness, message) in cases {
        let refused = freshness.check().unwrap_err();
        assert_eq!(refused.to_string(), message);
        assert!(message.starts_with(refused.setting()));
    }
}
