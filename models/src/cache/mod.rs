//! Two processes that cache one key: reads, writes, a shared store, a bus, and what can go wrong.
//!
//! A state is everything at one moment; each action is one step of one participant, and steps of
//! different participants come in any order. There is no code of `terrace-cache` in it: it is the
//! design that is looked at, small enough to look at all of it. One key, one tag that every value
//! carries, and values that are numbered as they are written.

mod bus;
mod mutant;
mod node;
mod promise;
mod read;
mod scenes;
mod sights;
mod state;
mod store;
mod write;

use std::fmt;

use stateright::{Model, Property};

use self::promise::{Broken, Period};
use self::state::{Age, Message, Node, ReadStep, Store, Write};
use self::write::WriteStep;

pub use self::mutant::Mutant;
pub use self::promise::{ONE_RIGHT, OWN, QUIET, SHARED, TOLD};
pub use self::scenes::{scenes, wide};
pub use self::sights::SIGHTS;
pub use self::state::{Change, State};
pub use self::store::Lost;
pub use self::write::Kind;

/// Who does what, what can go wrong, and which safeguard is missing.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// What is written, each once and at any time: by which node, and how.
    pub writes: Vec<(usize, Kind)>,
    /// How many loads each node may have under way. There is no limit to how many follow each other.
    pub loads: [usize; 2],
    /// Whether readers join loads.
    pub joins: bool,
    /// Whether loads are given up at any point, so that nobody gives the lease back.
    pub crashes: bool,
    /// Whether leases end by themselves, at any time.
    pub expiry: bool,
    /// Whether messages are lost.
    pub loses_messages: bool,
    /// What the store may lose; one of these, once.
    pub loses: Vec<Lost>,
    /// Whether a period of `l1_max_age` is looked at.
    pub period: bool,
    /// Whether it is looked at what happens sometimes, which takes its time.
    pub sights: bool,
    /// What is left out.
    pub mutant: Option<Mutant>,
}

/// One step.
#[derive(Clone, PartialEq, Eq)]
pub struct Action(Step);

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Hit { node: usize },
    Begin { node: usize },
    Join { node: usize, load: usize },
    Read { node: usize, load: usize, step: ReadStep },
    GiveUp { node: usize, load: usize },
    Write { writer: usize, step: WriteStep },
    Deliver { to: usize, message: Message },
    Drop { to: usize, message: Message },
    Heartbeat { to: usize },
    LeaseEnds,
    StoreLoses(Lost),
    PeriodBegins,
    PeriodEnds,
}

impl Cache {
    /// The same with one safeguard less.
    #[must_use]
    pub fn without(&self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self.clone() }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn of_node(&self, state: &State, node: usize, steps: &mut Vec<Step>) {
        let Node { loads, incoming, heard, .. } = &state.nodes[node];
        let servable = state.nodes[node].servable(self).is_some();
        if servable {
            steps.push(Step::Hit { node });
        }
        if loads.len() < self.loads[node] {
            steps.push(Step::Begin { node });
        }
        let now = state.nodes[node].capture();
        for (at, load) in loads.iter().enumerate() {
            steps.push(Step::Read { node, load: at, step: load.next });
            let worth = (load.captured.floor, load.captured.epoch) == (now.floor, now.epoch)
                || self.is(Mutant::JoinsSuperseded);
            if self.joins && !servable && worth && load.joined.is_none() {
                steps.push(Step::Join { node, load: at });
            }
            if self.crashes {
                steps.push(Step::GiveUp { node, load: at });
            }
        }
        for message in incoming.iter().copied() {
            steps.push(Step::Deliver { to: node, message });
            if self.loses_messages {
                steps.push(Step::Drop { to: node, message });
            }
        }
        if state.nodes[1 - node].sent > *heard {
            steps.push(Step::Heartbeat { to: node });
        }
    }

    fn of_store(&self, state: &State, steps: &mut Vec<Step>) {
        if self.expiry && state.store.held.is_some() {
            steps.push(Step::LeaseEnds);
        }
        if !state.has_lost {
            steps.extend(self.loses.iter().map(|lost| Step::StoreLoses(*lost)));
        }
    }

    fn take(&self, state: &mut State, step: &Step) {
        match *step {
            Step::Hit { node } => state.hit(self, node),
            Step::Begin { node } => state.begin(node),
            Step::Join { node, load } => state.join(node, load),
            Step::Read { node, load, .. } => state.read(self, node, load),
            Step::GiveUp { node, load } => drop(state.nodes[node].loads.remove(load)),
            Step::Write { writer, .. } => state.write(self, writer),
            Step::Deliver { to, message } => state.deliver(self, to, message),
            Step::Drop { to, message } => state.drop_message(to, message),
            Step::Heartbeat { to } => state.heartbeat(self, to),
            Step::LeaseEnds => state.store.held = None,
            Step::StoreLoses(lost) => {
                state.has_lost = true;
                state.store.lose(self, lost);
            }
            Step::PeriodBegins => {
                state.promise.period = Period::Since(state.newest_acknowledged());
                state.grow_older(Age::New, Age::Old);
            }
            Step::PeriodEnds => {
                if let Period::Since(acknowledged) = state.promise.period {
                    for told in &mut state.promise.told {
                        *told = acknowledged.max(*told);
                    }
                }
                state.promise.period = Period::Ended;
                state.grow_older(Age::Old, Age::Over);
            }
        }
    }
}

impl Model for Cache {
    type State = State;
    type Action = Action;

    /// Nothing anywhere; or the store has the value and its tag.
    fn init_states(&self) -> Vec<State> {
        let cold = State {
            source: 0,
            nodes: <[Node; 2]>::default(),
            store: Store::default(),
            writes: self.writes.iter().map(|(node, kind)| Write::new(*node, *kind)).collect(),
            promise: promise::Promise::default(),
            has_lost: false,
        };
        let mut warm = cold.clone();
        warm.store.shared = Some(state::Shared { value: 0, epoch: 0, tag: 0 });
        warm.store.tag = Some(0);
        vec![cold, warm]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.promise.broken.is_some() {
            return;
        }
        let mut steps = Vec::new();
        for (writer, write) in state.writes.iter().enumerate() {
            steps.extend(write.next(self).map(|step| Step::Write { writer, step }));
        }
        self.of_node(state, 0, &mut steps);
        self.of_node(state, 1, &mut steps);
        self.of_store(state, &mut steps);
        match state.promise.period {
            Period::NotYet if self.period => steps.push(Step::PeriodBegins),
            Period::Since(_) => steps.push(Step::PeriodEnds),
            _ => {}
        }
        actions.extend(steps.into_iter().map(Action));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.take(&mut state, &action.0);
        state.settle(self);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(OWN, |_, state: &State| state.promise.broken != Some(Broken::Own)),
            Property::always(SHARED, |_, state: &State| {
                state.promise.broken != Some(Broken::Shared)
            }),
            Property::always(TOLD, |_, state: &State| state.promise.broken != Some(Broken::Told)),
            Property::always(ONE_RIGHT, |_, state: &State| state.rights() <= 1),
            Property::always(QUIET, |model, state: &State| state.is_sound(model)),
        ];
        if self.sights {
            let sights = SIGHTS.into_iter();
            properties.extend(sights.map(|(name, seen)| Property::sometimes(name, seen)));
        }
        properties
    }
}
