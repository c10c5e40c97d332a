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
    /// A history of forks, one for each ancestor that is known.
    #[must_use]
    pub fn new(mut forks: Vec<Fork>) -> Self {
        forks.sort_by_key(|fork| fork.timeline);
        Self { forks }
    }

    /// The forks, oldest timeline first.
    #[must_use]
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// How a position stands to timeline `now`, whose ancestors these are.
    #[must_use]
    pub fn standing(&self, position: Position, now: u32) -> Standing {
        let _ = (position, now);
        Standing::Uncertain
    }

    /// Whether data that reaches `have`, on the timeline of this history, includes `want`.
    #[must_use]
    pub fn covers(&self, have: Position, want: Position) -> bool {
        have.timeline == want.timeline && have.offset >= want.offset
    }
}
