//! One thread changes the origin and purges, the other serves what it has fetched. Nothing old may
//! be served once a purge has returned.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::rule::{Rule, without};
use super::{Invalidations, Limits, Marks, Mode, Target, Verdict};

const ROUNDS: u64 = 10_000;

/// Until a control must have seen its fault. It needs tens to hundreds; the bound is against bad
/// luck.
const CONTROL_ROUNDS: u64 = 1_000_000;

/// When a fetch takes its number.
#[derive(Clone, Copy, PartialEq)]
enum Taken {
    BeforeTheOriginIsAsked,
    WhenTheObjectIsPut,
}

struct Race {
    invalidations: Invalidations,
    /// What the origin answers.
    origin: AtomicU64,
    /// Everything below was purged, and the purge has returned.
    purged: AtomicU64,
    /// What had been purged when something valid was last served.
    served: AtomicU64,
    /// Fetches that the origin has answered.
    began: AtomicU64,
    faults: AtomicU64,
    over: AtomicBool,
}

impl Race {
    fn target(&self) -> Target {
        Target::Tag(self.invalidations.tags().surrogate(b"page"))
    }

    fn purge_all_rounds(&self, rounds: u64) {
        for version in 1..=rounds {
            self.origin.store(version, Ordering::SeqCst);
            let target = match version % 3 {
                0 => self.target(),
                1 => Target::Prefix("a.test/".to_owned()),
                _ => Target::All,
            };
            self.invalidations.purge(&target, Mode::Hard);
            self.purged.store(version, Ordering::SeqCst);
            if self.faults.load(Ordering::SeqCst) > 0 {
                break;
            }
            // Every other purge meets an object that was found valid after the one before, and the
            // others meet a fetch.
            let began = self.began.load(Ordering::SeqCst);
            while self.served.load(Ordering::SeqCst) != version
                && (version % 2 == 1 || self.began.load(Ordering::SeqCst) == began)
                && self.faults.load(Ordering::SeqCst) == 0
            {
                thread::yield_now();
            }
        }
        self.over.store(true, Ordering::SeqCst);
    }

    /// As a cache does it: what is valid is served and not fetched again, so a fault stays.
    fn serve(&self, taken: Taken) {
        let mut stored = self.fetch(taken);
        while !self.over.load(Ordering::SeqCst) {
            let oldest = self.purged.load(Ordering::SeqCst);
            if self.invalidations.verdict(&stored.0) == Verdict::Valid {
                let fault = stored.1 < oldest;
                self.faults.fetch_add(u64::from(fault), Ordering::SeqCst);
                if self.served.swap(oldest, Ordering::SeqCst) == oldest {
                    // Nothing new: the other thread's turn, where there is but one core.
                    thread::yield_now();
                }
            } else {
                stored = self.fetch(taken);
            }
        }
    }

    fn fetch(&self, taken: Taken) -> (Marks, u64) {
        let before = self.invalidations.now();
        let body = self.origin.load(Ordering::SeqCst);
        self.began.fetch_add(1, Ordering::SeqCst);
        for _ in 0..3 {
            thread::yield_now();
        }
        let since = match taken {
            Taken::BeforeTheOriginIsAsked => before,
            Taken::WhenTheObjectIsPut => self.invalidations.now(),
        };
        let tag = self.invalidations.tags().surrogate(b"page");
        (Marks::new(since, b"a.test/page", [tag]), body)
    }
}

/// How often something old was served; stops at the first time.
fn race(rounds: u64, taken: Taken, off: Option<Rule>) -> u64 {
    let race = Race {
        invalidations: Invalidations::new(Limits::default(), 5),
        origin: AtomicU64::new(0),
        purged: AtomicU64::new(0),
        served: AtomicU64::new(0),
        began: AtomicU64::new(0),
        faults: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        scope.spawn(|| race.serve(taken));
        scope.spawn(|| match off {
            Some(rule) => without(rule, || race.purge_all_rounds(rounds)),
            None => race.purge_all_rounds(rounds),
        });
    });
    race.faults.load(Ordering::SeqCst)
}

#[test]
fn nothing_old_is_served_once_a_purge_has_returned() {
    assert_eq!(race(ROUNDS, Taken::BeforeTheOriginIsAsked, None), 0);
}

#[test]
fn the_race_finds_objects_that_are_dated_by_their_put() {
    assert!(race(CONTROL_ROUNDS, Taken::WhenTheObjectIsPut, None) > 0);
}

#[test]
fn the_race_finds_a_number_that_is_published_before_the_table_is_written() {
    assert!(race(CONTROL_ROUNDS, Taken::BeforeTheOriginIsAsked, Some(Rule::PublishLast)) > 0);
}
