//! Does a session read its own writes, and never go backwards?
//!
//! Versions are ordered per key by the primary: each write carries the number it got there (a
//! counter in the row). A read must return at least the highest version that its session had
//! written or read on the key before the read began; operations of one session that overlap owe
//! each other nothing. A version that comes back with another value means that two histories of
//! the key exist: a write was lost and its number given out again.
//!
//! After a failover with asynchronous replication writes may be lost. Those that the pool reports
//! as lost are excused: they bind nobody. A write that is lost without such a report is not.

use super::Op;
use super::register::{Call, RegisterOp};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Which guarantee a read broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// The session had written a later version.
    ReadYourWrites,
    /// The session had read a later version.
    MonotonicReads,
    /// The session knew this version with another value.
    AnotherValue,
}

/// A read that its session had a right not to get.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Which guarantee was broken.
    pub broken: Broken,
    /// The read.
    pub read: RegisterOp,
    /// The operation of the same session that had shown more.
    pub known: RegisterOp,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = match self.broken {
            Broken::ReadYourWrites => "did not read its own write",
            Broken::MonotonicReads => "went backwards",
            Broken::AnotherValue => "read another value of one version",
        };
        write!(f, "session {} {broken}: {}\n    after {}", self.read.process, self.read, self.known)
    }
}

/// What [`check`] found.
#[derive(Clone, Debug, Default)]
pub struct SessionReport {
    /// How many sessions there were.
    pub sessions: usize,
    /// How many reads were looked at.
    pub reads: usize,
    /// How many of these had something to live up to: an earlier write or read of their session.
    pub bound: usize,
    /// Every guarantee that a read broke.
    pub breaches: Vec<Breach>,
}

impl SessionReport {
    /// Whether every read kept both guarantees.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.breaches.is_empty()
    }

    /// How many reads broke `broken`.
    #[must_use]
    pub fn count(&self, broken: Broken) -> usize {
        self.breaches.iter().filter(|breach| breach.broken == broken).count()
    }
}

impl fmt::Display for SessionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sessions: {} reads of {} sessions, ", self.reads, self.sessions)?;
        write!(f, "{} of them bound, {} breaches", self.bound, self.breaches.len())?;
        super::list(f, "breaches", &self.breaches, 5)
    }
}

/// Checks every session; a process is a session.
#[must_use]
pub fn check(ops: &[RegisterOp]) -> SessionReport {
    check_but(ops, &HashSet::new())
}

/// As [`check`], where the writes of the values in `lost` bind nobody: `(key, value)` of writes
/// that were reported as lost.
#[must_use]
pub fn check_but(ops: &[RegisterOp], lost: &HashSet<(u64, u64)>) -> SessionReport {
    let mut report = SessionReport::default();
    let mut sessions: BTreeMap<(u32, u64), Vec<&RegisterOp>> = BTreeMap::new();
    for op in ops.iter().filter(|op| op.is_ok()) {
        sessions.entry((op.process, op.call.key())).or_default().push(op);
    }
    report.sessions = ops.iter().map(|op| op.process).collect::<HashSet<_>>().len();
    for ((_, key), ops) in sessions {
        check_session(&ops, |value| lost.contains(&(key, value)), &mut report);
    }
    report.breaches.sort_by_key(|breach| breach.read.index);
    report
}

fn check_session(ops: &[&RegisterOp], lost: impl Fn(u64) -> bool, report: &mut SessionReport) {
    let mut events: Vec<(u64, bool, &RegisterOp)> = Vec::with_capacity(ops.len() * 2);
    for op in ops {
        events.push((op.began, false, op));
        events.push((op.ended, true, op));
    }
    events.sort_by_key(|&(at, _, _)| at);
    let mut known = Known::default();
    // What bound a read when it began.
    let mut floors: HashMap<usize, Known<'_>> = HashMap::new();
    for (_, ends, op) in events {
        let read = matches!(op.call, Call::Read { .. });
        if !ends {
            if read {
                floors.insert(op.index, known.clone());
            }
            continue;
        }
        if read {
            report.reads += 1;
            let floor = floors.remove(&op.index).unwrap_or_default();
            report.bound += usize::from(floor.highest().is_some());
            report.breaches.extend(floor.breaches(op));
        }
        if let Some(stored) = stored(op)
            && !lost(stored.value)
        {
            known.learn(op, read);
        }
    }
}

fn stored(op: &RegisterOp) -> Option<super::register::Stored> {
    op.answer().copied().flatten()
}

fn version(op: &RegisterOp) -> u64 {
    stored(op).map_or(0, |stored| stored.version)
}

/// The latest versions of one key that a session has written and read.
#[derive(Clone, Default)]
struct Known<'a> {
    written: Option<&'a RegisterOp>,
    read: Option<&'a RegisterOp>,
}

impl<'a> Known<'a> {
    fn learn(&mut self, op: &'a RegisterOp, read: bool) {
        let known = if read { &mut self.read } else { &mut self.written };
        if known.is_none_or(|known| version(op) > version(known)) {
            *known = Some(op);
        }
    }

    fn highest(&self) -> Option<&'a RegisterOp> {
        self.written.into_iter().chain(self.read).max_by_key(|op| version(op))
    }

    /// What a read has broken: up to one of each guarantee.
    fn breaches(&self, read: &RegisterOp) -> Vec<Breach> {
        let got = version(read);
        let later = |known: &Option<&'a RegisterOp>| known.filter(|known| version(known) > got);
        let other = self.written.into_iter().chain(self.read).find(|known| {
            version(known) == got && stored(known).map(|s| s.value) != stored(read).map(|s| s.value)
        });
        let found = [
            (Broken::ReadYourWrites, later(&self.written)),
            (Broken::MonotonicReads, later(&self.read)),
            (Broken::AnotherValue, other),
        ];
        let breach = |(broken, known): (Broken, Option<&RegisterOp>)| {
            Some(Breach { broken, read: read.clone(), known: Op::clone(known?) })
        };
        found.into_iter().filter_map(breach).collect()
    }
}
