use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) const NODES: usize = 2;
pub(crate) const KEYS: usize = 4;

/// What has been written, what was acknowledged of it, and to whom, and whether a read was right.
#[derive(Clone, Debug)]
pub(crate) struct Checker(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    max_age: Duration,
    source: [u64; KEYS],
    /// What a read that starts now on this node must have at least.
    floors: [[u64; KEYS]; NODES],
    /// What was acknowledged, when, and on which key.
    acknowledged: Vec<(Instant, u64, u64)>,
    reads: u64,
    faults: Vec<String>,
}

/// A read that has started.
pub(crate) struct Started {
    node: usize,
    key: u64,
    floor: u64,
    when: Instant,
}

impl Checker {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            max_age,
            source: [1; KEYS],
            floors: [[1; KEYS]; NODES],
            acknowledged: Vec::new(),
            reads: 0,
            faults: Vec::new(),
        })))
    }

    pub(crate) fn value(&self, key: u64) -> u64 {
        self.with(|state| state.source[at(key)])
    }

    /// Changes the source. The value is the key's next.
    pub(crate) fn change(&self, key: u64) -> u64 {
        self.with(|state| {
            state.source[at(key)] += 1;
            state.source[at(key)]
        })
    }

    /// A write was acknowledged on a node; `all` know of it.
    pub(crate) fn acknowledge(&self, node: usize, written: &[(u64, u64)], all: bool) {
        self.with(|state| {
            let now = Instant::now();
            for (key, value) in written.iter().copied() {
                state.acknowledged.push((now, key, value));
                for (other, floors) in state.floors.iter_mut().enumerate() {
                    if all || other == node {
                        floors[at(key)] = floors[at(key)].max(value);
                    }
                }
            }
        });
    }

    /// Delivers what waits: from now on everybody knows what was acknowledged before.
    pub(crate) fn deliver(&self, deliver: impl FnOnce()) {
        let known = self.with(|state| state.floors);
        deliver();
        self.with(|state| {
            for floors in &mut state.floors {
                for (key, floor) in floors.iter_mut().enumerate() {
                    let most = known.iter().map(|node| node[key]).max();
                    *floor = most.map_or(*floor, |most| most.max(*floor));
                }
            }
        });
    }

    pub(crate) fn start(&self, node: usize, key: u64) -> Started {
        self.with(|state| {
            let when = Instant::now();
            let old = state.acknowledged.iter().filter(|(then, written, _)| {
                *written == key && when.saturating_duration_since(*then) > state.max_age
            });
            let old = old.map(|(.., value)| *value).max().unwrap_or_default();
            Started { node, key, floor: state.floors[node][at(key)].max(old), when }
        })
    }

    pub(crate) fn end(&self, started: &Started, value: u64, how: &str) {
        let Started { node, key, floor, when } = started;
        self.with(|state| {
            state.reads += 1;
            if value < *floor || value > state.source[at(*key)] {
                state.faults.push(format!(
                    "a read of {key} on node {node}, from {when:?}, got {value} ({how}), not {floor}"
                ));
            }
        });
    }

    /// How many reads were looked at, and what was wrong.
    pub(crate) fn verdict(&self) -> (u64, Vec<String>) {
        self.with(|state| (state.reads, state.faults.clone()))
    }

    fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        step(&mut self.0.lock().unwrap())
    }
}

fn at(key: u64) -> usize {
    usize::try_from(key).unwrap()
}
