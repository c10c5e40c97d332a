//! Recorded histories, and checkers that say whether a store could have answered so.
//!
//! A test's processes record what they asked and what came back; a checker takes the whole
//! [`History`] afterwards. Nothing in here does I/O, knows a store, or takes time or chance from
//! anywhere: the same history gives the same report.
//!
//! | promise | checker |
//! |---|---|
//! | every key behaves like one register, though many ask at once | [`register::check`] |
//! | a session reads its own writes and never goes backwards | [`session::check`] |
//! | lists only grow, keep what was acknowledged, and transactions do not circle | [`append::check`] |
//! | money is neither made nor lost | [`bank::check`] |
//! | what was acknowledged is stored, once | [`durability::audit`] |
//!
//! The order of events is a counter under a lock, not a clock: an operation that began after
//! another had ended has the higher number, whatever the clocks of the machine say.
//!
//! An operation without an answer stays [`Outcome::Unknown`] and open for ever: it may have taken
//! effect, may do so later, or never. Dropping a [`Pending`] is such an end, so a cancelled future
//! records the truth by itself.
//!
//! # Examples
//!
//! ```
//! use terrace_testkit::history::History;
//! use terrace_testkit::history::register::{self, Call, Stored};
//!
//! let history = History::new();
//! let write = history.invoke(1, Call::Write { key: 7, value: 10 });
//! write.ok(Some(Stored { value: 10, version: 1 }));
//! let read = history.invoke(2, Call::Read { key: 7 });
//! read.ok(None); // too old: the write had been acknowledged
//! let report = register::check(&history.ops());
//! assert!(!report.is_ok());
//! println!("{report}");
//! ```

pub mod append;
pub mod bank;
pub mod durability;
mod graph;
pub mod register;
pub mod session;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where an operation stands that no answer came back for: after everything.
pub const OPEN: u64 = u64::MAX;

/// What became of an operation, as far as its caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<R> {
    /// It was answered: it took effect between its beginning and its end.
    Ok(R),
    /// It certainly had no effect, neither then nor later.
    Failed,
    /// Nobody knows: it may have taken effect at any time since it began, or never.
    Unknown,
}

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op<C, R> {
    /// Its place in the history, counted from 0 in the order of beginnings.
    pub index: usize,
    /// Who asked. Checkers of sessions take it as the session.
    pub process: u32,
    /// What was asked.
    pub call: C,
    /// When it began, in events of the history.
    pub began: u64,
    /// When it ended, in events of the history; [`OPEN`] while the outcome is unknown.
    pub ended: u64,
    /// What came back.
    pub outcome: Outcome<R>,
}

impl<C, R> Op<C, R> {
    /// The answer, if there was one.
    pub fn answer(&self) -> Option<&R> {
        match &self.outcome {
            Outcome::Ok(answer) => Some(answer),
            Outcome::Failed | Outcome::Unknown => None,
        }
    }

    /// Whether it was answered.
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }

    /// Whether it certainly had no effect.
    pub fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed)
    }

    /// Whether nobody knows if it had an effect.
    pub fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Unknown)
    }
}

impl<C: fmt::Display, R: fmt::Debug> fmt::Display for Op<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} [{}", self.index, self.began)?;
        match self.ended {
            OPEN => f.write_str("..]")?,
            ended => write!(f, "..{ended}]")?,
        }
        write!(f, " process {}: {} -> ", self.process, self.call)?;
        match &self.outcome {
            Outcome::Ok(answer) => write!(f, "{answer:?}"),
            Outcome::Failed => f.write_str("failed"),
            Outcome::Unknown => f.write_str("unknown"),
        }
    }
}

/// Records what many processes asked and what came back.
///
/// # Clone
///
/// Clones record into the same history.
#[derive(Debug)]
pub struct History<C, R> {
    log: Arc<Mutex<Log<C, R>>>,
}

#[derive(Debug)]
struct Log<C, R> {
    /// Events so far: beginnings and ends.
    events: u64,
    ops: Vec<Op<C, R>>,
}

impl<C, R> Log<C, R> {
    fn tick(&mut self) -> u64 {
        let now = self.events;
        self.events += 1;
        now
    }
}

impl<C, R> Clone for History<C, R> {
    fn clone(&self) -> Self {
        History { log: Arc::clone(&self.log) }
    }
}

impl<C, R> Default for History<C, R> {
    fn default() -> Self {
        History::new()
    }
}

impl<C, R> History<C, R> {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        History { log: Arc::new(Mutex::new(Log { events: 0, ops: Vec::new() })) }
    }

    /// Notes that `process` is about to ask `call`: to be said before the request leaves.
    pub fn invoke(&self, process: u32, call: C) -> Pending<C, R> {
        let mut log = self.lock();
        let began = log.tick();
        let index = log.ops.len();
        let outcome = Outcome::Unknown;
        log.ops.push(Op { index, process, call, began, ended: OPEN, outcome });
        Pending { log: Arc::clone(&self.log), index }
    }

    /// How many operations have begun.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().ops.len()
    }

    /// Whether nothing was recorded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Log<C, R>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clone, R: Clone> History<C, R> {
    /// Everything recorded so far, in the order of beginnings; what is still open is unknown.
    #[must_use]
    pub fn ops(&self) -> Vec<Op<C, R>> {
        self.lock().ops.clone()
    }
}

/// An operation that has begun.
///
/// Dropped without a word its outcome is unknown.
#[derive(Debug)]
#[must_use = "an operation without an end counts as unknown"]
pub struct Pending<C, R> {
    log: Arc<Mutex<Log<C, R>>>,
    index: usize,
}

impl<C, R> Pending<C, R> {
    /// It was answered.
    pub fn ok(self, answer: R) {
        self.end(Outcome::Ok(answer));
    }

    /// It certainly had no effect: it was refused, or never sent.
    pub fn fail(self) {
        self.end(Outcome::Failed);
    }

    /// Nobody knows what became of it.
    pub fn unknown(self) {
        drop(self);
    }

    /// The operation's place in the history.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    fn end(self, outcome: Outcome<R>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = log.tick();
        if let Some(op) = log.ops.get_mut(self.index) {
            op.ended = ended;
            op.outcome = outcome;
        }
    }
}

/// Writes one line an item under a heading; nothing for no items, and the first `most` of many.
pub(crate) fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    items: &[T],
    most: usize,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n{heading} ({}):", items.len())?;
    for item in items.iter().take(most) {
        write!(f, "\n  {item}")?;
    }
    match items.len().saturating_sub(most) {
        0 => Ok(()),
        more => write!(f, "\n  and {more} more"),
    }
}
