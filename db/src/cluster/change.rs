use std::fmt;
use std::sync::Arc;

use super::node::Node;
use super::{NodeState, SystemId};

/// Something that changed, worth an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Writes go to this node from now on.
    NewPrimary { node: Arc<str>, timeline: u32 },
    /// Writes go nowhere: this node took them, and no other does.
    PrimaryLost { node: Arc<str> },
    /// Writes go nowhere: these nodes claim the same timeline. The silent ones among them too.
    SplitBrain { nodes: Vec<Arc<str>>, timeline: u32 },
    /// A writable node of an older timeline: not believed.
    StalePrimary { node: Arc<str>, timeline: u32 },
    /// A node of another cluster.
    Foreign { node: Arc<str>, system: SystemId },
    /// A node does not answer.
    Down { node: Arc<str> },
    /// A node does not let us in.
    Denied { node: Arc<str> },
    /// It answers again.
    Up { node: Arc<str> },
    /// A replica left the read set because of its lag.
    Lagging { node: Arc<str> },
    /// A replica came (back) into the read set.
    CaughtUp { node: Arc<str> },
    /// A replica holds writes that a promotion has dropped. It has to be rebuilt.
    Diverged { node: Arc<str> },
}

impl Change {
    /// A short name, the same in metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::NewPrimary { .. } => "new_primary",
            Self::PrimaryLost { .. } => "primary_lost",
            Self::SplitBrain { .. } => "split_brain",
            Self::StalePrimary { .. } => "stale_primary",
            Self::Foreign { .. } => "foreign",
            Self::Down { .. } => "down",
            Self::Denied { .. } => "denied",
            Self::Up { .. } => "up",
            Self::Lagging { .. } => "lagging",
            Self::CaughtUp { .. } => "caught_up",
            Self::Diverged { .. } => "diverged",
        }
    }

    /// Whether somebody should look.
    pub(crate) fn is_alarming(&self) -> bool {
        !matches!(self, Self::NewPrimary { .. } | Self::Up { .. } | Self::CaughtUp { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewPrimary { node, timeline } => {
                write!(f, "{node} takes writes, on timeline {timeline}")
            }
            Self::PrimaryLost { node } => write!(f, "{node} takes no writes any more"),
            Self::SplitBrain { nodes, timeline } => {
                write!(f, "{} take writes on timeline {timeline}", nodes.join(" and "))
            }
            Self::StalePrimary { node, timeline } => {
                write!(f, "{node} takes writes on timeline {timeline}, which has ended")
            }
            Self::Foreign { node, system } => write!(f, "{node} belongs to system {system}"),
            Self::Down { node } => write!(f, "{node} does not answer"),
            Self::Denied { node } => write!(f, "{node} does not let us in"),
            Self::Up { node } => write!(f, "{node} answers again"),
            Self::Lagging { node } => write!(f, "{node} is too far behind to serve reads"),
            Self::CaughtUp { node } => write!(f, "{node} serves reads"),
            Self::Diverged { node } => {
                write!(f, "{node} holds writes that a promotion has dropped; rebuild it")
            }
        }
    }
}

/// Notes what a node's new state means to an operator.
pub(super) fn of_state(node: &Node, before: NodeState, changes: &mut Vec<Change>) {
    use NodeState::{
        Contender, Denied, Down, Foreign, Lagging, Primary, Replica, StalePrimary, Unknown,
    };
    let (name, now) = (|| Arc::clone(&node.traits.name), node.state);
    if before == now {
        return;
    }
    if matches!(before, Down | Denied) && !matches!(now, Down | Denied) {
        changes.push(Change::Up { node: name() });
    }
    match now {
        Down => changes.push(Change::Down { node: name() }),
        Denied => changes.push(Change::Denied { node: name() }),
        StalePrimary => {
            changes.push(Change::StalePrimary { node: name(), timeline: node.timeline() });
        }
        Foreign => {
            if let Some(system) = node.foreign() {
                changes.push(Change::Foreign { node: name(), system });
            }
        }
        Lagging if node.lag.diverged => changes.push(Change::Diverged { node: name() }),
        Lagging if before == Replica => changes.push(Change::Lagging { node: name() }),
        Replica if before == Lagging => changes.push(Change::CaughtUp { node: name() }),
        Lagging | Replica | Primary | Contender | Unknown => {}
    }
}
