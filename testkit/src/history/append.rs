//! Do lists only grow, keep what was acknowledged, and do transactions not circle?
//!
//! An operation is a transaction: some appends and some reads of whole lists. Elements are unique
//! within a key. When all is quiet every list is read once more, and that final list is the order
//! of its appends: every read must be a prefix of it. From that order come the edges between
//! transactions: who appended next after whom (`ww`), and who read whose element last (`wr`). A
//! cycle of `ww` edges is Adya's G0, one with `wr` edges is G1c: no isolation from read committed
//! upwards allows either.

use super::durability::{self, DurabilityReport};
use super::graph::Graph;
use super::{Op, Outcome};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// One step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put `element` at the end of the list of `key`.
    Append {
        /// Which list.
        key: u64,
        /// What to append: unique within the key.
        element: u64,
    },
    /// Read the list of `key`.
    Read {
        /// Which list.
        key: u64,
    },
}

/// A transaction: its steps in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call(pub Vec<Step>);

impl Call {
    /// A transaction that appends one element.
    #[must_use]
    pub fn append(key: u64, element: u64) -> Call {
        Call(vec![Step::Append { key, element }])
    }

    /// A transaction that reads one list.
    #[must_use]
    pub fn read(key: u64) -> Call {
        Call(vec![Step::Read { key }])
    }

    fn appends(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().filter_map(|step| match *step {
            Step::Append { key, element } => Some((key, element)),
            Step::Read { .. } => None,
        })
    }

    fn reads(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().filter_map(|step| match *step {
            Step::Read { key } => Some(key),
            Step::Append { .. } => None,
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { ", " } else { "" })?;
            match step {
                Step::Append { key, element } => write!(f, "append {element} to {key}")?,
                Step::Read { key } => write!(f, "read {key}")?,
            }
        }
        Ok(())
    }
}

/// What a transaction's reads returned, in their order.
pub type Answer = Vec<Vec<u64>>;

/// A transaction on lists.
pub type ListOp = Op<Call, Answer>;

/// What is wrong with lists, beside what [`AppendReport::elements`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// Two appends to one key have this element: the test is wrong, not the store.
    NotUnique {
        /// The key.
        key: u64,
        /// The element.
        element: u64,
    },
    /// A read is no prefix of the final list.
    NotPrefix {
        /// The reading transaction, by its place in the history.
        reader: usize,
        /// The key.
        key: u64,
        /// The first place where they differ.
        at: usize,
    },
    /// A read saw an element of a transaction that had failed (G1a).
    FailedAppendSeen {
        /// The reading transaction, by its place in the history.
        reader: usize,
        /// The key.
        key: u64,
        /// The element.
        element: u64,
    },
    /// A read saw some of another transaction's appends to one key, and not the rest (G1b).
    HalfSeen {
        /// The reading transaction, by its place in the history.
        reader: usize,
        /// The key.
        key: u64,
        /// The transaction whose appends it saw in part.
        writer: usize,
    },
    /// Transactions that wrote over each other in a circle (G0).
    WriteCycle(Vec<usize>),
    /// Transactions that read and wrote in a circle (G1c).
    ReadCycle(Vec<usize>),
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anomaly::NotUnique { key, element } => {
                write!(f, "key {key}: two appends of element {element}")
            }
            Anomaly::NotPrefix { reader, key, at } => {
                write!(f, "#{reader}: key {key} is no prefix of the final list, from place {at}")
            }
            Anomaly::FailedAppendSeen { reader, key, element } => {
                write!(f, "#{reader}: key {key} shows {element}, whose append had failed (G1a)")
            }
            Anomaly::HalfSeen { reader, key, writer } => {
                write!(f, "#{reader}: key {key} shows only a part of transaction #{writer} (G1b)")
            }
            Anomaly::WriteCycle(ops) => write!(f, "writes in a circle (G0): {ops:?}"),
            Anomaly::ReadCycle(ops) => write!(f, "reads and writes in a circle (G1c): {ops:?}"),
        }
    }
}

/// What [`check`] found.
#[derive(Clone, Debug)]
pub struct AppendReport {
    /// How many transactions were looked at.
    pub transactions: usize,
    /// How many lists were read by them.
    pub reads: usize,
    /// What is wrong.
    pub anomalies: Vec<Anomaly>,
    /// Appended elements beside those in the final lists, by key; only keys with a fault.
    pub elements: BTreeMap<u64, DurabilityReport>,
}

impl AppendReport {
    /// Whether the lists are right and every acknowledged element is stored once.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.anomalies.is_empty() && self.elements.is_empty()
    }
}

impl fmt::Display for AppendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lists: {} transactions, {} reads, ", self.transactions, self.reads)?;
        write!(f, "{} anomalies, ", self.anomalies.len())?;
        write!(f, "{} keys with lost or strange elements", self.elements.len())?;
        super::list(f, "anomalies", &self.anomalies, 10)?;
        for (key, elements) in self.elements.iter().take(5) {
            write!(f, "\nkey {key}: {elements}")?;
        }
        Ok(())
    }
}

/// The final lists by key, read when all is quiet.
pub type Lists = BTreeMap<u64, Vec<u64>>;

/// Checks a history of transactions against the final lists.
#[must_use]
pub fn check(ops: &[ListOp], finals: &Lists) -> AppendReport {
    let mut anomalies = Vec::new();
    let writers = writers(ops, &mut anomalies);
    let mut reads = 0;
    for op in ops {
        let Outcome::Ok(lists) = &op.outcome else { continue };
        for (key, list) in op.call.reads().zip(lists) {
            reads += 1;
            let read = Read { reader: op, key, list };
            read.check(finals.get(&key).map_or(&[], Vec::as_slice), &writers, &mut anomalies);
        }
    }
    anomalies.extend(cycles(ops, finals, &writers));
    AppendReport { transactions: ops.len(), reads, anomalies, elements: elements(ops, finals) }
}

/// Which transaction appended an element to a key.
type Writers<'a> = HashMap<(u64, u64), &'a ListOp>;

fn writers<'a>(ops: &'a [ListOp], found: &mut Vec<Anomaly>) -> Writers<'a> {
    let mut writers = Writers::new();
    for op in ops {
        for (key, element) in op.call.appends() {
            if writers.insert((key, element), op).is_some() {
                found.push(Anomaly::NotUnique { key, element });
            }
        }
    }
    writers
}

/// One list that a transaction read.
struct Read<'a> {
    reader: &'a ListOp,
    key: u64,
    list: &'a [u64],
}

impl Read<'_> {
    fn check(&self, last: &[u64], writers: &Writers<'_>, found: &mut Vec<Anomaly>) {
        let (reader, key) = (self.reader.index, self.key);
        let failed = self.list.iter().find(|&&element| {
            writers.get(&(key, element)).is_some_and(|writer| writer.is_failed())
        });
        if let Some(&element) = failed {
            found.push(Anomaly::FailedAppendSeen { reader, key, element });
        }
        let same = self.list.iter().zip(last).take_while(|(a, b)| a == b).count();
        if same < self.list.len() {
            found.push(Anomaly::NotPrefix { reader, key, at: same });
        }
        let Some(writer) = self.list.last().and_then(|&element| writers.get(&(key, element)))
        else {
            return;
        };
        let seen: HashSet<u64> = self.list.iter().copied().collect();
        let whole = writer.call.appends().all(|(k, element)| k != key || seen.contains(&element));
        if writer.index != reader && !whole {
            found.push(Anomaly::HalfSeen { reader, key, writer: writer.index });
        }
    }
}

fn cycles(ops: &[ListOp], finals: &Lists, writers: &Writers<'_>) -> Vec<Anomaly> {
    let writer = |key: u64, element: u64| writers.get(&(key, element)).map(|op| op.index);
    let mut graph = Graph::default();
    for (&key, list) in finals {
        for pair in list.windows(2) {
            if let (Some(from), Some(to)) = (writer(key, pair[0]), writer(key, pair[1])) {
                graph.edge(from, to);
            }
        }
    }
    let writes = graph.cycles();
    for op in ops {
        let Outcome::Ok(lists) = &op.outcome else { continue };
        for (key, list) in op.call.reads().zip(lists) {
            if let Some(from) = list.last().and_then(|&element| writer(key, element)) {
                graph.edge(from, op.index);
            }
        }
    }
    if !writes.is_empty() {
        return writes.into_iter().map(Anomaly::WriteCycle).collect();
    }
    graph.cycles().into_iter().map(Anomaly::ReadCycle).collect()
}

/// The elements of each key beside its final list, where they do not agree.
fn elements(ops: &[ListOp], finals: &Lists) -> BTreeMap<u64, DurabilityReport> {
    let mut appends: BTreeMap<u64, Vec<Op<u64, ()>>> = BTreeMap::new();
    for &key in finals.keys() {
        appends.entry(key).or_default();
    }
    for op in ops {
        for (key, element) in op.call.appends() {
            let outcome = match op.outcome {
                Outcome::Ok(_) => Outcome::Ok(()),
                Outcome::Failed => Outcome::Failed,
                Outcome::Unknown => Outcome::Unknown,
            };
            let &Op { index, process, began, ended, .. } = op;
            let append = Op { index, process, call: element, began, ended, outcome };
            appends.entry(key).or_default().push(append);
        }
    }
    appends
        .into_iter()
        .map(|(key, appends)| {
            let list = finals.get(&key).map_or(&[][..], Vec::as_slice);
            (key, durability::audit(&appends, |&element| Some(element), list))
        })
        .filter(|(_, report)| !report.is_ok())
        .collect()
}
