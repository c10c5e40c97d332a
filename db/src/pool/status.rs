use std::time::Duration;

use tokio::time::Instant;

use super::shared::Snapshot;
use crate::backend::{Access, Backend};
use crate::cluster::{NodeState, Writable};
use crate::position::{Position, SystemId};

/// What a pool believes, and how busy it is.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// The cluster, once a node was seen.
    pub system: Option<SystemId>,
    /// The highest timeline that was ever seen; 0 before that.
    pub timeline: u32,
    /// The node that takes writes.
    pub primary: Option<String>,
    /// Whether more than one node takes writes, so that nobody is given any.
    pub split_brain: bool,
    /// The nodes, in the order in which they were added.
    pub nodes: Vec<NodeStatus>,
}

/// A node, as its pool sees it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub state: NodeState,
    /// The reads it is kept for, if not for all.
    pub tag: Option<String>,
    /// Where it stands.
    pub zone: Option<String>,
    /// How far it was when it was last asked.
    pub position: Option<Position>,
    /// How far behind the primary that is, in bytes of WAL or in commits.
    pub lag_bytes: Option<u64>,
    /// How old its data is at most, in milliseconds.
    pub lag_ms: Option<u64>,
    /// Counts the times that all connections to it were ended, because it fell silent or lost its
    /// role.
    pub epoch: u64,
    /// Connections on loan.
    pub in_flight: u32,
    /// Open connections for reading.
    pub read_connections: usize,
    /// Open connections for writing.
    pub write_connections: usize,
    /// The last error that spoke against the node, with its causes.
    pub last_error: Option<String>,
}

impl Status {
    pub(crate) fn of<B: Backend>(snapshot: &Snapshot<B>, now: Instant) -> Self {
        let view = &snapshot.view;
        let primary = match &view.writable {
            Writable::Primary(place) => view.nodes.get(*place).map(|node| node.name.to_string()),
            Writable::Nobody | Writable::SplitBrain(_) => None,
        };
        let nodes = view.nodes.iter().zip(&snapshot.members).map(|(node, member)| NodeStatus {
            name: node.name.to_string(),
            state: node.state,
            tag: node.tag.as_deref().map(str::to_owned),
            zone: member.node.zone.as_deref().map(str::to_owned),
            position: node.sample.map(|sample| sample.position),
            lag_bytes: node.lag_bytes,
            lag_ms: node
                .complete_until
                .map(|until| milliseconds(now.saturating_duration_since(until))),
            epoch: member.generation(),
            in_flight: member.in_flight(),
            read_connections: member.pool(Access::ReadOnly).status().size,
            write_connections: member.pool(Access::ReadWrite).status().size,
            last_error: member.last_error().as_deref().map(str::to_owned),
        });
        Self {
            system: view.system,
            timeline: view.timeline,
            primary,
            split_brain: matches!(view.writable, Writable::SplitBrain(_)),
            nodes: nodes.collect(),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
