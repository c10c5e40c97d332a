use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::config::PoolConfig;
use super::node::Member;
use super::patience::Ticks;
use crate::backend::Backend;
use crate::cluster::{Cluster, NodeState, View, Writable};
use crate::memory::Memory;
use crate::position::SystemId;
use crate::telemetry::Telemetry;

/// What all clones of a pool share.
pub(crate) struct Shared<B: Backend> {
    pub(crate) backend: Arc<B>,
    pub(crate) config: PoolConfig,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) telemetry: Telemetry,
    belief: Mutex<Belief<B>>,
    snapshot: ArcSwap<Snapshot<B>>,
    /// Counts published snapshots, for those who wait for a better one.
    published: watch::Sender<u64>,
    /// Those who wait, for a connection or for a primary.
    pub(crate) waiting: Arc<Semaphore>,
    /// Reads that are on the primary for want of a replica.
    pub(crate) fallback: Arc<Semaphore>,
    memory: Option<Arc<Memory>>,
    pub(crate) ticks: Ticks,
    chance: AtomicU64,
}

/// What changes as nodes come, go and speak.
pub(crate) struct Belief<B: Backend> {
    pub(crate) cluster: Cluster,
    /// In the order of their ids, as in a view.
    pub(crate) members: Vec<Arc<Member<B>>>,
    pub(crate) monitors: Vec<(crate::cluster::NodeId, AbortHandle)>,
    pub(crate) next_id: u32,
    remembered: Option<(SystemId, u32)>,
}

/// A belief as of one moment, with the nodes it speaks of: `members[i]` is `view.nodes[i]`.
pub(crate) struct Snapshot<B: Backend> {
    pub(crate) view: View,
    pub(crate) members: Vec<Arc<Member<B>>>,
}

impl<B: Backend> Shared<B> {
    pub(crate) fn new(
        backend: Arc<B>,
        config: PoolConfig,
        zone: Option<Arc<str>>,
        cluster: Cluster,
        memory: Option<Arc<Memory>>,
        seed: u64,
        telemetry: Telemetry,
    ) -> Self {
        let now = Instant::now();
        let primary_reads = config.primary_reads.unwrap_or(config.connections.div_ceil(2));
        let remembered = cluster.remember();
        Self {
            backend,
            zone,
            telemetry,
            snapshot: ArcSwap::from_pointee(Snapshot {
                view: cluster.view(now),
                members: Vec::new(),
            }),
            belief: Mutex::new(Belief {
                cluster,
                members: Vec::new(),
                monitors: Vec::new(),
                next_id: 0,
                remembered,
            }),
            published: watch::Sender::new(0),
            waiting: Arc::new(Semaphore::new(config.max_waiting)),
            fallback: Arc::new(Semaphore::new(primary_reads)),
            memory,
            ticks: Ticks::start(),
            chance: AtomicU64::new(seed),
            config,
        }
    }

    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot<B>>> {
        self.snapshot.load()
    }

    pub(crate) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    pub(crate) fn belief(&self) -> MutexGuard<'_, Belief<B>> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next of a sequence of well-mixed numbers (SplitMix64).
    pub(crate) fn draw(&self) -> u64 {
        let mut z = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The same sequence, for those who outlive a borrow.
    pub(crate) fn draws(self: &Arc<Self>) -> Arc<dyn Fn() -> u64 + Send + Sync> {
        let shared = Arc::downgrade(self);
        Arc::new(move || shared.upgrade().map_or(0, |shared| shared.draw()))
    }

    /// Changes the belief and publishes what follows from it, at once and in order.
    pub(crate) fn learn(&self, change: impl FnOnce(&mut Belief<B>)) {
        let mut belief = self.belief();
        change(&mut belief);
        let now = Instant::now();
        let view = belief.cluster.view(now);
        for change in belief.cluster.changes() {
            self.telemetry.changed(&change);
        }
        let old = self.snapshot.load_full();
        let members = belief.members.clone();
        let orphaned = view.writable == Writable::Nobody;
        let primary_lost = orphaned && old.view.writable != Writable::Nobody;
        for (node, member) in view.nodes.iter().zip(&members) {
            let before = old.view.nodes.iter().find(|other| other.id == node.id);
            if lost(before.map(|node| node.state), node.state) {
                member.evict();
            }
            // Without a primary, every node's next answer may be the one that writes wait for.
            if primary_lost {
                member.wake.notify_one();
            }
        }
        self.telemetry.published(&view);
        self.snapshot.store(Arc::new(Snapshot { view, members }));
        self.published.send_modify(|count| *count += 1);

        let remember = belief.cluster.remember();
        if remember != belief.remembered {
            belief.remembered = remember;
            if let (Some(memory), Some((system, timeline))) = (&self.memory, remember) {
                let (memory, telemetry) = (Arc::clone(memory), self.telemetry.clone());
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = memory.save(system, timeline) {
                        telemetry.not_remembered(&error);
                    }
                });
            }
        }
    }
}

/// Whether a node's connections are worth nothing after this change.
fn lost(before: Option<NodeState>, now: NodeState) -> bool {
    let usable =
        |state| matches!(state, NodeState::Primary | NodeState::Replica | NodeState::Lagging);
    match before {
        // A primary's connections for writing must not survive its demotion.
        Some(NodeState::Primary) => now != NodeState::Primary,
        Some(before) => usable(before) && !usable(now),
        None => false,
    }
}
