//! Looks at every state a model can come to, nearest first.

use std::collections::BTreeMap;
use std::hash::Hash;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// What was found.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How many different states were come to.
    pub states: usize,
    /// What must always hold and did not, each with the steps of a shortest way there.
    pub broken: BTreeMap<&'static str, Vec<String>>,
    /// What must happen sometimes and did not.
    pub never: Vec<&'static str>,
}

/// Looks at every state of a model, or until something that must always hold is broken.
///
/// One thread, breadth first, so that two runs find the same.
#[must_use]
pub fn explore<M>(model: &M) -> Explored
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + std::fmt::Debug + PartialEq,
{
    let mut explored = explore_within(model, None);
    // The checker looks at 1500 states at a time, and remembers the last way of those that it has
    // found and not the first.
    let nearest = |explored: &Explored| explored.broken.values().map(Vec::len).min();
    let mut steps = nearest(&explored);
    while let Some(nearer) = steps.and_then(|steps| nearest(&explore_within(model, Some(steps)))) {
        steps = Some(nearer);
    }
    if let Some(steps) = steps {
        explored.broken = explore_within(model, Some(steps + 1)).broken;
    }
    explored
}

/// Looks at the states that are fewer steps away than this.
fn explore_within<M>(model: &M, steps: Option<usize>) -> Explored
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + std::fmt::Debug + PartialEq,
{
    let mut checker = model.clone().checker().finish_when(HasDiscoveries::AnyFailures);
    if let Some(steps) = steps {
        // The first state counts as the first step, and what is as far as this is not looked at.
        checker = checker.target_max_depth(steps + 1);
    }
    let checker = checker.spawn_bfs().join();
    let mut found = checker.discoveries();
    let mut explored = Explored {
        states: checker.unique_state_count(),
        broken: BTreeMap::new(),
        never: Vec::new(),
    };
    for property in model.properties() {
        match (property.expectation, found.remove(property.name)) {
            (Expectation::Sometimes, None) => explored.never.push(property.name),
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                let actions = path.into_actions();
                let steps = actions.iter().map(|action| model.format_action(action)).collect();
                explored.broken.insert(property.name, steps);
            }
            _ => {}
        }
    }
    explored
}
