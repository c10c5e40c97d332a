use std::sync::Arc;

use tokio::time::Instant;

use super::{History, NodeId, Standing};
use crate::position::{Position, SystemId};

/// What a node is, in the pool's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum NodeState {
    /// Not seen yet; or it has just refused a write as the primary, and is asked again.
    Unknown,
    /// The primary.
    Primary,
    /// A replica that serves reads.
    Replica,
    /// A replica that is too far behind to serve reads, or not yet caught up after it was added, or
    /// that holds writes which a promotion has dropped.
    Lagging,
    /// It takes writes, on a timeline that has ended: nobody asks it anything.
    StalePrimary,
    /// It takes writes on the same timeline as another node.
    Contender,
    /// It belongs to another cluster.
    Foreign,
    /// It does not answer.
    Down,
    /// It does not let us in.
    Denied,
}

/// A position, and the time in which it was taken: what the node served before `asked` lies before
/// it, what it serves after `answered` lies behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) position: Position,
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
}

/// A node in a [`View`].
#[derive(Clone, Debug)]
pub(crate) struct NodeView {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) near: bool,
    pub(crate) state: NodeState,
    pub(crate) sample: Option<Sample>,
    pub(crate) incarnation: u32,
    /// How far behind the primary's last known position.
    pub(crate) lag_bytes: Option<u64>,
    /// Its data has everything that was written before this time, as far as is known.
    pub(crate) complete_until: Option<Instant>,
}

/// Who takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Writable {
    /// The node at this place in [`View::nodes`].
    Primary(usize),
    /// Nobody.
    Nobody,
    /// Too many: the places of the contenders, those among them that are silent now included.
    SplitBrain(Vec<usize>),
}

/// What the pool believes at one time. Never changed once it is published.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) system: Option<SystemId>,
    /// The highest timeline that was ever seen.
    pub(crate) timeline: u32,
    /// Its ancestors.
    pub(crate) history: History,
    pub(crate) writable: Writable,
    /// The last sample of the primary, or of the one before if there is none now: all that was
    /// written before it was asked for lies before it.
    pub(crate) written: Option<Sample>,
    pub(crate) nodes: Vec<NodeView>,
    /// Places of the untagged nodes that serve reads, those in the pool's own zone if there are any.
    pub(crate) read_set: Vec<usize>,
}

impl View {
    /// How a position stands to the highest timeline that was seen.
    pub(crate) fn standing(&self, position: Position) -> Standing {
        self.history.standing(position, self.timeline)
    }

    /// What is left of a position, if that is known: see [`History::kept`].
    pub(crate) fn kept(&self, position: Position) -> Option<Position> {
        self.history.kept(position, self.timeline)
    }

    /// Whether each node has answered, or failed to, since it was added.
    pub(crate) fn settled(&self) -> bool {
        self.nodes.iter().all(|node| node.state != NodeState::Unknown)
    }
}
