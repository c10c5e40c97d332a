//! Read your writes: a token that says how far the database was when somebody wrote.

mod codec;
mod context;
mod key;

pub use self::context::CausalContext;
pub(crate) use self::context::Requirement;
pub use self::key::{KeyError, TokenError, TokenKey};
use crate::position::{Position, SystemId};

/// What somebody has written and seen, as far as it can travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The cluster it speaks of.
    pub system: SystemId,
    /// All that its holder wrote lies before this position.
    pub position: Position,
    /// The node that served its holder's last read, by its incarnation, if what was seen there may
    /// lie behind `position`; 0 if not.
    pub seen: u32,
    /// When it was made, in seconds since the Unix epoch.
    pub issued: u32,
}
