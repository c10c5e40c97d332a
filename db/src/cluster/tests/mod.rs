//! What the pool must believe, and where it must not send anybody. Each safeguard has its control
//! beside it: the same events with the safeguard off must show the fault.

mod events;
mod lag;
mod reads;
mod roles;

use std::collections::BTreeMap;

use super::*;
use crate::position::Position;

const OURS: SystemId = SystemId(77);

/// A cluster that is told things one after the other, a millisecond apart.
struct Stage {
    cluster: Cluster,
    now: Instant,
    history: Option<History>,
    incarnations: BTreeMap<u32, u64>,
}

impl Stage {
    /// With this many untagged nodes, all in the pool's zone.
    fn new(nodes: u32) -> Self {
        let mut stage = Self::remembering(None);
        for id in 0..nodes {
            stage.add(id, None, true);
        }
        stage
    }

    fn remembering(remembered: Option<(SystemId, u32)>) -> Self {
        let bounds = Bounds { max_lag: Duration::from_secs(10), max_lag_bytes: 1000 };
        Self {
            cluster: Cluster::new(bounds, remembered),
            now: Instant::now(),
            history: None,
            incarnations: BTreeMap::new(),
        }
    }

    /// A primary at offset 100 of timeline 1, and this many replicas that have everything.
    fn healthy(replicas: u32) -> Self {
        let mut stage = Self::new(replicas + 1);
        stage.primary(0, 1, 100);
        for id in 1..=replicas {
            stage.replica(id, 1, 100);
        }
        stage
    }

    fn add(&mut self, id: u32, tag: Option<&str>, near: bool) {
        let name = format!("db-{id}").into();
        self.cluster.add(NodeId(id), Traits { name, tag: tag.map(Into::into), near });
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn wait_ms(&mut self, ms: u64) {
        self.wait(Duration::from_millis(ms));
    }

    fn restart(&mut self, id: u32) {
        *self.incarnations.entry(id).or_default() += 1;
    }

    fn observation(&self, id: u32, role: Role, timeline: u32, offset: u64) -> Observation {
        Observation {
            system: OURS,
            role,
            position: Position::new(timeline, offset),
            incarnation: self.incarnations.get(&id).copied().unwrap_or_default(),
            history: self.history.clone(),
        }
    }

    fn primary(&mut self, id: u32, timeline: u32, offset: u64) {
        let seen = self.observation(id, Role::Primary, timeline, offset);
        self.see(id, &seen);
    }

    fn replica(&mut self, id: u32, timeline: u32, offset: u64) {
        let seen = self.observation(id, Role::Replica, timeline, offset);
        self.see(id, &seen);
    }

    fn see(&mut self, id: u32, seen: &Observation) {
        self.wait_ms(1);
        self.cluster.observed(NodeId(id), self.now, self.now, seen);
    }

    fn silent(&mut self, id: u32) {
        self.wait_ms(1);
        self.cluster.failed(NodeId(id), self.now, Failure::Silent);
    }

    fn forks(&mut self, forks: &[(u32, u64)]) {
        let fork = |&(timeline, offset)| Fork { timeline, offset };
        self.history = Some(History::new(forks.iter().map(fork).collect()));
    }

    fn view(&self) -> View {
        self.cluster.view(self.now)
    }

    fn state(&self, place: usize) -> NodeState {
        self.view().nodes[place].state
    }

    fn writable(&self) -> Writable {
        self.view().writable
    }

    fn route(&self, want: &Want<'_>) -> Route {
        self.view().route(want, self.now, 0, |_| 0)
    }

    /// All places that reads like this one are sent to, over many draws.
    fn routes(&self, want: &Want<'_>) -> Vec<Route> {
        let view = self.view();
        let mut random = fastrand::Rng::with_seed(1);
        let mut all = Vec::new();
        for _ in 0..200 {
            let route = view.route(want, self.now, random.u64(..), |_| 0);
            if !all.contains(&route) {
                all.push(route);
            }
        }
        all.sort_by_key(|route| format!("{route:?}"));
        all
    }
}

/// Reads that need this position.
fn after(timeline: u32, offset: u64) -> Want<'static> {
    Want { after: Some(Position::new(timeline, offset)), ..Want::default() }
}

/// That something holds, and that it does not without the safeguard.
fn guards(safeguard: Rule, holds: impl Fn() -> bool) {
    assert!(holds(), "{safeguard:?} does not guard");
    assert!(!rule::without(safeguard, holds), "without {safeguard:?} nothing goes wrong either");
}
