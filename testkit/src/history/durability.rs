//! Is what was acknowledged stored, once, and nothing else?
//!
//! `acknowledged <= stored <= acknowledged + unknown`: every acknowledged write is there exactly
//! once, every write without an answer once or not at all, and a refused one never. Each write
//! carries an id of its own, and the store is read in full when all is quiet.

use super::{Op, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What [`audit`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DurabilityReport {
    /// How many writes were acknowledged.
    pub acknowledged: usize,
    /// How many different ids are stored.
    pub stored: usize,
    /// Acknowledged and not stored.
    pub lost: Vec<u64>,
    /// Stored more than once.
    pub doubled: Vec<u64>,
    /// Refused, and stored all the same.
    pub refused_but_stored: Vec<u64>,
    /// Stored, though nobody asked for it.
    pub strangers: Vec<u64>,
    /// Without an answer, and stored.
    pub unknown_applied: Vec<u64>,
    /// Without an answer, and not stored.
    pub unknown_absent: Vec<u64>,
}

impl DurabilityReport {
    /// Whether nothing is lost, doubled, or stored without right.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.lost.is_empty() && self.is_exact()
    }

    /// Whether nothing is doubled or stored without right, though writes may be lost.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.doubled.is_empty() && self.refused_but_stored.is_empty() && self.strangers.is_empty()
    }
}

impl fmt::Display for DurabilityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (applied, absent) = (self.unknown_applied.len(), self.unknown_absent.len());
        write!(f, "durability: {} acknowledged, {} stored, ", self.acknowledged, self.stored)?;
        write!(f, "{} lost, unknown: {applied} applied and {absent} not", self.lost.len())?;
        super::list(f, "acknowledged and lost", &self.lost, 20)?;
        super::list(f, "stored more than once", &self.doubled, 20)?;
        super::list(f, "refused but stored", &self.refused_but_stored, 20)?;
        super::list(f, "stored but never asked for", &self.strangers, 20)
    }
}

/// Compares the writes of a history with what is stored; `id` names an operation's write, and is
/// `None` for what writes nothing.
pub fn audit<C, R>(
    ops: &[Op<C, R>],
    id: impl Fn(&C) -> Option<u64>,
    stored: &[u64],
) -> DurabilityReport {
    let mut copies: BTreeMap<u64, usize> = BTreeMap::new();
    for &id in stored {
        *copies.entry(id).or_default() += 1;
    }
    let mut report = DurabilityReport { stored: copies.len(), ..DurabilityReport::default() };
    // One write asked for several times (a retry after a refusal) is what its best outcome says.
    let mut asked: BTreeMap<u64, Fate> = BTreeMap::new();
    for op in ops {
        let Some(id) = id(&op.call) else { continue };
        let fate = match op.outcome {
            Outcome::Ok(_) => Fate::Acknowledged,
            Outcome::Unknown => Fate::Unknown,
            Outcome::Failed => Fate::Refused,
        };
        asked.entry(id).and_modify(|best| *best = fate.max(*best)).or_insert(fate);
    }
    for (&id, fate) in &asked {
        let there = copies.contains_key(&id);
        match (fate, there) {
            (Fate::Acknowledged, false) => report.lost.push(id),
            (Fate::Refused, true) => report.refused_but_stored.push(id),
            (Fate::Unknown, true) => report.unknown_applied.push(id),
            (Fate::Unknown, false) => report.unknown_absent.push(id),
            (Fate::Acknowledged, true) | (Fate::Refused, false) => {}
        }
        report.acknowledged += usize::from(*fate == Fate::Acknowledged);
    }
    report.doubled = copies.iter().filter(|&(_, &n)| n > 1).map(|(&id, _)| id).collect();
    let asked: BTreeSet<u64> = asked.into_keys().collect();
    report.strangers = copies.into_keys().filter(|id| !asked.contains(id)).collect();
    report
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Refused,
    Unknown,
    Acknowledged,
}
