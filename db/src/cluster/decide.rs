//! From what each node said to who is what.

use std::sync::Arc;

use tokio::time::Instant;

use super::change::{self, Change};
use super::lag::{Lag, Scale};
use super::node::{Health, Node};
use super::route::may;
use super::rule::{self, Rule};
use super::{Cluster, NodeId, NodeState, NodeView, View, Writable};
use crate::backend::Role;

/// Who takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Nobody,
    One {
        id: NodeId,
        name: Arc<str>,
        timeline: u32,
    },
    /// Those who claim the same timeline.
    Many {
        ids: Vec<NodeId>,
        timeline: u32,
    },
}

impl Writer {
    fn is(&self, id: NodeId) -> bool {
        matches!(self, Self::One { id: one, .. } if *one == id)
    }

    fn contends(&self, id: NodeId) -> bool {
        matches!(self, Self::Many { ids, .. } if ids.contains(&id))
    }
}

impl Cluster {
    /// Draws the conclusions, after anything has changed.
    pub(super) fn decide(&mut self) {
        let writer = self.elect();
        if writer != self.writer {
            self.announce(&writer);
            self.writer = writer;
        }
        self.follow();
        self.measure();
        for node in &mut self.nodes {
            let before = node.state;
            node.state = state(node, &self.writer, self.timeline);
            change::of_state(node, before, &mut self.changes);
        }
    }

    /// Nobody is elected here, of course: the database's operators did, and this finds out whom.
    fn elect(&self) -> Writer {
        let highest = self.timeline;
        let current = |node: &&Node| {
            node.writable() && (node.timeline() == highest || !rule::on(Rule::HighestTimeline))
        };
        // The latest to answer, which says nothing: a safeguard must be off for it to matter.
        let latest = self
            .nodes
            .iter()
            .filter(current)
            .max_by_key(|node| node.sample.map(|sample| sample.answered));
        let Some(latest) = latest else { return Writer::Nobody };
        let claims = |node: &&Node| {
            let counts = if node.writable() { Rule::EqualTimelines } else { Rule::SilentClaim };
            node.claim == Some(highest) && (node.id == latest.id || rule::on(counts))
        };
        let ids: Vec<_> = self.nodes.iter().filter(claims).map(|node| node.id).collect();
        if ids.len() > 1 {
            return Writer::Many { ids, timeline: highest };
        }
        let (id, name) = (latest.id, Arc::clone(&latest.traits.name));
        Writer::One { id, name, timeline: highest }
    }

    fn announce(&mut self, writer: &Writer) {
        match (&self.writer, writer) {
            (Writer::One { name, .. }, Writer::Nobody) => {
                self.changes.push(Change::PrimaryLost { node: Arc::clone(name) });
            }
            (_, Writer::Nobody) => {}
            (_, Writer::One { name, timeline, .. }) => {
                let (node, timeline) = (Arc::clone(name), *timeline);
                self.changes.push(Change::NewPrimary { node, timeline });
            }
            (_, Writer::Many { ids, timeline }) => {
                let among = self.nodes.iter().filter(|node| ids.contains(&node.id));
                let nodes = among.map(|node| Arc::clone(&node.traits.name)).collect();
                self.changes.push(Change::SplitBrain { nodes, timeline: *timeline });
            }
        }
    }

    /// Keeps up the trail of the primary.
    fn follow(&mut self) {
        match &self.writer {
            Writer::Nobody => {}
            Writer::One { id, .. } => {
                let primary = self.nodes.iter().find(|node| node.id == *id);
                if let Some(sample) = primary.and_then(|node| node.sample) {
                    self.trail.push(sample.asked, sample.position);
                    self.written = Some(sample);
                }
            }
            // The same offset is now two places.
            Writer::Many { timeline, .. } => {
                let told_apart = |of: u32| of != *timeline;
                self.trail.retain(|at| told_apart(at.timeline));
                self.written = self.written.filter(|sample| told_apart(sample.position.timeline));
            }
        }
    }

    fn measure(&mut self) {
        let scale = Scale {
            bounds: self.bounds,
            timeline: self.timeline,
            history: &self.history,
            trail: &self.trail,
            furthest: self.nodes.iter().filter_map(Node::replica).max(),
        };
        for node in &mut self.nodes {
            match node.replica() {
                Some(position) => {
                    node.lag = scale.measure(position);
                    node.serving = scale.serves(&node.lag, node.serving);
                }
                None => {
                    node.lag = Lag::default();
                    node.serving = false;
                }
            }
        }
    }

    /// The belief as of now. Nodes are in the order of their ids.
    pub(crate) fn view(&self, now: Instant) -> View {
        let place = |id: &NodeId| self.nodes.iter().position(|node| node.id == *id);
        let writable = match &self.writer {
            Writer::Nobody => Writable::Nobody,
            Writer::One { id, .. } => place(id).map_or(Writable::Nobody, Writable::Primary),
            Writer::Many { ids, .. } => {
                Writable::SplitBrain(ids.iter().filter_map(place).collect())
            }
        };
        let nodes: Vec<_> = self.nodes.iter().map(|node| shown(node, now)).collect();
        let mut read_set: Vec<_> = (0..nodes.len())
            .filter(|place| nodes[*place].state == NodeState::Replica && may(&nodes[*place], None))
            .collect();
        if read_set.iter().any(|place| nodes[*place].near) {
            read_set.retain(|place| nodes[*place].near);
        }
        View {
            system: self.system,
            timeline: self.timeline,
            history: self.history.clone(),
            writable,
            written: self.written,
            nodes,
            read_set,
        }
    }
}

fn state(node: &Node, writer: &Writer, highest: u32) -> NodeState {
    match (node.health, node.role) {
        (Health::Silent, _) => NodeState::Down,
        (Health::Denied, _) => NodeState::Denied,
        (Health::Foreign(_), _) => NodeState::Foreign,
        (Health::Up, Role::Replica) if node.serving => NodeState::Replica,
        (Health::Up, Role::Replica) => NodeState::Lagging,
        (Health::Up, Role::Primary) if writer.is(node.id) => NodeState::Primary,
        (Health::Up, Role::Primary) if node.timeline() < highest => NodeState::StalePrimary,
        (Health::Up, Role::Primary) if writer.contends(node.id) => NodeState::Contender,
        (Health::Unseen, _) | (Health::Up, Role::Primary) => NodeState::Unknown,
    }
}

fn shown(node: &Node, now: Instant) -> NodeView {
    let (lag_bytes, complete_until) = match node.state {
        NodeState::Primary => (Some(0), Some(now)),
        _ => (node.lag.bytes, node.lag.complete_until),
    };
    NodeView {
        id: node.id,
        name: Arc::clone(&node.traits.name),
        tag: node.traits.tag.clone(),
        near: node.traits.near,
        state: node.state,
        sample: node.sample,
        incarnation: node.incarnation,
        lag_bytes,
        complete_until,
    }
}
