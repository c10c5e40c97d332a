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
