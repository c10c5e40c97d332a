//! When app servers are added and removed: a decision, without a clock and without a server.
//!
//! What counts is how many requests are at work on each server, smoothed, because one sample says little. Between the
//! two marks nothing happens, and they are so far apart that adding or removing a server never leads from
//! beyond one to beyond the other: with the same load there is never a way up and down again.
//!
//! Processor time would be another measure. It says nothing of servers that wait for their database, and in a test it
//! is whatever else the machine does.

use std::time::Duration;

use super::Range;

/// More requests at work on each server than this are too many: they wait for each other's database
/// connections, of which an app server has about as many.
const HIGH: f64 = 6.0;

/// With fewer than this there is a server too many. A third of [`HIGH`]: whoever is left takes over at most as much as
/// they have, so twice this is still below that.
const LOW: f64 = 2.0;

/// How long ago a sample counts for a third. Shorter than people wait, longer than a page and its pictures take.
const SMOOTH: Duration = Duration::from_secs(1);

/// How long after a change the next server is added: the load has to get there first.
const SETTLE: Duration = Duration::from_secs(1);

/// How long the load has to be low, and everything has to have stayed as it is, before a server is removed. It
/// costs little to have one too many for a while, and much to be without one when the next wave comes. Minutes on
/// a real site; seconds here, so that you can watch it.
pub const HOLD: Duration = Duration::from_secs(4);

/// What to do about the number of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Stay,
    /// One more.
    Add,
    /// One less.
    Remove,
}

/// Decides from samples of the load.
#[derive(Clone, Debug)]
pub struct Scaling {
    least: u16,
    most: u16,
    /// Requests at work on all servers together, and when that was.
    load: Option<(Duration, f64)>,
    low_since: Option<Duration>,
    changed: Option<Duration>,
}

impl Scaling {
    /// Keeps the number of servers within this range.
    #[must_use]
    pub fn new(range: Range) -> Self {
        let (least, most) = (range.least().get(), range.most().get());
        Self { least, most, load: None, low_since: None, changed: None }
    }

    /// What to do at this time, since any fixed one, with so many servers and so many requests at work on all of them
    /// together. Whoever is told to add or to remove one does.
    pub fn decide(&mut self, now: Duration, servers: u16, in_flight: u32) -> Decision {
        let load = self.smoothed(now, in_flight);
        let each = load / f64::from(servers.max(1));
        self.low_since = (each < LOW).then(|| self.low_since.unwrap_or(now));
        let passed = |since: Option<Duration>, wait| {
            since.is_none_or(|since| now.saturating_sub(since) >= wait)
        };
        let settled = passed(self.changed, SETTLE);
        let is_low = self.low_since.is_some_and(|since| now.saturating_sub(since) >= HOLD);
        let calm = is_low && passed(self.changed, HOLD);
        let decision = if servers < self.least || (settled && each > HIGH && servers < self.most) {
            Decision::Add
        } else if servers > self.most || (calm && servers > self.least) {
            Decision::Remove
        } else {
            Decision::Stay
        };
        if decision != Decision::Stay {
            self.changed = Some(now);
            self.low_since = None;
        }
        decision
    }

    /// What an operator wants counts for more than the load: this number, one step at a time.
    pub fn follow(&mut self, now: Duration, servers: u16, wanted: u16) -> Decision {
        let decision = match servers.cmp(&wanted) {
            std::cmp::Ordering::Less => Decision::Add,
            std::cmp::Ordering::Equal => Decision::Stay,
            std::cmp::Ordering::Greater => Decision::Remove,
        };
        // The load starts anew when it counts again.
        (self.load, self.low_since, self.changed) = (None, None, Some(now));
        decision
    }

    fn smoothed(&mut self, now: Duration, in_flight: u32) -> f64 {
        let sample = f64::from(in_flight);
        let load = match self.load {
            None => sample,
            Some((before, load)) => {
                let passed = now.saturating_sub(before).as_secs_f64();
                load + (sample - load) * (1.0 - (-passed / SMOOTH.as_secs_f64()).exp())
            }
        };
        self.load = Some((now, load));
        load
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    /// Runs it tick by tick; all changes, and when they were.
    fn run(
        scaling: &mut Scaling,
        servers: &mut u16,
        loads: impl IntoIterator<Item = u32>,
    ) -> Vec<(Duration, Decision)> {
        let mut changes = Vec::new();
        for (tick, load) in (1..).zip(loads) {
            let now = TICK * tick;
            let decision = scaling.decide(now, *servers, load);
            match decision {
                Decision::Stay => continue,
                Decision::Add => *servers += 1,
                Decision::Remove => *servers -= 1,
            }
            changes.push((now, decision));
        }
        changes
    }

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn a_wave_adds_servers_and_they_leave_after_it() {
        let (mut scaling, mut servers) = (Scaling::new(range("2..6")), 2);
        let wave = std::iter::repeat_n(30, 100);
        let changes =
            run(&mut scaling, &mut servers, wave.clone().chain(std::iter::repeat_n(1, 300)));
        let added = changes.iter().filter(|(_, change)| *change == Decision::Add).count();
        assert_eq!((servers, added, changes.len()), (2, 3, 6), "{changes:?}");
        assert_eq!(run(&mut Scaling::new(range("2..4")), &mut servers, wave).len(), 2, "no more");
    }

    #[test]
    fn one_sample_is_no_load() {
        let (mut scaling, mut servers) = (Scaling::new(range("1..6")), 1);
        let quiet = std::iter::repeat_n(1, 20);
        let loads = quiet.clone().chain([40]).chain(quiet);
        assert_eq!(run(&mut scaling, &mut servers, loads), []);
    }

    #[test]
    fn what_an_operator_wants_is_done_whatever_the_load() {
        let mut scaling = Scaling::new(range("2..6"));
        assert_eq!(scaling.follow(TICK, 2, 7), Decision::Add);
        assert_eq!(scaling.follow(TICK * 2, 7, 7), Decision::Stay);
        assert_eq!(scaling.follow(TICK * 3, 7, 1), Decision::Remove);
        assert_eq!(scaling.decide(TICK * 4, 1, 0), Decision::Add, "and the range counts again");
    }

    /// Loads that change now and then, some of them by much.
    fn loads() -> impl Strategy<Value = Vec<u32>> {
        let stretch = (0u32..80, 1usize..120);
        prop::collection::vec(stretch, 1..12).prop_map(|stretches| {
            stretches
                .into_iter()
                .flat_map(|(load, ticks)| std::iter::repeat_n(load, ticks))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn servers_stay_within_their_range_and_none_is_removed_within_the_hold_time_of_a_change(
            loads in loads(), least in 1u16..5, more in 0u16..5,
        ) {
            let bounds = range(&format!("{least}..{}", least + more));
            let (mut scaling, mut servers) = (Scaling::new(bounds), least);
            let mut before = None;
            for (tick, load) in (1..).zip(loads) {
                if let Some((_, change)) = run_at(&mut scaling, &mut servers, tick, load) {
                    let now = TICK * tick;
                    prop_assert!((least..=least + more).contains(&servers));
                    if change == Decision::Remove {
                        let since = before.map_or(HOLD, |before| now - before);
                        prop_assert!(since >= HOLD, "removed {since:?} after a change");
                    }
                    before = Some(now);
                }
            }
        }

        #[test]
        fn the_same_load_never_leads_up_and_down(load in 0u32..200, start in 1u16..10) {
            let (mut scaling, mut servers) = (Scaling::new(range("1..10")), start);
            let changes = run(&mut scaling, &mut servers, std::iter::repeat_n(load, 1000));
            let same = changes.iter().all(|(_, change)| *change == changes[0].1);
            prop_assert!(same, "{changes:?}");
        }
    }

    fn run_at(
        scaling: &mut Scaling,
        servers: &mut u16,
        tick: u32,
        load: u32,
    ) -> Option<(Duration, Decision)> {
        let now = TICK * tick;
        let decision = scaling.decide(now, *servers, load);
        match decision {
            Decision::Stay => return None,
            Decision::Add => *servers += 1,
            Decision::Remove => *servers -= 1,
        }
        Some((now, decision))
    }
}
