//! What was promised to whom. No step of the design looks at this.

use super::Cache;
use super::state::{Load, Origin, State, Value};

/// What readers may rely on so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Promise {
    /// The newest write whose invalidation each node has acknowledged.
    pub(super) acknowledged: [Value; 2],
    /// The newest write of the other of which each node was told, in one way or another.
    pub(super) told: [Value; 2],
    /// The newest write that each message of a node is about.
    pub(super) published: [Vec<Value>; 2],
    pub(super) period: Period,
    pub(super) broken: Option<Broken>,
}

/// One period of `l1_max_age`, long or short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Period {
    #[default]
    NotYet,
    /// What had been acknowledged when it began.
    Since(Value),
    Ended,
}

/// What a reader is owed at least, as of when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owed {
    own: Value,
    told: Value,
    shared: Value,
}

/// Which promise a reader was given less than.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Broken {
    Own,
    Shared,
    Told,
}

/// After an acknowledged invalidation no reader of the same process gets what is older.
pub const OWN: &str = "own: what a node has invalidated, its later readers do not get";
/// After an acknowledged invalidation no reader at all gets what is older from the store.
pub const SHARED: &str =
    "shared: what anybody has invalidated, no later reader gets from the store";
/// After the message, the gap, the heartbeat or `l1_max_age` no reader of another process does.
pub const TOLD: &str = "told: what a node was told of, its later readers do not get";
/// Of all who load a key, at most one may fill the store.
pub const ONE_RIGHT: &str = "one right: at most one load may fill the store";
/// When nothing goes on any more, no level serves what is older than the source.
pub const QUIET: &str = "quiet: when nothing goes on, nothing older than the source is kept";

impl State {
    /// What a reader is owed that comes to this node now.
    pub(super) fn owed(&self, node: usize) -> Owed {
        let Promise { acknowledged, told, .. } = &self.promise;
        Owed { own: acknowledged[node], told: told[node], shared: self.newest_acknowledged() }
    }

    pub(super) fn newest_acknowledged(&self) -> Value {
        self.promise.acknowledged.into_iter().max().unwrap_or_default()
    }

    /// A node learns of everything that the other has published up to this message.
    pub(super) fn tell(&mut self, node: usize, number: u8) {
        let published = &self.promise.published[1 - node];
        let newest = number.checked_sub(1).and_then(|at| published.get(usize::from(at)));
        self.promise.told[node] = self.promise.told[node].max(newest.copied().unwrap_or_default());
    }

    /// A reader gets a value.
    pub(super) fn serve(&mut self, value: Value, from: Option<Origin>, owed: Owed) {
        let broken = if value < owed.own {
            Broken::Own
        } else if from == Some(Origin::Store) && value < owed.shared {
            Broken::Shared
        } else if value < owed.told {
            Broken::Told
        } else {
            return;
        };
        self.promise.broken.get_or_insert(broken);
    }

    pub(super) fn loads(&self) -> impl Iterator<Item = &Load> {
        self.nodes.iter().flat_map(|node| &node.loads)
    }

    /// How many loads the store would let fill the key now.
    pub(super) fn rights(&self) -> usize {
        let leases = self.loads().filter_map(|load| load.lease.as_ref());
        leases.filter(|lease| self.store.is_held(lease)).count()
    }

    /// Whether every write is over, no load is under way, and every node was told of everything.
    fn is_quiet(&self, model: &Cache) -> bool {
        let [first, second] = &self.promise.published;
        let heard = |node: usize, published: &[Value]| {
            published.last().is_none_or(|newest| self.promise.told[node] >= *newest)
        };
        self.writes.iter().all(|write| write.next(model).is_none())
            && self.nodes.iter().all(|node| node.loads.is_empty() && node.incoming.is_empty())
            && heard(1, first)
            && heard(0, second)
    }

    pub(super) fn is_sound(&self, model: &Cache) -> bool {
        let in_memory = self.nodes.iter().filter_map(|node| node.servable(model));
        let shared = self.store.servable(model).map(|shared| shared.value);
        !self.is_quiet(model)
            || in_memory.map(|entry| entry.value).chain(shared).all(|value| value >= self.source)
    }
}
