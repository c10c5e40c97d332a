use super::rule::{self, Rule};
use crate::position::Position;

/// Where one timeline ended and the next began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The timeline that ended.
    pub timeline: u32,
    /// What the next one has of it: everything up to this offset.
    pub offset: u64,
}

/// The ancestors of a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    forks: Vec<Fork>,
}

/// How a position stands to the timeline that a cluster is on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is part of it.
    Kept,
    /// It lies behind the fork: what was written there is gone.
    Lost,
    /// It may be part of it or not: nobody knows where the fork is.
    Uncertain,
    /// It lies on a timeline that this pool has not seen yet.
    Ahead,
}

impl History {
    /// A history of forks, one for each ancestor that is known. Of two forks of one timeline the
    /// earlier one counts: it promises less.
    #[must_use]
    pub fn new(mut forks: Vec<Fork>) -> Self {
        forks.sort_by_key(|fork| (fork.timeline, fork.offset));
        forks.dedup_by_key(|fork| fork.timeline);
        Self { forks }
    }

    /// The forks, oldest timeline first.
    #[must_use]
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// How a position stands to timeline `now`, whose ancestors these are.
    ///
    /// A fork that is missing between the two makes it [`Uncertain`](Standing::Uncertain): the
    /// timelines behind the gap may have branched off anywhere.
    #[must_use]
    pub fn standing(&self, position: Position, now: u32) -> Standing {
        if position.timeline == now {
            return Standing::Kept;
        }
        if position.timeline > now {
            return Standing::Ahead;
        }
        if !rule::on(Rule::Fork) {
            return Standing::Kept;
        }
        let mut expected = position.timeline;
        let mut kept = true;
        for fork in &self.forks {
            if fork.timeline < position.timeline {
                continue;
            }
            if fork.timeline >= now || fork.timeline != expected {
                break;
            }
            kept &= position.offset <= fork.offset;
            expected += 1;
        }
        match (expected == now, kept) {
            (false, _) => Standing::Uncertain,
            (true, true) => Standing::Kept,
            (true, false) => Standing::Lost,
        }
    }

    /// Whether data that reaches `have`, on the timeline of this history or one of its ancestors,
    /// includes `want`. Where the history does not say, it does not.
    #[must_use]
    pub fn covers(&self, have: Position, want: Position) -> bool {
        have.offset >= want.offset && self.standing(want, have.timeline) == Standing::Kept
    }

    /// What is left of a position on timeline `now`: itself if it was kept, the fork if it was lost.
    /// `None` if nobody knows.
    ///
    /// Of somebody's writes a promotion drops the last ones. Those before the fork are still theirs
    /// to be read.
    #[must_use]
    pub fn kept(&self, position: Position, now: u32) -> Option<Position> {
        match self.standing(position, now) {
            Standing::Kept => Some(position),
            Standing::Lost => {
                let on_the_way = |fork: &&Fork| (position.timeline..now).contains(&fork.timeline);
                let first = self.forks.iter().filter(on_the_way).map(|fork| fork.offset).min();
                first.map(|offset| Position::new(position.timeline, offset))
            }
            Standing::Uncertain | Standing::Ahead => None,
        }
    }

    /// Adds what another observation says. `of` and `other_of` are the timelines whose ancestors
    /// the two are: the higher one counts, and the other one fills in what lies before it.
    pub(super) fn merge(&mut self, of: u32, other: &Self, other_of: u32) {
        if other.forks.is_empty() || (of == other_of && self == other) {
            return;
        }
        let (first, second) = if other_of > of { (other, &*self) } else { (&*self, other) };
        let since = first.forks.first().map_or(u32::MAX, |fork| fork.timeline);
        let fills = |fork: &&Fork| of == other_of || fork.timeline < since;
        let forks = second.forks.iter().filter(fills).chain(&first.forks).copied().collect();
        *self = Self::new(forks);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forks(of: &[(u32, u64)]) -> History {
        History::new(of.iter().map(|&(timeline, offset)| Fork { timeline, offset }).collect())
    }

    fn at(timeline: u32, offset: u64) -> Position {
        Position::new(timeline, offset)
    }

    #[test]
    fn what_lies_before_the_fork_is_kept_and_what_lies_behind_it_is_lost() {
        let history = forks(&[(1, 100)]);
        assert_eq!(history.standing(at(1, 100), 2), Standing::Kept);
        assert_eq!(history.standing(at(1, 101), 2), Standing::Lost);
        assert_eq!(history.standing(at(2, 900), 2), Standing::Kept);
        assert_eq!(history.standing(at(3, 1), 2), Standing::Ahead);
    }

    #[test]
    fn each_fork_on_the_way_must_have_kept_a_position() {
        // Timeline 3 was recovered to a point before timeline 2 began.
        let history = forks(&[(1, 100), (2, 80)]);
        assert_eq!(history.standing(at(1, 80), 3), Standing::Kept);
        assert_eq!(history.standing(at(1, 90), 3), Standing::Lost);
    }

    #[test]
    fn a_gap_in_the_history_leaves_a_position_uncertain() {
        let history = forks(&[(1, 100), (3, 300)]);
        assert_eq!(history.standing(at(1, 50), 4), Standing::Uncertain);
        assert_eq!(history.standing(at(2, 50), 4), Standing::Uncertain);
        assert_eq!(history.standing(at(3, 50), 4), Standing::Kept);
        assert_eq!(history.standing(at(4, 50), 5), Standing::Uncertain);
        assert_eq!(History::default().standing(at(1, 0), 2), Standing::Uncertain);
    }

    #[test]
    fn data_on_the_newer_timeline_covers_what_the_fork_kept_and_nothing_else() {
        let history = forks(&[(1, 100)]);
        assert!(history.covers(at(2, 100), at(1, 100)));
        // It follows the new timeline, and has not come as far as the fork yet.
        assert!(!history.covers(at(2, 90), at(1, 95)));
        assert!(!history.covers(at(2, 500), at(1, 101)));
        assert!(!history.covers(at(1, 500), at(2, 101)));
    }

    #[test]
    fn without_forks_lost_data_would_count_as_covered() {
        let history = forks(&[(1, 100)]);
        rule::without(Rule::Fork, || assert!(history.covers(at(2, 500), at(1, 101))));
    }

    #[test]
    fn what_is_left_of_a_lost_position_is_the_first_fork_on_the_way() {
        let history = forks(&[(1, 100), (2, 80)]);
        assert_eq!(history.kept(at(1, 70), 3), Some(at(1, 70)));
        assert_eq!(history.kept(at(1, 200), 3), Some(at(1, 80)));
        assert_eq!(history.kept(at(1, 200), 2), Some(at(1, 100)));
        assert_eq!(history.kept(at(3, 1), 4), None);
    }

    #[test]
    fn the_history_of_the_highest_timeline_counts() {
        let mut history = forks(&[(1, 100)]);
        // Timeline 3 went back behind the fork of timeline 2.
        history.merge(2, &forks(&[(1, 80), (2, 80)]), 3);
        assert_eq!(history, forks(&[(1, 80), (2, 80)]));
        history.merge(3, &forks(&[(1, 100)]), 2);
        assert_eq!(history, forks(&[(1, 80), (2, 80)]));
    }

    #[test]
    fn an_older_history_fills_in_what_a_newer_one_leaves_out() {
        let mut history = forks(&[(1, 100)]);
        history.merge(2, &forks(&[(2, 200)]), 3);
        assert_eq!(history, forks(&[(1, 100), (2, 200)]));
    }

    proptest! {
        #[test]
        fn covering_is_transitive(
            offsets in proptest::collection::vec(0u64..50, 0..4),
            [a, b, c] in proptest::array::uniform3((1u32..5, 0u64..60)),
        ) {
            let mut reached = 0;
            let history = History::new((1u32..).zip(offsets).map(|(timeline, more)| {
                reached += more;
                Fork { timeline, offset: reached }
            }).collect());
            let [a, b, c] = [a, b, c].map(|(timeline, offset)| at(timeline, offset));
            prop_assert!(history.covers(a, a));
            if history.covers(a, b) && history.covers(b, c) {
                prop_assert!(history.covers(a, c), "{:?}: {a} {b} {c}", history);
            }
        }
    }
}
