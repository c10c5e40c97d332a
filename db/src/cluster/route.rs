use std::time::Duration;

use tokio::time::Instant;

use super::View;
use crate::position::Position;

/// A read that was served: no later read of the same context may see less.
///
/// It says no position, because asking for one would cost each read a round trip. The same node, in
/// the same incarnation, has at least as much; so has everybody who has reached what that node has
/// been seen to have since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Of the node that served it.
    pub(crate) incarnation: u32,
    /// When it was served, or later.
    pub(crate) at: Instant,
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Want<'a> {
    /// At least this.
    pub(crate) after: Option<Position>,
    /// At least what this read saw.
    pub(crate) seen: Option<Seen>,
    /// Data that is older is an error.
    pub(crate) max_staleness: Option<Duration>,
    /// A node with this tag, and no other.
    pub(crate) tag: Option<&'a str>,
    /// The primary, and no other.
    pub(crate) primary: bool,
    /// Places in the view that were tried already, as bits. Place 63 and those behind it share one.
    pub(crate) tried: u64,
}

/// Where a read goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To the replica at this place. It is known to have what is asked for.
    Replica(usize),
    /// To the replica at this place, if it turns out to have reached this offset.
    Check(usize, u64),
    /// To the primary at this place.
    Primary(usize),
    /// Nowhere: no node is left that could serve it.
    NoNode,
    /// Nowhere: nodes are there, and none of them is fresh enough.
    TooStale,
}

impl View {
    /// Where a read goes. `load` says how busy the node at a place is; of two replicas drawn with
    /// `draw`, the less busy one is taken.
    pub(crate) fn route(
        &self,
        want: &Want<'_>,
        now: Instant,
        draw: u64,
        load: impl Fn(usize) -> u64,
    ) -> Route {
        let _ = (want, now, draw, load(0));
        Route::NoNode
    }
}
