//! Is each key one register, though many processes ask at once? Linearizability by search.
//!
//! Every operation must have taken effect at one instant between its beginning and its end, so that
//! each read returns what was written last. The search (Wing and Gong, with Lowe's memo) keeps the
//! set of all states the register may be in: its value, and which of the open operations have
//! already taken effect. When an operation ends, states in which it has not yet taken effect are
//! moved on through every order of the open ones; when no state is left, that operation is the
//! offence.
//!
//! Written values are unique within a key. That makes three things cheap: a read names its writer;
//! a write with an unknown outcome that nobody has read can be forgotten, since nothing depends on
//! it; and one that was read took effect before the end of the first such read, so that nothing
//! stays open for ever and the search stays narrow.

use super::{OPEN, Op, Outcome};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// How many operations on one key may be open at once before the search gives up.
pub const MOST_OPEN: usize = 128;
/// How many states of one key the search holds before it gives up.
pub const MOST_STATES: usize = 500_000;
/// How many operations a report shows around an offence.
const WINDOW: usize = 12;

/// What was asked of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// What does `key` hold?
    Read {
        /// Which register.
        key: u64,
    },
    /// Make `key` hold `value`, which no other write of this key uses.
    Write {
        /// Which register.
        key: u64,
        /// What to hold.
        value: u64,
    },
}

impl Call {
    /// Which register it is about.
    #[must_use]
    pub fn key(&self) -> u64 {
        match *self {
            Call::Read { key } | Call::Write { key, .. } => key,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Read { key } => write!(f, "read {key}"),
            Call::Write { key, value } => write!(f, "write {key} = {value}"),
        }
    }
}

/// What a register holds, as an answer told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The value.
    pub value: u64,
    /// Its number in the primary's order of the key's writes; only [`session`](super::session)
    /// looks at it.
    pub version: u64,
}

/// An answer: what was read (`None`: never written), or what has been written.
pub type Answer = Option<Stored>;

/// An operation on a register.
pub type RegisterOp = Op<Call, Answer>;

/// Why a key is no register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// Two writes of one key have this value: the test is wrong, not the store.
    NotUnique(u64),
    /// A read returned a value that nobody had asked to write.
    OutOfThinAir(u64),
    /// A read returned the value of a write that had failed.
    FailedWriteSeen(u64),
    /// No order of the operations explains the answer.
    NotLinearizable,
}

/// A key that is no register.
#[derive(Clone, Debug)]
pub struct Offence {
    /// The key.
    pub key: u64,
    /// What is wrong with it.
    pub anomaly: Anomaly,
    /// The operation at which it became wrong.
    pub at: RegisterOp,
    /// Operations around it, in the order of beginnings.
    pub window: Vec<RegisterOp>,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: ", self.key)?;
        match self.anomaly {
            Anomaly::NotUnique(value) => write!(f, "two writes of value {value}")?,
            Anomaly::OutOfThinAir(value) => write!(f, "value {value} was never written")?,
            Anomaly::FailedWriteSeen(value) => write!(f, "the write of {value} had failed")?,
            Anomaly::NotLinearizable => f.write_str("no order explains the answer")?,
        }
        write!(f, "\n  at {}", self.at)?;
        for op in &self.window {
            write!(f, "\n     {op}")?;
        }
        Ok(())
    }
}

/// What [`check`] found.
#[derive(Clone, Debug, Default)]
pub struct RegisterReport {
    /// How many keys were looked at.
    pub keys: usize,
    /// How many operations were looked at.
    pub ops: usize,
    /// At most one offence a key.
    pub offences: Vec<Offence>,
    /// Keys on which too much was open at once for the search.
    pub undecided: Vec<u64>,
}

impl RegisterReport {
    /// Whether every key is decided, and a register.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.offences.is_empty() && self.undecided.is_empty()
    }
}

impl fmt::Display for RegisterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registers: {} operations on {} keys, ", self.ops, self.keys)?;
        write!(f, "{} offences, {} undecided", self.offences.len(), self.undecided.len())?;
        super::list(f, "not linearizable", &self.offences, 5)?;
        super::list(f, "undecided keys", &self.undecided, 10)
    }
}

/// Checks every key on its own: a history of registers is linearizable if each of them is.
#[must_use]
pub fn check(ops: &[RegisterOp]) -> RegisterReport {
    let mut keys: BTreeMap<u64, Vec<&RegisterOp>> = BTreeMap::new();
    for op in ops {
        keys.entry(op.call.key()).or_default().push(op);
    }
    let mut report =
        RegisterReport { keys: keys.len(), ops: ops.len(), ..RegisterReport::default() };
    for (key, ops) in keys {
        match check_key(&ops) {
            Verdict::Register => {}
            Verdict::Undecided => report.undecided.push(key),
            Verdict::Offence(anomaly, at) => report.offences.push(Offence {
                key,
                anomaly,
                at: at.clone(),
                window: window(&ops, at),
            }),
        }
    }
    report
}

enum Verdict<'a> {
    Register,
    Undecided,
    Offence(Anomaly, &'a RegisterOp),
}

/// An operation as the search sees it.
struct Step<'a> {
    op: &'a RegisterOp,
    effect: Effect,
    began: u64,
    ended: u64,
}

#[derive(Clone, Copy)]
enum Effect {
    Read(Option<u64>),
    Write(u64),
}

fn check_key<'a>(ops: &[&'a RegisterOp]) -> Verdict<'a> {
    match steps(ops) {
        Ok(steps) => search(&steps),
        Err((anomaly, at)) => Verdict::Offence(anomaly, at),
    }
}

/// The operations that the search must explain, or what is wrong without any search.
fn steps<'a>(ops: &[&'a RegisterOp]) -> Result<Vec<Step<'a>>, (Anomaly, &'a RegisterOp)> {
    let mut writes: HashMap<u64, &RegisterOp> = HashMap::new();
    for &op in ops {
        if let Call::Write { value, .. } = op.call
            && writes.insert(value, op).is_some()
        {
            return Err((Anomaly::NotUnique(value), op));
        }
    }
    let mut first_seen: HashMap<u64, u64> = HashMap::new();
    let mut steps = Vec::with_capacity(ops.len());
    for &op in ops {
        let (Call::Read { .. }, Outcome::Ok(answer)) = (op.call, &op.outcome) else { continue };
        let value = answer.map(|stored| stored.value);
        if let Some(value) = value {
            match writes.get(&value) {
                None => return Err((Anomaly::OutOfThinAir(value), op)),
                Some(write) if write.is_failed() => {
                    return Err((Anomaly::FailedWriteSeen(value), op));
                }
                Some(_) => {}
            }
            let seen = first_seen.entry(value).or_insert(OPEN);
            *seen = op.ended.min(*seen);
        }
        let effect = Effect::Read(value);
        steps.push(Step { op, effect, began: op.began, ended: op.ended });
    }
    for &op in ops {
        let Call::Write { value, .. } = op.call else { continue };
        let ended = match op.outcome {
            Outcome::Failed => continue,
            Outcome::Ok(_) => op.ended,
            // Nothing depends on a write that nobody saw; one that was seen had its effect before
            // the end of the first read that saw it.
            Outcome::Unknown => match first_seen.get(&value) {
                None => continue,
                Some(&seen) if seen < op.began => return Err((Anomaly::NotLinearizable, op)),
                Some(&seen) => seen,
            },
        };
        steps.push(Step { op, effect: Effect::Write(value), began: op.began, ended });
    }
    Ok(steps)
}

/// What the register may be like: its value, and which open operations have taken effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    value: Option<u64>,
    done: u128,
}

/// The operations that have begun and not yet ended, each with a bit of [`State::done`].
struct Open {
    slots: Vec<Option<Effect>>,
}

impl Open {
    /// A bit for `effect`; none when too much is open.
    fn enter(&mut self, effect: Effect) -> Option<usize> {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(effect);
        (free < MOST_OPEN).then_some(free)
    }

    /// Lets every open read take effect that returns the state's value: a read changes nothing, so
    /// the earliest fitting instant is as good as any.
    fn settle(&self, mut state: State) -> State {
        for (slot, effect) in self.slots.iter().enumerate() {
            if let Some(Effect::Read(value)) = effect
                && *value == state.value
            {
                state.done |= 1 << slot;
            }
        }
        state
    }

    /// Every state that one more write leads to.
    fn writes(&self, state: State) -> impl Iterator<Item = State> + '_ {
        self.slots.iter().enumerate().filter_map(move |(slot, effect)| match effect {
            Some(Effect::Write(value)) if state.done & (1 << slot) == 0 => {
                let done = state.done | (1 << slot);
                Some(self.settle(State { value: Some(*value), done }))
            }
            _ => None,
        })
    }
}

fn search<'a>(steps: &[Step<'a>]) -> Verdict<'a> {
    // (when, ends, step). Only an unknown write and the first read that saw it share an end, and
    // either order of these is right, since both have begun.
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(steps.len() * 2);
    for (at, step) in steps.iter().enumerate() {
        events.push((step.began, false, at));
        events.push((step.ended, true, at));
    }
    events.sort_unstable();
    let mut open = Open { slots: Vec::new() };
    let mut slots: HashMap<usize, usize> = HashMap::new();
    let mut states = HashSet::from([State { value: None, done: 0 }]);
    for (_, ends, at) in events {
        if !ends {
            let Some(slot) = open.enter(steps[at].effect) else { return Verdict::Undecided };
            slots.insert(at, slot);
            if let Effect::Read(_) = steps[at].effect {
                states = states.into_iter().map(|state| open.settle(state)).collect();
            }
            continue;
        }
        let Some(slot) = slots.remove(&at) else { continue };
        let Some(reached) = reach(&open, states, 1 << slot) else { return Verdict::Undecided };
        if reached.is_empty() {
            return Verdict::Offence(Anomaly::NotLinearizable, steps[at].op);
        }
        open.slots[slot] = None;
        states = reached
            .into_iter()
            .map(|state| State { done: state.done & !(1 << slot), ..state })
            .collect();
    }
    Verdict::Register
}

/// Every state with `bit` done that `states` lead to by letting open writes take effect; none when
/// there are too many on the way.
fn reach(open: &Open, states: HashSet<State>, bit: u128) -> Option<HashSet<State>> {
    let mut reached = HashSet::new();
    let mut seen = states.clone();
    let mut todo: Vec<State> = states.into_iter().collect();
    while let Some(state) = todo.pop() {
        if state.done & bit != 0 {
            reached.insert(state);
            continue;
        }
        for next in open.writes(state) {
            if seen.insert(next) {
                todo.push(next);
            }
        }
        if seen.len() > MOST_STATES {
            return None;
        }
    }
    Some(reached)
}

/// Operations of the key that overlap `at`, or wrote what it read, or ended shortly before it.
fn window(ops: &[&RegisterOp], at: &RegisterOp) -> Vec<RegisterOp> {
    let read = at.answer().copied().flatten().map(|stored| stored.value);
    let wrote =
        |op: &RegisterOp| matches!(op.call, Call::Write { value, .. } if Some(value) == read);
    let mut near: Vec<&RegisterOp> =
        ops.iter().copied().filter(|op| op.index != at.index && !op.is_failed()).collect();
    near.sort_by_key(|op| {
        let overlaps = op.began <= at.ended && op.ended >= at.began && op.ended != OPEN;
        let apart = at.began.abs_diff(op.ended.min(at.began.max(op.began)));
        (!wrote(op), !overlaps, apart)
    });
    near.truncate(WINDOW);
    near.sort_by_key(|op| op.began);
    near.into_iter().cloned().collect()
}
