use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::version::rule::{Rule, without};
use crate::version::{Captured, Stamp, Superseded, Versions};

const KEY: u64 = 7;
const TAG: u64 = 70;

fn published(versions: &Versions, captured: &Captured, tags: &[u64]) -> Stamp {
    versions.publish(captured, tags, |stamp| stamp).unwrap()
}

#[test]
fn a_load_that_nothing_overtakes_is_published_and_current() {
    let versions = Versions::new();
    let captured = versions.capture(KEY);
    let stamp = published(&versions, &captured, &[TAG]);
    assert!(stamp.is_current(&versions));
    assert_eq!(versions.check(&captured, &[TAG]), Ok(()));
}

#[test]
fn whatever_moves_during_a_load_is_named() {
    let moves: [(fn(&Versions), Superseded); 3] = [
        (|versions| versions.invalidate(KEY, || ()), Superseded::Key),
        (Versions::clear, Superseded::Clear),
        (|versions| versions.bump_tag(TAG), Superseded::Tag),
    ];
    for (moved, why) in moves {
        let versions = Versions::new();
        let captured = versions.capture(KEY);
        moved(&versions);
        let result = versions.publish(&captured, &[TAG], |_| panic!("it was inserted"));
        assert_eq!(result, Err::<(), _>(why));
        assert_eq!(versions.check(&captured, &[TAG]), Err(why));
        assert!(!captured.serves(&versions.capture(KEY)));
        // The next load is not held up by it.
        assert!(versions.publish(&versions.capture(KEY), &[TAG], drop).is_ok());
    }
}

#[test]
fn an_entry_is_not_current_after_a_clear_or_a_bump_of_its_tag() {
    let versions = Versions::new();
    let tagged = published(&versions, &versions.capture(KEY), &[TAG]);
    let plain = published(&versions, &versions.capture(KEY), &[]);
    versions.bump_tag(TAG + 1);
    assert!(tagged.is_current(&versions));
    versions.bump_tag(TAG);
    assert!(!tagged.is_current(&versions));
    assert!(plain.is_current(&versions));
    versions.clear();
    assert!(!plain.is_current(&versions));
}

#[test]
fn a_bump_of_an_unrelated_tag_does_not_supersede_a_load() {
    let versions = Versions::new();
    let captured = versions.capture(KEY);
    versions.bump_tag(TAG + 1);
    assert!(versions.may_join(&captured));
    assert!(published(&versions, &captured, &[TAG]).is_current(&versions));
}

#[test]
fn nobody_waits_for_a_load_whose_key_has_moved() {
    let versions = Versions::new();
    let captured = versions.capture(KEY);
    assert!(versions.may_join(&captured));
    versions.invalidate(KEY, || ());
    assert!(!versions.may_join(&captured));
    let captured = versions.capture(KEY);
    versions.clear();
    assert!(!versions.may_join(&captured));
}

#[test]
fn a_put_makes_loads_lose_and_is_kept_itself() {
    let versions = Versions::new();
    let load = versions.capture(KEY);
    let put = versions.capture(KEY);
    let stamp = versions.put(&put, &[TAG], |stamp| stamp.unwrap());
    assert!(stamp.is_current(&versions));
    assert_eq!(versions.publish(&load, &[], drop), Err(Superseded::Key));
}

#[test]
fn of_two_puts_at_once_the_second_removes() {
    let versions = Versions::new();
    let (first, second) = (versions.capture(KEY), versions.capture(KEY));
    let load = versions.capture(KEY);
    assert!(versions.put(&first, &[], |stamp| stamp.is_ok()));
    assert_eq!(versions.put(&second, &[], Result::err), Some(Superseded::Key));
    assert_eq!(versions.publish(&load, &[], drop), Err(Superseded::Key));
}

#[test]
fn cells_that_nobody_holds_are_forgotten_and_the_others_are_not() {
    let versions = Versions::new();
    let held = published(&versions, &versions.capture(KEY), &[TAG]);
    for tag in 1000..101_000 {
        drop(published(&versions, &versions.capture(KEY), &[tag]));
    }
    assert!(versions.tags() <= 64 * 65, "{} cells", versions.tags());
    versions.forget_unused_tags();
    assert_eq!(versions.tags(), 1);
    versions.bump_tag(TAG);
    assert!(!held.is_current(&versions));
}

#[test]
fn a_load_loses_to_a_bump_of_a_tag_whose_cell_was_forgotten_since() {
    let versions = Versions::new();
    let captured = versions.capture(KEY);
    let other = published(&versions, &versions.capture(KEY + 1), &[TAG]);
    versions.bump_tag(TAG);
    drop(other);
    versions.forget_unused_tags();
    assert_eq!(versions.tags(), 0);
    assert_eq!(versions.publish(&captured, &[TAG], drop), Err(Superseded::Tag));
}

#[test]
fn an_insert_that_panics_leaves_the_key_usable() {
    let versions = Versions::new();
    let captured = versions.capture(KEY);
    let insert = || versions.publish(&captured, &[], |_| panic!("a weigher"));
    let result: Result<Result<(), _>, _> = catch_unwind(AssertUnwindSafe(insert));
    assert!(result.is_err());
    versions.invalidate(KEY, || ());
    assert_eq!(versions.publish(&captured, &[], drop), Err(Superseded::Key));
}

#[test]
fn poor_hashes_are_spread_over_the_floors() {
    for shift in [0, 10, 32, 54] {
        let mut places: Vec<_> =
            (0..1024).map(|n| super::super::spread(n << shift, 1024)).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 500, "{} places at {shift}", places.len());
    }
}

/// An invalidation that comes between the check and the insert. Returns whether the old value is
/// there afterwards.
fn invalidated_while_inserting(patience: Duration) -> bool {
    let versions = Versions::new();
    let stored = Mutex::new(None);
    let captured = versions.capture(KEY);
    let (started, begin) = channel::<()>();
    let (ended, end) = channel::<()>();
    std::thread::scope(|scope| {
        let (versions, stored) = (&versions, &stored);
        scope.spawn(move || {
            begin.recv().unwrap();
            versions.invalidate(KEY, || stored.lock().unwrap().take());
            // Nobody may be waiting any more.
            ended.send(()).ok();
        });
        let published = versions.publish(&captured, &[], |stamp| {
            started.send(()).unwrap();
            // With the lock held it cannot end. Without, it does within this time.
            let overtaken = end.recv_timeout(patience).is_ok();
            *stored.lock().unwrap() = Some(stamp);
            overtaken
        });
        assert!(published.is_ok());
    });
    stored.into_inner().unwrap().is_some()
}

#[test]
fn an_invalidation_waits_for_an_insert_and_removes_it() {
    assert!(!invalidated_while_inserting(Duration::from_millis(100)));
}

#[test]
fn control_without_one_step_the_old_value_comes_back() {
    // It ends at once, unless the machine is busy.
    assert!(without(Rule::OneStep, || invalidated_while_inserting(Duration::from_secs(10))));
}

#[test]
fn what_an_insert_pushes_out_is_dropped_outside_the_lock() {
    struct Reentrant<'a>(&'a Versions);
    impl Drop for Reentrant<'_> {
        fn drop(&mut self) {
            self.0.invalidate(KEY, || ());
        }
    }
    let versions = Versions::new();
    let old = RefCell::new(Some(Reentrant(&versions)));
    let result = versions.publish(&versions.capture(KEY), &[], |_| old.take());
    drop(result);
    drop(versions.invalidate(KEY, || Some(Reentrant(&versions))));
}
