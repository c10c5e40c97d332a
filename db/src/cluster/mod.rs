//! What the pool believes about its nodes, and where it sends whom.
//!
//! No clock, no lock, no I/O: [`Cluster`] is told what was seen and when, and publishes a [`View`];
//! a view answers where a read may go.
//!
//! Whom it believes, and when:
//!
//! - **Identity.** The first system that is seen (or remembered) is the pool's own. Nodes of another
//!   one are not asked anything, and what they say of timelines does not count.
//! - **Timelines.** The highest one ever seen counts, whoever said it, and outlives the process. A
//!   writable node on a lower one is stale for good: until it follows somebody, or comes back on a
//!   higher one.
//! - **Equal timelines.** Two nodes that took writes on the same timeline are a split brain, also
//!   when one of them is silent by now: a pool cannot tell a dead primary from one that others still
//!   write to. It ends when one of them is seen as a replica, when the operator removes one from the
//!   pool, or with the next promotion. Moving a primary's disk to another node of the pool is
//!   therefore: remove the old one, add the new one.
//! - **Order.** An answer that was asked for before what is known already changes nothing, except
//!   that a timeline it speaks of did begin.
//!
//! Limits: a pool that does not see the newer timeline (because it reaches none of its nodes)
//! believes the old one. What was read or written before a split brain was seen may be on either
//! side of it.

mod change;
mod decide;
mod history;
mod lag;
mod node;
mod route;
mod rule;
mod trail;
mod view;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::change::Change;
use self::decide::Writer;
pub use self::history::{Fork, History, Standing};
use self::node::Node;
pub(crate) use self::node::incarnation;
pub(crate) use self::route::{Route, Seen, Want};
use self::rule::Rule;
use self::trail::Trail;
pub use self::view::NodeState;
pub(crate) use self::view::{NodeView, Sample, View, Writable};
use crate::backend::{Observation, Role};
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

/// The pool's belief: fed with what nodes say, turned into views.
#[derive(Debug)]
pub(crate) struct Cluster {
    bounds: Bounds,
    system: Option<SystemId>,
    /// The highest timeline that was ever seen.
    timeline: u32,
    history: History,
    /// The timeline whose ancestors `history` has.
    history_of: u32,
    /// In the order of their ids.
    nodes: Vec<Node>,
    writer: Writer,
    written: Option<Sample>,
    trail: Trail,
    changes: Vec<Change>,
}

impl Cluster {
    /// Knows nothing but, maybe, what was remembered from an earlier run: the cluster's identity
    /// and the highest timeline that was seen.
    pub(crate) fn new(bounds: Bounds, remembered: Option<(SystemId, u32)>) -> Self {
        let remembered = remembered.filter(|_| rule::on(Rule::Remember));
        Self {
            bounds,
            system: remembered.map(|(system, _)| system),
            timeline: remembered.map_or(0, |(_, timeline)| timeline),
            history: History::default(),
            history_of: 0,
            nodes: Vec::new(),
            writer: Writer::Nobody,
            written: None,
            trail: Trail::new(bounds.max_lag),
            changes: Vec::new(),
        }
    }

    /// A node joins. It serves nothing until it was seen.
    pub(crate) fn add(&mut self, id: NodeId, traits: Traits) {
        let node = Node::new(id, traits);
        match self.nodes.binary_search_by_key(&id, |node| node.id) {
            Ok(place) => self.nodes[place] = node,
            Err(place) => self.nodes.insert(place, node),
        }
        self.decide();
    }

    /// A node leaves, and with it its claim to be the primary.
    pub(crate) fn remove(&mut self, id: NodeId) {
        self.nodes.retain(|node| node.id != id);
        self.decide();
    }

    /// A node answered: asked then, answered now.
    pub(crate) fn observed(
        &mut self,
        id: NodeId,
        asked: Instant,
        now: Instant,
        seen: &Observation,
    ) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else { return };
        let outdated = node.outdated(asked, seen.role);
        if *self.system.get_or_insert(seen.system) != seen.system && rule::on(Rule::Identity) {
            if !outdated {
                node.is_foreign(asked, seen.system);
            }
        } else {
            let began_after = node.began_after(seen).filter(|_| !outdated);
            if !outdated {
                node.answered(asked, now, seen);
            }
            self.learn(seen, began_after);
        }
        self.decide();
    }

    /// A node did not answer.
    pub(crate) fn failed(&mut self, id: NodeId, now: Instant, failure: Failure) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) {
            node.failed(now, failure);
        }
        self.decide();
    }

    /// A statement, or a parameter of the connection, said that this node is not (no longer) the
    /// primary. It gets no writes until it says otherwise when asked after `now`.
    pub(crate) fn not_primary(&mut self, id: NodeId, now: Instant) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) {
            node.refused(now);
        }
        self.decide();
    }

    /// What to remember across restarts.
    pub(crate) fn remember(&self) -> Option<(SystemId, u32)> {
        self.system.map(|system| (system, self.timeline))
    }

    /// What has changed since the last call.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What an answer says about the cluster. That a timeline began stays true, however old the
    /// answer is.
    fn learn(&mut self, seen: &Observation, began_after: Option<Instant>) {
        if seen.role == Role::Replica && !rule::on(Rule::ReplicaTimeline) {
            return;
        }
        let of = seen.position.timeline;
        let higher = of > self.timeline;
        if higher {
            self.timeline = of;
            if rule::on(Rule::Began) {
                self.trail.cut(began_after);
                self.written = self
                    .written
                    .zip(began_after)
                    .map(|(sample, end)| Sample { asked: sample.asked.min(end), ..sample });
            }
        }
        if let Some(history) = &seen.history {
            self.history.merge(self.history_of, history, of);
            self.history_of = self.history_of.max(of);
        }
        if higher || seen.history.is_some() {
            self.forget_lost();
        }
    }

    /// What is not part of the history any more is no measure for anybody.
    fn forget_lost(&mut self) {
        let kept = |at| self.history.standing(at, self.timeline) != Standing::Lost;
        self.trail.retain(kept);
        self.written = self.written.filter(|sample| kept(sample.position));
    }
}
