use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{at, load, ms, plain};
use crate::freshness::{Freshness, Kept, Lifetime, Load, Moment, Ttl, Verdict};

/// Settings of all kinds, in milliseconds up to a minute.
fn settings() -> impl Strategy<Value = Freshness> {
    let time = || 0_u64..60_000;
    let age = prop::option::of(1_u64..60_000);
    (1_u64..60_000, 0.0..=0.5, time(), 0.0..4.0, time(), age).prop_map(
        |(ttl, jitter, swr, beta, sie, age)| {
            Freshness::default()
                .ttl(ms(ttl))
                .jitter(jitter)
                .stale_while_revalidate(ms(swr))
                .early_refresh(beta)
                .stale_if_error(ms(sie))
                .l1_max_age(age.map(ms))
        },
    )
}

fn ttl_of(freshness: &Freshness) -> Duration {
    match freshness.ttl {
        Ttl::For(ttl) => ttl,
        Ttl::ForEver => Duration::MAX,
    }
}

proptest! {
    #[test]
    fn a_verdict_only_gets_worse_as_time_passes(
        freshness in settings(), took in 0_u64..1000, draw: u64, chance: u64,
        mut times in prop::collection::vec(0_u64..300_000, 2..20),
    ) {
        let lifetime = freshness.lifetime(&load(1000, took), draw);
        times.sort_unstable();
        let verdicts: Vec<_> = times.iter().map(|t| lifetime.judge(at(1000 + t), || chance)).collect();
        prop_assert!(verdicts.is_sorted(), "{:?}", verdicts);
    }

    #[test]
    fn nothing_is_fresh_after_its_ttl_nor_stale_before_the_jitter_allows(
        freshness in settings(), took in 0_u64..1000, draw: u64, chance: u64,
    ) {
        let freshness = freshness.l1_max_age(None);
        prop_assert_eq!(freshness.check(), Ok(()));
        let lifetime = freshness.lifetime(&load(1000, took), draw);
        let ttl = ttl_of(&freshness);
        let end = at(1000).plus(ttl);
        prop_assert!(lifetime.judge(end, || chance) > Verdict::FreshRefreshEarly);
        let least = ttl.mul_f64(1.0 - freshness.jitter).saturating_sub(Duration::from_micros(1));
        prop_assert!(lifetime.judge(at(1000).plus(least), || chance) < Verdict::StaleRevalidate);
    }

    #[test]
    fn stale_is_never_served_after_its_bound(
        freshness in settings(), draw: u64, chance: u64, later in 0_u64..100_000,
    ) {
        let lifetime = freshness.lifetime(&load(1000, 100), draw);
        let end = at(1000).plus(ttl_of(&freshness));
        let revalidate = end.plus(freshness.stale_while_revalidate).plus(ms(later));
        prop_assert!(lifetime.judge(revalidate, || chance) > Verdict::StaleRevalidate);
        let error = end.plus(freshness.stale_if_error.max(freshness.stale_while_revalidate));
        prop_assert_eq!(lifetime.judge(error.plus(ms(later)), || chance), Verdict::Gone);
        prop_assert!(lifetime.gone_at() <= error);
    }

    #[test]
    fn no_process_serves_what_it_read_longer_ago_than_l1_max_age(
        freshness in settings(), age in 1_u64..20_000, draw: u64, chance: u64,
        asked in 0_u64..100_000, later in 0_u64..100_000,
    ) {
        let freshness = freshness.l1_max_age(ms(age));
        let own = freshness.lifetime(&load(1000, 700), draw);
        // Counted from the start of the load.
        prop_assert_eq!(own.judge(at(300 + age + later), || chance), Verdict::Gone);
        // Another process's value, whatever that process said of it.
        let for_ever = plain(1).ttl(Ttl::ForEver).lifetime(&load(1000, 700), draw);
        let filled = freshness.filled(for_ever, at(asked));
        prop_assert_eq!(filled.judge(at(asked + age + later), || chance), Verdict::Gone);
        prop_assert_eq!(filled.judge(at(asked + age - 1), || chance), Verdict::Fresh);
        // And it does not begin anew with each look.
        prop_assert_eq!(freshness.filled(filled, at(asked + 1)), filled);
    }

    #[test]
    fn with_beta_0_nothing_is_refreshed_early(
        freshness in settings(), took in 0_u64..1000, chance: u64, part in 0.0..1.0,
    ) {
        let freshness = freshness.early_refresh(0.0).jitter(0.0).l1_max_age(None);
        let lifetime = freshness.lifetime(&load(1000, took), 0);
        let now = at(1000).plus(ttl_of(&freshness).mul_f64(part));
        prop_assume!(now < lifetime.fresh_until);
        prop_assert_eq!(lifetime.judge(now, || chance), Verdict::Fresh);
    }

    #[test]
    fn a_lifetime_comes_back_from_what_is_left_of_it(
        freshness in settings(), took in 0_u64..1000, draw: u64, passed in 0_u64..1000,
        left in prop::array::uniform3(prop::option::of(0_u64..1000)),
    ) {
        let lifetime = freshness.l1_max_age(None).lifetime(&load(1000, took), draw);
        let now = at(1000 + passed);
        prop_assume!(now < lifetime.fresh_until);
        let again = Lifetime::of_left(lifetime.left(now), lifetime.early, now);
        prop_assert_eq!(again, lifetime);
        // Whatever the bytes say, in order.
        let foreign = Lifetime::of_left(left.map(|left| left.map(ms)), 0, now);
        prop_assert!(foreign.fresh_until <= foreign.stale_until);
        prop_assert!(foreign.stale_until <= foreign.error_until);
    }

    #[test]
    fn no_time_however_long_overflows(
        ended: u64, took: u64, now: u64, ttl: Duration, stale: Duration, draw: u64,
    ) {
        let freshness = Freshness::default()
            .ttl(ttl).stale_while_revalidate(stale).stale_if_error(stale).early_refresh(100.0);
        let ended = Moment::after(Duration::from_nanos(ended));
        let began = Moment::after(Duration::from_nanos(took));
        let lifetime =
            freshness.lifetime(&Load { began, ended, kept: Kept::Value, ttl: None }, draw);
        prop_assert!(lifetime.fresh_until <= lifetime.stale_until);
        prop_assert!(lifetime.stale_until <= lifetime.error_until);
        let _ = lifetime.judge(Moment::after(Duration::from_nanos(now)), || draw);
        let _ = lifetime.left(ended);
    }
}

#[test]
fn each_step_of_the_ladder_begins_when_it_says() {
    let freshness = plain(100).stale_while_revalidate(ms(50)).stale_if_error(ms(200));
    let lifetime = freshness.lifetime(&load(10, 10), 0);
    let judged = [0, 109, 110, 159, 160, 309, 310].map(|now| lifetime.judge(at(now), || 0));
    use Verdict::{Fresh, Gone, StaleOnlyOnError, StaleRevalidate};
    assert_eq!(
        judged,
        [Fresh, Fresh, StaleRevalidate, StaleRevalidate, StaleOnlyOnError, StaleOnlyOnError, Gone]
    );
}

/// The share of draws that satisfy it.
fn share(of: impl Fn(u64) -> bool) -> f64 {
    let mut rng = fastrand::Rng::with_seed(1);
    let found = (0..20_000).filter(|_| of(rng.u64(..))).count();
    f64::from(u32::try_from(found).unwrap()) / 20_000.0
}

#[test]
fn jitter_spreads_the_ends_evenly() {
    let freshness = plain(100_000).jitter(0.2);
    let ends_before = |ms| share(|draw| freshness.lifetime(&load(0, 0), draw).fresh_until < at(ms));
    assert!(ends_before(79_999) == 0.0);
    for (ms, expected) in [(85_000, 0.25), (90_000, 0.5), (95_000, 0.75)] {
        let found = ends_before(ms);
        assert!((found - expected).abs() < 0.02, "{found} before {ms}");
    }
    assert!(ends_before(100_001) == 1.0);
}

#[test]
fn control_without_jitter_all_end_together() {
    let freshness = plain(100_000);
    let together = share(|draw| freshness.lifetime(&load(0, 0), draw).fresh_until == at(100_000));
    assert!(together == 1.0);
}

#[test]
fn an_early_refresh_comes_near_the_end_in_proportion_to_the_load_time() {
    for took in [10, 100, 1000] {
        let lifetime = plain(60_000).early_refresh(1.0).lifetime(&load(1000, took), 0);
        let early = |before_end: u64| {
            let now = at(61_000 - before_end);
            share(|draw| lifetime.judge(now, || draw) == Verdict::FreshRefreshEarly)
        };
        // Exponential: e^-1, e^-2, e^-4 of the readers that are 1, 2, 4 load times early.
        for (times, expected) in [(1, 0.368), (2, 0.135), (4, 0.018)] {
            let found = early(took * times);
            assert!((found - expected).abs() < 0.015, "{found} at {times} times {took} ms");
        }
        assert!(early(took * 40) == 0.0);
    }
}

#[test]
fn a_larger_beta_refreshes_earlier() {
    let share_with = |beta| {
        let lifetime = plain(60_000).early_refresh(beta).lifetime(&load(1000, 100), 0);
        share(|draw| lifetime.judge(at(60_800), || draw) == Verdict::FreshRefreshEarly)
    };
    assert!(share_with(0.5) < share_with(1.0) && share_with(1.0) < share_with(2.0));
}

#[test]
fn an_absence_has_a_ttl_of_its_own_and_is_never_stale() {
    let absent = Load { kept: Kept::Absence, ..load(100, 50) };
    let freshness = Freshness::default().jitter(0.0).negative_ttl(ms(20)).early_refresh(100.0);
    let lifetime = freshness.lifetime(&absent, 0);
    assert_eq!(lifetime.judge(at(119), || 0), Verdict::Fresh);
    assert_eq!(lifetime.judge(at(120), || 0), Verdict::Gone);
    let off = freshness.negative_ttl(None).lifetime(&absent, 0);
    assert_eq!(off.judge(at(100), || 0), Verdict::Gone);
}

#[test]
fn a_value_may_bring_its_own_ttl() {
    let freshness = plain(100).stale_if_error(ms(1000));
    let with = |ttl| freshness.lifetime(&Load { ttl: Some(ttl), ..load(0, 0) }, 0);
    assert_eq!(with(Ttl::For(ms(30))).judge(at(30), || 0), Verdict::StaleOnlyOnError);
    assert_eq!(with(Ttl::For(ms(300))).judge(at(299), || 0), Verdict::Fresh);
    assert_eq!(with(Ttl::ForEver).judge(at(1 << 40), || 0), Verdict::Fresh);
    // Not to be kept, not even as a stale one.
    assert_eq!(with(Ttl::For(Duration::ZERO)).judge(at(0), || 0), Verdict::Gone);
}

#[test]
fn what_lives_for_ever_is_not_refreshed_early_and_has_no_end() {
    let freshness = plain(1).ttl(Ttl::ForEver).jitter(0.5).early_refresh(100.0);
    let lifetime: Lifetime = freshness.lifetime(&load(60_000, 60_000), 0);
    assert!(share(|draw| lifetime.judge(at(1 << 43), || draw) == Verdict::Fresh) == 1.0);
    assert_eq!(lifetime.left(at(0)), [None; 3]);
}

#[test]
fn a_moment_is_an_instant_counted_from_the_origin() {
    let origin = Instant::now();
    let later = origin + ms(250);
    assert_eq!(Moment::at(later, origin), at(250));
    assert_eq!(at(250).instant(origin), Some(later));
    assert_eq!(Moment::at(origin, later), Moment::ORIGIN);
    assert_eq!(Moment::NEVER.instant(origin), None);
    assert_eq!(Moment::after(Duration::MAX), Moment::NEVER);
}

#[test]
fn control_without_l1_max_age_another_process_value_is_served_as_long_as_it_says() {
    let shared = plain(1).ttl(Ttl::ForEver).lifetime(&load(1000, 700), 0);
    let bounded = plain(1).l1_max_age(ms(10)).filled(shared, at(2000));
    let unbounded = plain(1).filled(shared, at(2000));
    assert_eq!(bounded.judge(at(2010), || 0), Verdict::Gone);
    assert_eq!(unbounded.judge(at(2010), || 0), Verdict::Fresh);
}

#[test]
fn control_a_value_with_the_same_settings_as_an_absence_is_served_stale() {
    let freshness = plain(20).negative_ttl(ms(20)).stale_if_error(ms(20));
    let judged = |kept| freshness.lifetime(&Load { kept, ..load(0, 0) }, 0).judge(at(20), || 0);
    assert_eq!(judged(Kept::Value), Verdict::StaleOnlyOnError);
    assert_eq!(judged(Kept::Absence), Verdict::Gone);
}
