//! A right store, simulated, under processes that interleave by chance.

use crate::history::append::{self, Lists, Step};
use crate::history::bank::{self, Balances, Books};
use crate::history::register::{self, Stored};
use crate::history::{History, Op, Pending};
use fastrand::Rng;
use std::collections::BTreeMap;

pub(super) const PROCESSES: u32 = 5;
const KEYS: u64 = 3;

/// A store: makes calls up, and takes each at one instant.
pub(super) trait Store {
    type Call: Clone;
    type Answer: Clone;
    fn ask(&mut self, rng: &mut Rng) -> Self::Call;
    /// `None`: declined, without effect.
    fn take(&mut self, rng: &mut Rng, process: u32, call: &Self::Call) -> Option<Self::Answer>;
}

enum Phase<S: Store> {
    Idle,
    Asked(S::Call, Pending<S::Call, S::Answer>),
    Taken(Option<S::Answer>, Pending<S::Call, S::Answer>),
}

/// Runs `steps` steps of chance. Some answers are lost, some requests fail, and some whose caller
/// has given up are taken much later.
pub(super) fn run<S: Store>(
    store: &mut S,
    rng: &mut Rng,
    steps: usize,
) -> Vec<Op<S::Call, S::Answer>> {
    let history = History::new();
    let mut phases: Vec<Phase<S>> = (0..PROCESSES).map(|_| Phase::Idle).collect();
    let mut late: Vec<(u32, S::Call)> = Vec::new();
    for _ in 0..steps {
        if !late.is_empty() && rng.u8(..10) == 0 {
            let (process, call) = late.swap_remove(rng.usize(..late.len()));
            store.take(rng, process, &call);
        }
        let process = rng.u32(..PROCESSES);
        let phase = &mut phases[process as usize];
        *phase = match (std::mem::replace(phase, Phase::Idle), rng.u8(..40)) {
            (Phase::Idle, _) => {
                let call = store.ask(rng);
                Phase::Asked(call.clone(), history.invoke(process, call))
            }
            (Phase::Asked(call, pending), 0) => {
                pending.unknown();
                late.push((process, call));
                Phase::Idle
            }
            (Phase::Asked(_, pending), 1) => {
                pending.fail();
                Phase::Idle
            }
            (Phase::Asked(call, pending), _) => {
                Phase::Taken(store.take(rng, process, &call), pending)
            }
            (Phase::Taken(_, pending), 0) => {
                pending.unknown();
                Phase::Idle
            }
            (Phase::Taken(answer, pending), _) => {
                match answer {
                    Some(answer) => pending.ok(answer),
                    None => pending.fail(),
                }
                Phase::Idle
            }
        };
    }
    history.ops()
}

/// A primary with replicas that apply its writes late. Linearizable when every read goes to the
/// primary.
pub(super) struct Registers {
    next: u64,
    log: Vec<(u64, Stored)>,
    /// How much of the log each node has applied.
    applied: Vec<usize>,
    /// What each session has seen, as a length of the log.
    tokens: Option<BTreeMap<u32, usize>>,
}

impl Registers {
    pub(super) fn new(replicas: usize, tokens: bool) -> Registers {
        let tokens = tokens.then(BTreeMap::new);
        Registers { next: 1, log: Vec::new(), applied: vec![0; replicas], tokens }
    }
}

impl Store for Registers {
    type Call = register::Call;
    type Answer = register::Answer;

    fn ask(&mut self, rng: &mut Rng) -> register::Call {
        let key = rng.u64(..KEYS);
        if rng.bool() {
            return register::Call::Read { key };
        }
        self.next += 1;
        register::Call::Write { key, value: self.next }
    }

    fn take(
        &mut self,
        rng: &mut Rng,
        process: u32,
        call: &register::Call,
    ) -> Option<register::Answer> {
        for applied in &mut self.applied {
            if rng.u8(..16) == 0 {
                *applied = rng.usize(*applied..=self.log.len());
            }
        }
        let key = call.key();
        let floor = self.tokens.as_ref().and_then(|tokens| tokens.get(&process)).copied();
        let at = match call {
            register::Call::Write { value, .. } => {
                let version = self.log.iter().filter(|(k, _)| *k == key).count() as u64 + 1;
                self.log.push((key, Stored { value: *value, version }));
                self.log.len()
            }
            register::Call::Read { .. } => {
                let fresh = |at: &usize| *at >= floor.unwrap_or(0);
                let fit: Vec<usize> = self.applied.iter().copied().filter(fresh).collect();
                rng.choice(fit).unwrap_or(self.log.len())
            }
        };
        if let Some(tokens) = &mut self.tokens {
            let token = tokens.entry(process).or_default();
            *token = at.max(*token);
        }
        Some(self.log[..at].iter().rev().find(|(k, _)| *k == key).map(|&(_, stored)| stored))
    }
}

/// Lists under serial transactions.
#[derive(Default)]
pub(super) struct ListStore {
    next: u64,
    pub(super) lists: Lists,
}

impl Store for ListStore {
    type Call = append::Call;
    type Answer = append::Answer;

    fn ask(&mut self, rng: &mut Rng) -> append::Call {
        let step = |_| {
            let key = rng.u64(..KEYS);
            self.next += 1;
            if rng.bool() { Step::Read { key } } else { Step::Append { key, element: self.next } }
        };
        append::Call((0..3).map(step).collect())
    }

    fn take(&mut self, _: &mut Rng, _: u32, call: &append::Call) -> Option<append::Answer> {
        let mut reads = Vec::new();
        for step in &call.0 {
            match *step {
                Step::Append { key, element } => self.lists.entry(key).or_default().push(element),
                Step::Read { key } => reads.push(self.lists.get(&key).cloned().unwrap_or_default()),
            }
        }
        Some(reads)
    }
}

/// Accounts that begin with 100 each.
pub(super) struct Bank {
    next: u64,
    pub(super) books: Books,
}

impl Bank {
    pub(super) fn opening() -> Balances {
        (0..KEYS).map(|account| (account, 100)).collect()
    }

    pub(super) fn new() -> Bank {
        Bank { next: 0, books: Books { balances: Bank::opening(), transfers: Vec::new() } }
    }
}

impl Store for Bank {
    type Call = bank::Call;
    type Answer = bank::Answer;

    fn ask(&mut self, rng: &mut Rng) -> bank::Call {
        if rng.u8(..3) == 0 {
            return bank::Call::Audit;
        }
        self.next += 1;
        let (from, to) = (rng.u64(..KEYS), rng.u64(..KEYS));
        bank::Call::Transfer { id: self.next, from, to, amount: rng.i64(1..60) }
    }

    fn take(&mut self, _: &mut Rng, _: u32, call: &bank::Call) -> Option<bank::Answer> {
        let bank::Call::Transfer { id, from, to, amount } = *call else {
            return Some(bank::Answer::Balances(self.books.balances.clone()));
        };
        if self.books.balances.get(&from).is_none_or(|&balance| balance < amount) {
            return None;
        }
        *self.books.balances.entry(from).or_default() -= amount;
        *self.books.balances.entry(to).or_default() += amount;
        self.books.transfers.push(id);
        Some(bank::Answer::Moved)
    }
}
