//! What the pool believes about its nodes, and where it sends whom.
//!
//! No clock, no lock, no I/O: [`Cluster`] is told what was seen and when, and publishes a [`View`];
//! a view answers where a read may go.

mod history;
mod route;
mod view;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use self::history::{Fork, History, Standing};
pub(crate) use self::route::{Route, Seen, Want};
pub use self::view::NodeState;
pub(crate) use self::view::{NodeView, Sample, View, Writable};
use crate::backend::Observation;
use crate::position::SystemId;

/// A node's stay in the pool. A node that is removed and added again has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// What is configured of a node.
#[derive(Clone, Debug)]
pub(crate) struct Traits {
    pub(crate) name: Arc<str>,
    /// Nodes with a tag serve only reads that ask for it.
    pub(crate) tag: Option<Arc<str>>,
    /// In the pool's own zone.
    pub(crate) near: bool,
}

/// The bounds that the decisions keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// A replica whose data is older leaves the read set, and comes back at half of it.
    pub(crate) max_lag: Duration,
    /// The same in bytes (or commits) behind the primary.
    pub(crate) max_lag_bytes: u64,
}

/// Why a node did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, a broken one, or no answer in time.
    Silent,
    /// It answered that it takes nobody now.
    Unavailable,
    /// It does not let us in.
    Denied,
}

/// Something that changed, worth an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    NewPrimary {
        node: Arc<str>,
        timeline: u32,
    },
    PrimaryLost {
        node: Arc<str>,
    },
    SplitBrain {
        nodes: Vec<Arc<str>>,
        timeline: u32,
    },
    /// A writable node of an older timeline: not believed.
    StalePrimary {
        node: Arc<str>,
        timeline: u32,
    },
    Foreign {
        node: Arc<str>,
        system: SystemId,
    },
    Down {
        node: Arc<str>,
    },
    Up {
        node: Arc<str>,
    },
    /// A replica left the read set because of its lag, or came back.
    Lagging {
        node: Arc<str>,
    },
    CaughtUp {
        node: Arc<str>,
    },
}

impl Change {
    /// A short name, the same in metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        "change"
    }

    /// Whether somebody should look.
    pub(crate) fn is_alarming(&self) -> bool {
        false
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The pool's belief: fed with what nodes say, turned into views.
#[derive(Debug)]
pub(crate) struct Cluster {
    #[expect(dead_code, reason = "skeleton")]
    bounds: Bounds,
}

impl Cluster {
    /// Knows nothing but, maybe, what was remembered from an earlier run: the cluster's identity
    /// and the highest timeline that was seen.
    pub(crate) fn new(bounds: Bounds, remembered: Option<(SystemId, u32)>) -> Self {
        let _ = remembered;
        Self { bounds }
    }

    /// A node joins. It serves nothing until it was seen.
    pub(crate) fn add(&mut self, id: NodeId, traits: Traits) {
        let _ = (id, traits);
    }

    /// A node leaves.
    pub(crate) fn remove(&mut self, id: NodeId) {
        let _ = id;
    }

    /// A node answered: asked then, answered now.
    pub(crate) fn observed(
        &mut self,
        id: NodeId,
        asked: Instant,
        now: Instant,
        seen: &Observation,
    ) {
        let _ = (id, asked, now, seen);
    }

    /// A node did not answer.
    pub(crate) fn failed(&mut self, id: NodeId, now: Instant, failure: Failure) {
        let _ = (id, now, failure);
    }

    /// A statement, or a parameter of the connection, said that this node is not (no longer) the
    /// primary. Until it says otherwise in an observation, it gets no writes.
    pub(crate) fn not_primary(&mut self, id: NodeId, now: Instant) {
        let _ = (id, now);
    }

    /// What to remember across restarts.
    pub(crate) fn remember(&self) -> Option<(SystemId, u32)> {
        None
    }

    /// What has changed since the last call.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// The belief as of now. Nodes are in the order of their ids.
    pub(crate) fn view(&self, now: Instant) -> View {
        View::empty(now)
    }
}
