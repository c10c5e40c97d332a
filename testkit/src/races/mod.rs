//! Does a cache serve an old value after a write? Every kind of write, at every moment of everything
//! that may be going on.
//!
//! A [`World`] makes [nodes](Subject), each of which is what one process has of the cache under test.
//! One [`run`] brings about what the [`Cell`] says: a load has read the old value and is held, or a
//! fill, or a message. Then the write, so many steps before or after the held one goes on; and once it
//! is acknowledged, a reader at each further step. Nobody sleeps: the order is forced by [`Gate`]s, and
//! steps are turns of a runtime of one thread.
//!
//! Run it on tokio's paused time in a runtime of one thread. The same check serves for the cache that
//! keeps its promise, and for the ones that do not, which show that it can fail.
//!
//! Each cell asks for three things:
//!
//! - No read that starts after the acknowledgement gets the old value. For a node that is
//!   [told](Writer::Told), after the message was delivered; for one to which the message was
//!   [lost](Writer::Lost), after [`World::L1_MAX_AGE`].
//! - Afterwards the old value is in no level, neither here nor for a node that comes new.
//! - The next read has the new value.

mod act;
mod gate;
mod report;
mod source;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use self::act::run;
pub use self::gate::Gate;
pub use self::report::{Matrix, Row};
pub use self::source::Source;

/// One process's cache, of one key.
pub trait Subject: Clone + Send + Sync + 'static {
    /// Reads through the cache. An error says that there is no value for now.
    fn read(&self) -> impl Future<Output = Result<u64, String>> + Send;

    /// [Changes](Source::change) the source, and tells the cache in this way.
    fn write(&self, op: Op) -> impl Future<Output = Result<(), String>> + Send;

    /// What memory would serve without asking anybody.
    fn peek(&self) -> Option<u64>;
}

/// What the nodes of one run share: the source, maybe a second level, maybe a bus.
pub trait World: Sized {
    /// One process's part.
    type Node: Subject;

    /// After this time an entry is stale and served once more, while it is loaded again. `None`: there
    /// is no such refresh.
    const STALE_AFTER: Option<Duration> = None;
    /// The bound for a node that was told nothing. `None`: there is none, or no second node.
    const L1_MAX_AGE: Option<Duration> = None;
    /// After this time, a key whose load has failed is loaded again.
    const BACKOFF: Duration = Duration::ZERO;

    /// An empty one.
    fn new(source: Source) -> Self;

    /// One more process, whose memory is empty.
    fn node(&self) -> Self::Node;

    /// Whether it has what this cell needs.
    fn has(cell: Cell) -> bool;

    /// Calls to the second level in this situation, where one can be [held](World::gate).
    #[must_use]
    fn points(during: During) -> &'static [&'static str] {
        let _ = during;
        &[]
    }

    /// Holds the calls at a point, if told to.
    fn gate(&self, point: &str) -> Gate {
        let _ = point;
        Gate::new()
    }

    /// What becomes of messages between the nodes.
    fn bus(&self, order: Bus) {
        let _ = order;
    }
}

/// A kind of write. There is no further one: a subject that could leave one out would not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The key is invalidated.
    Invalidate,
    /// The new value is written through.
    Insert,
    /// Everything is invalidated.
    Clear,
    /// A tag of the value is bumped.
    Tag,
}

/// What is going on at the time of the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum During {
    /// A load of a key that is nowhere.
    Load,
    /// A load in the background, of a key that is stale.
    Refresh,
    /// The first level is filled from the second.
    Fill,
    /// The second level is filled from a load.
    Share,
    /// Nothing: the old value is in memory.
    Quiet,
    /// A load whose first reader has left.
    CancelledLeader,
    /// A load that will panic.
    PanickingLoader,
}

/// Where the write happens, seen from the node that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// On this node.
    Here,
    /// On another one, and the message is delivered before the write is acknowledged.
    There,
    /// On another one, and the message is on its way for a while.
    Told,
    /// On another one, and the message is lost.
    Lost,
}

/// What becomes of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// They wait.
    Hold,
    /// Those that wait are delivered.
    Deliver,
    /// Those that wait are lost.
    Lose,
}

/// One field of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// How it is written.
    pub op: Op,
    /// What is going on meanwhile.
    pub during: During,
    /// Who writes.
    pub writer: Writer,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Invalidate, Self::Insert, Self::Clear, Self::Tag];
}

impl During {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Load,
        Self::Refresh,
        Self::Fill,
        Self::Share,
        Self::Quiet,
        Self::CancelledLeader,
        Self::PanickingLoader,
    ];
}

impl Writer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Here, Self::There, Self::Told, Self::Lost];
}

impl Cell {
    /// All that this world can play.
    #[must_use]
    pub fn all<W: World>() -> Vec<Self> {
        let mut cells = Vec::new();
        for during in During::ALL {
            for op in Op::ALL {
                cells.extend(Writer::ALL.map(|writer| Self { op, during, writer }));
            }
        }
        cells.retain(|cell| W::has(*cell));
        cells
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, during, writer } = self;
        let (op, during, writer) =
            (format!("{op:?}"), format!("{during:?}"), format!("{writer:?}"));
        write!(f, "{op:<10} | {during:<15} | {writer:<5}")
    }
}
