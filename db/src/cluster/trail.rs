//! Where the primary was when.
//!
//! A replica says how far it is, not how old its data is, and its own clock and last replayed
//! transaction answer another question (they count up on an idle cluster). The pool knows when it
//! saw the primary where; a replica that has reached that place has all that was written before.

use std::time::Duration;

use tokio::time::Instant;

use crate::position::Position;

/// Marks are kept apart by at least this, and by an eighth of their age: what is a minute old need
/// not be known to the millisecond. About 70 marks span a minute.
const FINEST: Duration = Duration::from_millis(10);
const COARSEST: u32 = 8;

/// Marks are forgotten after this, at the earliest.
const REACH: Duration = Duration::from_secs(60);

/// All that was written before `at` lies before `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: Instant,
    pub(super) position: Position,
}

/// The primary's last minute, oldest mark first.
#[derive(Debug)]
pub(super) struct Trail {
    marks: Vec<Mark>,
    reach: Duration,
}

impl Trail {
    /// Long enough to tell whether a replica is staler than `bound`.
    pub(super) fn new(bound: Duration) -> Self {
        Self { marks: Vec::new(), reach: REACH.max(bound.saturating_mul(2)) }
    }

    pub(super) fn newest(&self) -> Option<Mark> {
        self.marks.last().copied()
    }

    /// How far back it goes.
    pub(super) fn span(&self) -> Duration {
        match (self.marks.first(), self.marks.last()) {
            (Some(first), Some(last)) => last.at.saturating_duration_since(first.at),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn push(&mut self, at: Instant, position: Position) {
        match self.marks.last_mut() {
            Some(last) if last.at >= at => return,
            // Nothing was written since: the same place says more by now.
            Some(last) if last.position == position => last.at = at,
            _ => self.marks.push(Mark { at, position }),
        }
        self.thin(at);
    }

    /// Forgets places that are not part of the cluster's history any more.
    pub(super) fn retain(&mut self, kept: impl Fn(Position) -> bool) {
        self.marks.retain(|mark| kept(mark.position));
    }

    /// A newer timeline began, after this time or at no known time: what the old primary was at
    /// since is no measure for what was written since.
    pub(super) fn cut(&mut self, began_after: Option<Instant>) {
        let Some(end) = began_after else { return self.marks.clear() };
        let sound = self.marks.partition_point(|mark| mark.at <= end);
        if let Some(next) = self.marks.get_mut(sound) {
            next.at = end;
        }
        self.marks.truncate(sound + 1);
    }

    /// Who has reached what `reaches` says, has everything from before this time.
    pub(super) fn complete_until(&self, reaches: impl Fn(Position) -> bool) -> Option<Instant> {
        self.marks.iter().rev().find(|mark| reaches(mark.position)).map(|mark| mark.at)
    }

    /// A mark less makes answers older, never wrong.
    fn thin(&mut self, now: Instant) {
        let age = |at: Instant| now.saturating_duration_since(at);
        let marks = &mut self.marks;
        let gone = marks.partition_point(|mark| age(mark.at) > self.reach);
        marks.drain(..gone);
        let mut kept = 1;
        for i in 1..marks.len() {
            let apart = FINEST.max(age(marks[i].at) / COARSEST);
            let near = |next: &Mark| next.at.saturating_duration_since(marks[kept - 1].at) <= apart;
            if !marks.get(i + 1).is_some_and(near) {
                marks[kept] = marks[i];
                kept += 1;
            }
        }
        marks.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position::new(1, offset)
    }

    #[test]
    fn a_trail_stays_short_and_its_answers_are_at_most_an_eighth_too_old() {
        let mut trail = Trail::new(Duration::from_secs(10));
        let begin = Instant::now();
        let time = |ms: u64| begin + Duration::from_millis(ms);
        for ms in 0..200_000 {
            trail.push(time(ms), at(ms));
            assert!(trail.marks.len() <= 100, "{} marks", trail.marks.len());
        }
        for back in [0, 5, 50, 500, 5_000, 50_000] {
            let here = 199_999 - back;
            let until = trail.complete_until(|mark| mark <= at(here)).unwrap();
            assert!(until <= time(here), "{back} ms back: more complete than it is");
            let slack = time(here).saturating_duration_since(until);
            assert!(slack <= Duration::from_millis(12 + back / 6), "{back} ms back: {slack:?}");
        }
        assert_eq!(trail.complete_until(|mark| mark <= at(100_000)), None);
    }

    #[test]
    fn an_idle_primary_keeps_its_replicas_fresh() {
        let mut trail = Trail::new(Duration::from_secs(10));
        let begin = Instant::now();
        for s in 0..600 {
            trail.push(begin + Duration::from_secs(s), at(7));
        }
        assert_eq!(trail.marks.len(), 1);
        let until = trail.complete_until(|mark| mark <= at(7));
        assert_eq!(until, Some(begin + Duration::from_secs(599)));
    }

    #[test]
    fn what_an_old_primary_says_after_the_next_timeline_began_is_cut_off() {
        let mut trail = Trail::new(Duration::from_secs(10));
        let begin = Instant::now();
        let time = |s| begin + Duration::from_secs(s);
        for s in 0..5 {
            trail.push(time(s), at(10 * s));
        }
        let between = time(2) + Duration::from_millis(500);
        trail.cut(Some(between));
        assert_eq!(trail.complete_until(|mark| mark <= at(90)), Some(between));
        assert_eq!(trail.complete_until(|mark| mark <= at(25)), Some(time(2)));
        trail.cut(None);
        assert_eq!(trail.newest(), None);
    }

    #[test]
    fn an_older_sample_does_not_move_the_trail_back() {
        let mut trail = Trail::new(Duration::from_secs(10));
        let begin = Instant::now();
        trail.push(begin + Duration::from_secs(1), at(9));
        trail.push(begin, at(5));
        assert_eq!(trail.newest().map(|mark| mark.position), Some(at(9)));
        assert_eq!(trail.marks.len(), 1);
    }
}
