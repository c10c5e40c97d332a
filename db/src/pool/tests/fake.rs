//! A database in memory with nodes that replicate, lag, freeze, die and are promoted.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::backend::{Access, Backend, Fault, Observation, Role};
use crate::cluster::{Fork, History};
use crate::position::{Position, SystemId};

/// How long any answer takes.
const LATENCY: Duration = Duration::from_micros(500);

/// Nodes named by their place: the first is the primary, the others follow it.
#[derive(Clone)]
pub(super) struct World(Arc<Inner>);

struct Inner {
    nodes: Mutex<Vec<Machine>>,
    /// Something has changed.
    changed: Notify,
}

pub(super) const NAMES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];

#[derive(Clone)]
struct Machine {
    system: SystemId,
    primary: bool,
    timeline: u32,
    forks: Vec<Fork>,
    /// What it has written or received. The position of a row is its number, from 1.
    log: Vec<Row>,
    /// Rows that can be read here; a replica's never goes back while it runs.
    shown: usize,
    delay: Duration,
    paused: bool,
    /// Receives nothing.
    cut: bool,
    up: bool,
    frozen: bool,
    denies: bool,
    starts: u64,
    /// The answers to this many more writes get lost, after they were carried out.
    mute: usize,
    connects: usize,
    exchanges: usize,
    /// Connections that are open.
    pub(super) open: usize,
}

#[derive(Clone, Copy)]
struct Row {
    key: u32,
    value: u64,
    at: Instant,
}

impl Machine {
    fn visible(&mut self, now: Instant) -> usize {
        if self.primary {
            self.shown = self.log.len();
        } else if !self.paused {
            let due = self.log.iter().take_while(|row| row.at + self.delay <= now).count();
            self.shown = self.shown.max(due);
        }
        self.shown
    }
}

impl World {
    pub(super) fn new(nodes: usize) -> Self {
        let machine = |primary| Machine {
            system: SystemId(77),
            primary,
            timeline: 1,
            forks: Vec::new(),
            log: Vec::new(),
            shown: 0,
            delay: Duration::ZERO,
            paused: false,
            cut: false,
            up: true,
            frozen: false,
            denies: false,
            starts: 1,
            mute: 0,
            connects: 0,
            exchanges: 0,
            open: 0,
        };
        let nodes = (0..nodes).map(|place| machine(place == 0)).collect();
        Self(Arc::new(Inner { nodes: Mutex::new(nodes), changed: Notify::new() }))
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        NAMES[..self.lock().len()].to_vec()
    }

    pub(super) fn backend(&self) -> Fake {
        Fake { world: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Machine>> {
        self.0.nodes.lock().unwrap()
    }

    fn change(&self, node: usize, change: impl FnOnce(&mut Machine)) {
        change(&mut self.lock()[node]);
        self.0.changed.notify_waiters();
    }

    /// Ends it, with all its connections.
    pub(super) fn kill(&self, node: usize) {
        self.change(node, |n| n.up = false);
    }

    pub(super) fn restart(&self, node: usize) {
        self.change(node, |n| {
            n.up = true;
            n.starts += 1;
        });
    }

    /// As if stopped by a signal: it takes connections and bytes, and does not answer.
    pub(super) fn freeze(&self, node: usize) {
        self.change(node, |n| n.frozen = true);
    }

    pub(super) fn thaw(&self, node: usize) {
        self.change(node, |n| n.frozen = false);
    }

    pub(super) fn delay(&self, node: usize, delay: Duration) {
        self.change(node, |n| n.delay = delay);
    }

    pub(super) fn pause(&self, node: usize, paused: bool) {
        self.change(node, |n| n.paused = paused);
    }

    /// Stops receiving.
    pub(super) fn cut(&self, node: usize, cut: bool) {
        self.change(node, |n| n.cut = cut);
    }

    pub(super) fn deny(&self, node: usize) {
        self.change(node, |n| n.denies = true);
    }

    pub(super) fn foreign(&self, node: usize) {
        self.change(node, |n| n.system = SystemId(78));
    }

    /// Loses the answers to the next writes.
    pub(super) fn mute(&self, node: usize, writes: usize) {
        self.change(node, |n| n.mute = writes);
    }

    /// It is a replica from now on, and tells nobody.
    pub(super) fn demote(&self, node: usize) {
        self.change(node, |n| n.primary = false);
    }

    /// It is a primary from now on, on a new timeline, unless it is said to stay on its own.
    pub(super) fn promote(&self, node: usize, new_timeline: bool) {
        self.change(node, |n| {
            n.primary = true;
            if new_timeline {
                let offset = n.log.len() as u64;
                n.forks.push(Fork { timeline: n.timeline, offset });
                n.timeline += 1;
            }
        });
    }

    /// It becomes a copy of another, and follows it.
    pub(super) fn follow(&self, node: usize, primary: usize) {
        let source = self.lock()[primary].clone();
        self.change(node, |n| {
            n.primary = false;
            n.timeline = source.timeline;
            n.forks = source.forks;
            n.log = source.log;
            n.shown = n.log.len();
            n.starts += 1;
            n.up = true;
        });
    }

    /// What is written on a node.
    pub(super) fn values(&self, node: usize, key: u32) -> Vec<u64> {
        let nodes = self.lock();
        nodes[node].log.iter().filter(|row| row.key == key).map(|row| row.value).collect()
    }

    pub(super) fn connects(&self, node: usize) -> usize {
        self.lock()[node].connects
    }

    pub(super) fn exchanges(&self, node: usize) -> usize {
        self.lock()[node].exchanges
    }

    pub(super) fn open(&self, node: usize) -> usize {
        self.lock()[node].open
    }

    fn append(nodes: &mut [Machine], node: usize, rows: &[(u32, u64)]) {
        let now = Instant::now();
        for &(key, value) in rows {
            nodes[node].log.push(Row { key, value, at: now });
        }
        let (source, timeline) = (nodes[node].log.clone(), nodes[node].timeline);
        for other in nodes.iter_mut().filter(|other| !other.primary && !other.cut && other.up) {
            if other.timeline == timeline {
                other.log = source.clone();
            }
        }
    }
}

#[derive(Clone)]
pub(super) struct Fake {
    world: World,
}

pub(super) struct FakeConnection {
    world: World,
    node: usize,
    start: u64,
    access: Access,
    transaction: Option<Vec<(u32, u64)>>,
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.world.lock()[self.node].open -= 1;
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct FakeError(pub(super) Fault);

impl fmt::Display for FakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fake: {:?}", self.0)
    }
}

impl std::error::Error for FakeError {}

impl FakeConnection {
    /// One exchange: what `act` does happens at the node, the answer comes a moment later.
    async fn exchange<T>(
        &mut self,
        writes: bool,
        act: impl FnOnce(&mut Vec<Machine>, &mut Self) -> Result<T, FakeError>,
    ) -> Result<T, FakeError> {
        sleep(LATENCY).await;
        let world = self.world.clone();
        loop {
            let changed = world.0.changed.notified();
            {
                let mut nodes = world.lock();
                let node = &mut nodes[self.node];
                if !node.up || node.starts != self.start {
                    return Err(FakeError(Fault::Broken));
                }
                if !node.frozen {
                    node.exchanges += 1;
                    let done = act(&mut nodes, self)?;
                    let node = &mut nodes[self.node];
                    if writes && node.mute > 0 {
                        node.mute -= 1;
                        node.starts += 1;
                        return Err(FakeError(Fault::Broken));
                    }
                    return Ok(done);
                }
            }
            changed.await;
        }
    }

    pub(super) async fn put(&mut self, key: u32, value: u64) -> Result<(), FakeError> {
        let writes = self.transaction.is_none();
        self.exchange(writes, |nodes, this| {
            if this.access == Access::ReadOnly || !nodes[this.node].primary {
                return Err(FakeError(Fault::ReadOnly));
            }
            match &mut this.transaction {
                Some(rows) => rows.push((key, value)),
                None => World::append(nodes, this.node, &[(key, value)]),
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn get(&mut self, key: u32) -> Result<Option<u64>, FakeError> {
        self.exchange(false, |nodes, this| {
            let node = &mut nodes[this.node];
            let shown = node.visible(Instant::now());
            Ok(node.log[..shown].iter().rev().find(|row| row.key == key).map(|row| row.value))
        })
        .await
    }

    pub(super) async fn fail(&mut self, fault: Fault) -> Result<(), FakeError> {
        self.exchange(false, |_, _| Err(FakeError(fault))).await
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    async fn position(&mut self) -> Result<Position, FakeError> {
        self.exchange(false, |nodes, this| {
            let node = &nodes[this.node];
            Ok(Position::new(node.timeline, node.log.len() as u64))
        })
        .await
    }
}

impl Backend for Fake {
    type Target = &'static str;
    type Connection = FakeConnection;
    type Error = FakeError;

    fn system_name(&self) -> &'static str {
        "fake"
    }

    async fn connect(
        &self,
        target: &&'static str,
        access: Access,
    ) -> Result<FakeConnection, FakeError> {
        sleep(LATENCY).await;
        let node = NAMES.iter().position(|name| name == target).unwrap();
        loop {
            let changed = self.world.0.changed.notified();
            {
                let machine = &mut self.world.lock()[node];
                machine.connects += 1;
                if !machine.up {
                    return Err(FakeError(Fault::Unreachable));
                }
                if machine.denies {
                    return Err(FakeError(Fault::Denied));
                }
                if !machine.frozen {
                    machine.open += 1;
                    let (world, start) = (self.world.clone(), machine.starts);
                    return Ok(FakeConnection { world, node, start, access, transaction: None });
                }
            }
            changed.await;
        }
    }

    fn is_open(&self, connection: &FakeConnection) -> bool {
        let node = &self.world.lock()[connection.node];
        node.frozen || (node.up && node.starts == connection.start)
    }

    async fn ping(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        connection.exchange(false, |_, _| Ok(())).await
    }

    async fn observe(&self, connection: &mut FakeConnection) -> Result<Observation, FakeError> {
        connection
            .exchange(false, |nodes, this| {
                let node = &mut nodes[this.node];
                let shown = node.visible(Instant::now()) as u64;
                Ok(Observation {
                    system: node.system,
                    role: if node.primary { Role::Primary } else { Role::Replica },
                    position: Position::new(node.timeline, shown),
                    incarnation: node.starts * 10 + this.node as u64,
                    history: Some(History::new(node.forks.clone())),
                })
            })
            .await
    }

    async fn replayed(&self, connection: &mut FakeConnection) -> Result<u64, FakeError> {
        connection
            .exchange(false, |nodes, this| Ok(nodes[this.node].visible(Instant::now()) as u64))
            .await
    }

    async fn readable(&self, connection: &mut FakeConnection) -> Result<Position, FakeError> {
        connection.position().await
    }

    async fn written(&self, connection: &mut FakeConnection) -> Result<Position, FakeError> {
        connection.position().await
    }

    async fn begin(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        connection
            .exchange(false, |_, this| {
                this.transaction = Some(Vec::new());
                Ok(())
            })
            .await
    }

    async fn commit(
        &self,
        connection: &mut FakeConnection,
        position: bool,
    ) -> Result<Option<Position>, FakeError> {
        connection
            .exchange(true, |nodes, this| {
                let rows = this.transaction.take().unwrap_or_default();
                World::append(nodes, this.node, &rows);
                let node = &nodes[this.node];
                Ok(position.then(|| Position::new(node.timeline, node.log.len() as u64)))
            })
            .await
    }

    async fn rollback(&self, connection: &mut FakeConnection) -> Result<(), FakeError> {
        connection
            .exchange(false, |_, this| {
                this.transaction = None;
                Ok(())
            })
            .await
    }

    fn fault(&self, error: &FakeError) -> Fault {
        error.0
    }
}
