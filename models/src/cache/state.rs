//! Everything that a step can see or change.

use super::Cache;
use super::mutant::Mutant;
use super::promise::{Owed, Promise};
use super::write::Kind;

/// Which value: how many writes had been committed before it was.
pub(super) type Value = u8;

/// Two processes, what they share, and what was promised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The database, which is always right.
    pub(super) source: Value,
    pub(super) nodes: [Node; 2],
    pub(super) store: Store,
    pub(super) writes: Vec<Write>,
    pub(super) promise: Promise,
    /// Whether the store has lost something already.
    pub(super) has_lost: bool,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Its first level.
    pub(super) entry: Option<Entry>,
    pub(super) floor: u8,
    pub(super) epoch: u8,
    /// The number of the last bump of a tag. With one tag it is the tag's version as well.
    pub(super) sequence: u8,
    pub(super) loads: Vec<Load>,
    /// How many messages it has published.
    pub(super) sent: u8,
    /// The number of the last message of the other that it knows of.
    pub(super) heard: u8,
    /// On their way to it, in the order in which they were sent.
    pub(super) incoming: Vec<Message>,
}

/// A value in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) epoch: u8,
    pub(super) tag: u8,
    pub(super) from: Origin,
    pub(super) age: Age,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Origin {
    Source,
    Store,
}

/// How old something is beside the period of `l1_max_age` that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Age {
    /// Not there yet when the period began.
    New,
    /// There when the period began.
    Old,
    /// There when a period began that has ended.
    Over,
}

/// What a load knew before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Captured {
    pub(super) floor: u8,
    pub(super) epoch: u8,
    pub(super) sequence: u8,
}

/// A read that has found nothing in memory, between two of its steps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Load {
    pub(super) next: ReadStep,
    pub(super) captured: Captured,
    pub(super) lease: Option<Lease>,
    pub(super) age: Age,
    /// What it may be given.
    pub(super) owed: Owed,
    /// A reader that came later and waits for it.
    pub(super) joined: Option<(Captured, Owed)>,
}

/// What a read does next. Each is one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ReadStep {
    Fetch,
    CompareTags(Shared),
    TakeLease {
        seen: Option<Shared>,
    },
    ReadSource,
    HoldTags(Value),
    Fill {
        value: Value,
        tag: i8,
    },
    Release(Value),
    Keep {
        value: Value,
        from: Origin,
    },
    /// Only where the check and the insert are two steps.
    Insert {
        value: Value,
        from: Origin,
        stamp: Captured,
    },
}

/// A value at the second level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shared {
    pub(super) value: Value,
    pub(super) epoch: i8,
    pub(super) tag: i8,
}

/// The second level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) shared: Option<Shared>,
    pub(super) held: Option<Held>,
    pub(super) epoch: i8,
    /// The number of the last bump of a tag.
    pub(super) sequence: i8,
    /// Where this count of bumps began.
    pub(super) first: i8,
    /// The tag's version.
    pub(super) tag: Option<i8>,
    /// Whether the next token is the first one once more, and not one that nobody knows.
    pub(super) starts_again: bool,
}

/// What the store remembers of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) token: u8,
    pub(super) writer: bool,
}

/// What the holder of a lease remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lease {
    pub(super) token: u8,
    pub(super) epoch: i8,
    pub(super) sequence: i8,
}

/// A write, between two of its steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    /// Where it is made.
    pub(super) node: usize,
    pub(super) kind: Kind,
    /// How many of its steps are done.
    pub(super) done: usize,
    /// What it has written.
    pub(super) value: Value,
    pub(super) captured: Option<Captured>,
    pub(super) age: Age,
    pub(super) lease: Option<Lease>,
    /// The version of its tag.
    pub(super) tag: Option<i8>,
    pub(super) refused: bool,
}

/// What a write invalidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The key.
    Key,
    /// The tag that its value carries.
    Tag,
    /// Everything.
    Clear,
}

/// One message between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) number: u8,
    pub(super) change: Change,
}

impl State {
    /// Lease tokens that somebody still knows.
    fn tokens(&self) -> impl Iterator<Item = u8> {
        let loads = self.nodes.iter().flat_map(|node| &node.loads);
        let leases = loads
            .filter_map(|load| load.lease.as_ref())
            .chain(self.writes.iter().filter_map(|write| write.lease.as_ref()));
        leases.map(|lease| lease.token).chain(self.store.held.map(|held| held.token))
    }

    /// One that nobody knows. A random one is like that.
    pub(super) fn fresh_token(&self) -> u8 {
        (0..u8::MAX).find(|token| self.tokens().all(|known| known != *token)).unwrap_or(u8::MAX)
    }

    /// Gives the same name to states in which the same can happen. Versions in memory are only
    /// compared with what was captured of them, so they are counted from the lowest of those; what
    /// is not current never becomes so again; and the loads of a node have no order.
    pub(super) fn settle(&mut self, model: &Cache) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            let stays = |entry: &Entry| node.is_current(entry) || model.is(Mutant::NoStampCheck);
            node.entry = node.entry.filter(|entry| entry.age != Age::Over && stays(entry));
            let writes = self.writes.iter_mut().filter(|write| write.node == at);
            node.count_from_lowest(writes.filter_map(|write| write.captured.as_mut()));
            node.loads.sort_unstable();
        }
    }

    /// Whoever is of one age is of another now.
    pub(super) fn grow_older(&mut self, from: Age, to: Age) {
        let nodes = self.nodes.iter_mut().flat_map(|node| {
            let entry = node.entry.as_mut().map(|entry| &mut entry.age);
            entry.into_iter().chain(node.loads.iter_mut().map(|load| &mut load.age))
        });
        let writes = self.writes.iter_mut().filter(|write| write.captured.is_some());
        for age in nodes.chain(writes.map(|write| &mut write.age)).filter(|age| **age == from) {
            *age = to;
        }
    }
}

impl Node {
    pub(super) fn is_current(&self, entry: &Entry) -> bool {
        (entry.epoch, entry.tag) == (self.epoch, self.sequence)
    }

    fn count_from_lowest<'a>(&'a mut self, written: impl Iterator<Item = &'a mut Captured>) {
        let mut now = Captured { floor: self.floor, epoch: self.epoch, sequence: self.sequence };
        let mut stamp = self.entry.as_mut().map(|entry| Captured {
            floor: now.floor,
            epoch: entry.epoch,
            sequence: entry.tag,
        });
        let mut known: Vec<&mut Captured> = written.collect();
        for load in &mut self.loads {
            known.push(&mut load.captured);
            known.extend(load.joined.as_mut().map(|(captured, _)| captured));
            if let ReadStep::Insert { stamp, .. } = &mut load.next {
                known.push(stamp);
            }
        }
        known.push(&mut now);
        known.extend(stamp.as_mut());
        let lowest = |part: fn(&Captured) -> u8| known.iter().map(|captured| part(captured)).min();
        let floor = lowest(|captured| captured.floor).unwrap_or_default();
        let epoch = lowest(|captured| captured.epoch).unwrap_or_default();
        let sequence = lowest(|captured| captured.sequence).unwrap_or_default();
        for captured in known {
            captured.floor -= floor;
            captured.epoch -= epoch;
            captured.sequence -= sequence;
        }
        (self.floor, self.epoch, self.sequence) = (now.floor, now.epoch, now.sequence);
        if let (Some(entry), Some(stamp)) = (&mut self.entry, stamp) {
            (entry.epoch, entry.tag) = (stamp.epoch, stamp.sequence);
        }
    }
}
