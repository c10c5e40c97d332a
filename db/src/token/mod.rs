//! Read your writes: a token that says how far the database was when somebody wrote.
//!
//! A user writes on the primary and reads a moment later on a replica, which has not heard of it
//! yet. Sending everybody who has written to the primary for a while helps, and takes from the
//! replicas the users who need them most. A position does better: whoever holds one can be served
//! by every node that has reached it, which is nearly all of them nearly always.
//!
//! [`CausalContext`] collects positions while a request is handled; [`Token`] is what of it can
//! travel, to a browser or with a message in a queue; [`TokenKey`] turns it into a string and back,
//! and believes no other. The string is signed because a made-up position would send its sender's
//! reads to the primary, or keep them waiting for a node that can have it.

mod codec;
mod context;
mod error;
mod file;
mod key;

#[cfg(test)]
mod tests;

use tokio::time::Instant;

pub use self::context::CausalContext;
pub use self::error::{KeyError, TokenError};
pub use self::key::TokenKey;
use crate::cluster::Seen;
use crate::position::{Position, SystemId};

/// What somebody has written and seen, as far as it can travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The cluster it speaks of.
    pub system: SystemId,
    /// All that its holder wrote lies before this position. On timeline 0, which no cluster has, if
    /// its holder has only read.
    pub position: Position,
    /// The node that served its holder's last read, by its incarnation, if what was seen there may
    /// lie behind `position`; 0 if not.
    pub seen: u32,
    /// When it was made, in seconds since the Unix epoch.
    pub issued: u32,
}

impl Token {
    /// The position, if there is one.
    pub(crate) fn written(&self) -> Option<Position> {
        Some(self.position).filter(|position| position.timeline > 0)
    }

    /// What its holder had seen before `now`, if that is not in the position.
    pub(crate) fn seen(&self, now: Instant) -> Option<Seen> {
        (self.seen != 0).then_some(Seen { incarnation: self.seen, at: now })
    }

    /// Whether both ask the same of a read.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        Self { issued: 0, ..*self } == Self { issued: 0, ..*other }
    }
}
