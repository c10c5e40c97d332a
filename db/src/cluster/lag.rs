//! How far behind a replica is, and whether that is too far.

use std::time::Duration;

use tokio::time::Instant;

use super::rule::{self, Rule};
use super::trail::Trail;
use super::{Bounds, History, Standing};
use crate::position::Position;

/// How a replica stands to the primary, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    /// Behind the primary's last known position.
    pub(super) bytes: Option<u64>,
    /// It has everything from before this time.
    pub(super) complete_until: Option<Instant>,
    /// It holds writes that a promotion has dropped.
    pub(super) diverged: bool,
}

/// What replicas are measured against.
#[derive(Debug)]
pub(super) struct Scale<'a> {
    pub(super) bounds: Bounds,
    pub(super) timeline: u32,
    pub(super) history: &'a History,
    pub(super) trail: &'a Trail,
    /// The furthest replica, for as long as no primary was seen.
    pub(super) furthest: Option<Position>,
}

impl Scale<'_> {
    pub(super) fn measure(&self, at: Position) -> Lag {
        let target = self.trail.newest().map(|mark| mark.position).or(self.furthest);
        let comparable = |target: &Position| {
            at.timeline >= target.timeline
                || self.history.standing(at, target.timeline) == Standing::Kept
        };
        Lag {
            bytes: target.filter(comparable).map(|target| target.offset.saturating_sub(at.offset)),
            complete_until: self.trail.complete_until(|mark| self.history.covers(at, mark)),
            diverged: self.history.standing(at, self.timeline) == Standing::Lost,
        }
    }

    /// Whether a replica serves ordinary reads: it stays until it is behind by the whole bound, and
    /// comes back at half of it, so that one at the bound does not come and go.
    ///
    /// Time is counted up to the primary's last sample. Without a primary nothing is written, so
    /// nobody falls further behind.
    pub(super) fn serves(&self, lag: &Lag, before: bool) -> bool {
        if !rule::on(Rule::Lag) {
            return true;
        }
        if lag.diverged {
            return false;
        }
        let part = if before || !rule::on(Rule::Hysteresis) { 1 } else { 2 };
        let bytes = self.bounds.max_lag_bytes / u64::from(part);
        let time = self.bounds.max_lag / part;
        match lag.bytes {
            Some(behind) if behind > bytes => return false,
            None if !before => return false,
            _ => {}
        }
        let Some(newest) = self.trail.newest() else { return true };
        match lag.complete_until {
            Some(until) => newest.at.saturating_duration_since(until) <= time,
            // It is behind the oldest mark. That is not much, if the trail has just begun.
            None => before && self.trail.span() <= time,
        }
    }
}

/// Whether what is complete until then is fresh enough.
pub(super) fn fresh(until: Option<Instant>, now: Instant, bound: Duration) -> bool {
    !rule::on(Rule::Staleness)
        || until.is_some_and(|until| now.saturating_duration_since(until) <= bound)
}
