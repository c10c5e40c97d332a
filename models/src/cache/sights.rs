//! What must happen somewhere: a model in which it cannot would keep its promises too easily.

use super::state::{Captured, Change, Load, Node, Origin, ReadStep, State};
use super::{Cache, Kind};

/// By name, how to tell it in a state.
type Sight = (&'static str, fn(&Cache, &State) -> bool);

/// All of them. Not each can happen in every scene.
pub const SIGHTS: [Sight; 8] = [
    ("memory serves what came from the store", |model, state| {
        let mut entries = state.nodes.iter().filter_map(|node| node.servable(model));
        entries.any(|entry| entry.from == Origin::Store)
    }),
    ("a lease is lost before the fill", |_, state| {
        let lost = |load: &Load| load.lease.is_some_and(|lease| !state.store.is_held(&lease));
        state.loads().any(|load| matches!(load.next, ReadStep::Fill { .. }) && lost(load))
    }),
    ("a load finds the lease taken", |_, state| {
        state.loads().any(|load| load.next == ReadStep::ReadSource && load.lease.is_none())
    }),
    ("a tag is bumped between the lease and the fill", |_, state| {
        state.loads().any(|load| matches!(load.next, ReadStep::Release(_)))
    }),
    ("two writers at once have no right to fill", |_, state| {
        let leases = state.writes.iter().filter_map(|write| write.lease.as_ref());
        leases.filter(|lease| !state.store.is_held(lease)).count() == 2
    }),
    ("a message may overtake another", |_, state| {
        state.nodes.iter().any(|node| node.incoming.len() > 1)
    }),
    ("a gap is noticed during a load", |model, state| {
        let clears = |(_, kind): &(usize, Kind)| *kind == Kind::Invalidate(Change::Clear);
        let moved = |node: &Node, captured: &Captured| captured.epoch != node.epoch;
        !model.writes.iter().any(clears)
            && state
                .nodes
                .iter()
                .any(|node| node.loads.iter().any(|load| moved(node, &load.captured)))
    }),
    ("a reader waits for a load that is superseded", |_, state| {
        let joined =
            |node: &Node, load: &Load| load.joined.is_some() && !node.is_unmoved(&load.captured);
        state.nodes.iter().any(|node| node.loads.iter().any(|load| joined(node, load)))
    }),
];
