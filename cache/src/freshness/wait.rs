use super::{Freshness, Lifetime, Moment};

/// Until when one reader waits for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From here on it takes the stale value, if there is one that may be served.
    pub serve_stale_at: Option<Moment>,
    /// From here on it waits no longer, stale value or not.
    pub give_up_at: Moment,
    /// From here on the stale value may not be served.
    stale_until: Moment,
}

/// What a waiting reader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It waits until then, and asks again.
    Until(Moment),
    /// It takes the stale value. The load goes on without it.
    ServeStale,
    /// It gets an error that says so.
    GiveUp,
}

impl Freshness {
    /// Until when a reader waits that came at `came`, with what is there of an old entry.
    #[must_use]
    pub fn deadlines(&self, came: Moment, stale: Option<&Lifetime>) -> Deadlines {
        let give_up_at = came.plus(self.hard_timeout);
        let stale_until = stale.map_or(Moment::ORIGIN, Lifetime::gone_at);
        let soft = self.soft_timeout.map_or(give_up_at, |soft| came.plus(soft)).min(give_up_at);
        Deadlines { serve_stale_at: (soft < stale_until).then_some(soft), give_up_at, stale_until }
    }
}

impl Deadlines {
    /// What the reader does now, while the load still runs.
    #[must_use]
    pub fn at(&self, now: Moment) -> Wait {
        match self.serve_stale_at {
            Some(soft) if now < soft => Wait::Until(soft),
            // A late timer must not serve what has run out meanwhile.
            Some(_) if now < self.stale_until => Wait::ServeStale,
            _ if now < self.give_up_at => Wait::Until(self.give_up_at),
            _ => Wait::GiveUp,
        }
    }
}
