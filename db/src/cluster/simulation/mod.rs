//! A small world with a pool in it: servers die, freeze, are promoted and rebuilt, answers arrive
//! late and out of order, and sessions read and write by what the pool believes. Each thing that a
//! session is served is compared with what is true.
//!
//! What is not held against the pool are its documented limits: what a session reads on a node that
//! follows a timeline which the pool has not seen yet, and everything but the safety of writes once
//! two nodes were promoted to the same timeline.

mod checks;
mod world;

use std::collections::BTreeMap;

use fastrand::Rng;

use self::world::{SERVERS, STRANGER, TAGGED, World};
use super::*;
use crate::position::Position;

const STEPS: usize = 4000;
/// 2000 take a minute or two.
const SEEDS: std::ops::Range<u64> = 0..40;
/// Some safeguards matter seldom.
const CONTROL_SEEDS: u64 = 1000;
/// Where it is first seen to matter that an old primary's word after the next promotion is no
/// measure. The search for it begins there, and costs 20 s less; any other seed would do.
const BEGAN_SEED: u64 = 157;
const SESSIONS: usize = 3;
const MAX_LAG_BYTES: u64 = 40;

/// What was seen that must not be.
type Fault = String;

/// How often things happened that the checks are about.
#[derive(Clone, Copy, Debug, Default)]
struct Seldom {
    writes: usize,
    replica_reads: usize,
    checks: usize,
    primary_reads: usize,
    refused_reads: usize,
    failovers: usize,
    split_brains: usize,
    losses: usize,
}

#[derive(Debug, Default)]
struct Session {
    written: Option<Position>,
    seen: Option<Seen>,
    /// Where it wrote what.
    writes: Vec<(Position, u32)>,
    /// What it saw last.
    saw: Vec<u32>,
}

/// A question to a node, and its answer while it is under way.
struct Probe {
    server: usize,
    asked: u64,
    taken: u64,
    due: u64,
    answer: Option<Option<Observation>>,
}

struct Simulation {
    random: Rng,
    world: World,
    disorder: bool,
    cluster: Cluster,
    view: View,
    begin: Instant,
    now: u64,
    probes: Vec<Probe>,
    sessions: Vec<Session>,
    /// The highest timeline that the pool was ever told of.
    told: u32,
    /// When what the pool was told of each node last was asked, or happened.
    latest: [u64; SERVERS],
    /// When a node refused a write, if it was not asked since.
    refused: [Option<u64>; SERVERS],
    /// Whom the pool has written to, on each timeline.
    writers: BTreeMap<u32, usize>,
    seldom: Seldom,
}

fn bounds() -> Bounds {
    Bounds { max_lag: Duration::from_millis(400), max_lag_bytes: MAX_LAG_BYTES }
}

fn id(server: usize) -> NodeId {
    NodeId(u32::try_from(server).unwrap())
}

fn joined(mut cluster: Cluster) -> Cluster {
    for i in 0..SERVERS {
        let tag = (i == TAGGED).then(|| "reports".into());
        let traits = Traits { name: format!("db-{i}").into(), tag, near: i != 2 };
        cluster.add(id(i), traits);
    }
    cluster
}

impl Simulation {
    fn new(seed: u64, disorder: bool) -> Self {
        let begin = Instant::now();
        let mut random = Rng::with_seed(seed);
        let world = World::new(disorder);
        let mut cluster = joined(Cluster::new(bounds(), None));
        // Whoever comes first binds the pool.
        cluster.observed(NodeId(0), begin, begin, &world.servers[0].observe(&mut random));
        let view = cluster.view(begin);
        Self {
            random,
            world,
            disorder,
            cluster,
            view,
            begin,
            now: 1,
            probes: Vec::new(),
            sessions: (0..SESSIONS).map(|_| Session::default()).collect(),
            told: 1,
            latest: [0; SERVERS],
            refused: [None; SERVERS],
            writers: BTreeMap::new(),
            seldom: Seldom::default(),
        }
    }

    fn time(&self, ms: u64) -> Instant {
        self.begin + Duration::from_millis(ms)
    }

    fn publish(&mut self) {
        self.view = self.cluster.view(self.time(self.now));
        for change in self.cluster.changes() {
            match change {
                Change::NewPrimary { .. } => self.seldom.failovers += 1,
                Change::SplitBrain { .. } => self.seldom.split_brains += 1,
                _ => {}
            }
        }
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.now += self.random.u64(1..8);
        self.world.step(&mut self.random, self.now);
        self.hear()?;
        match self.random.u16(..1000) {
            0..350 => self.ask(),
            350..550 => self.write()?,
            550..979 => self.read()?,
            979..999 => self.elsewhere(),
            _ => self.restart(),
        }
        Ok(())
    }

    /// The process starts again, with what it remembered.
    fn restart(&mut self) {
        self.cluster = joined(Cluster::new(bounds(), self.cluster.remember()));
        self.probes.clear();
        self.latest = [0; SERVERS];
        self.refused = [None; SERVERS];
        self.writers.clear();
        self.publish();
    }

    fn ask(&mut self) {
        let server = self.random.usize(..SERVERS);
        let taken = self.now + self.random.u64(..30);
        let due = taken + self.random.u64(..60);
        self.probes.push(Probe { server, asked: self.now, taken, due, answer: None });
    }

    fn hear(&mut self) -> Result<(), Fault> {
        for mut probe in std::mem::take(&mut self.probes) {
            let server = &self.world.servers[probe.server];
            if probe.answer.is_none() && probe.taken <= self.now {
                probe.answer = Some(server.up.then(|| server.observe(&mut self.random)));
            }
            match probe.answer.take_if(|_| probe.due <= self.now) {
                Some(answer) => self.deliver(&probe, answer)?,
                None => self.probes.push(probe),
            }
        }
        Ok(())
    }

    fn deliver(&mut self, probe: &Probe, answer: Option<Observation>) -> Result<(), Fault> {
        let i = probe.server;
        let (node, asked, now) = (id(i), self.time(probe.asked), self.time(self.now));
        match answer {
            None => {
                self.cluster.failed(node, now, Failure::Silent);
                self.latest[i] = self.now;
            }
            Some(seen) => {
                self.cluster.observed(node, asked, now, &seen);
                // Who was seen to follow has given up what it claimed.
                if seen.role == Role::Replica && probe.asked >= self.latest[i] {
                    self.writers.retain(|_, writer| *writer != i);
                }
                self.latest[i] = self.latest[i].max(probe.asked);
                self.refused[i] = self.refused[i].filter(|refused| probe.asked <= *refused);
                if seen.system == world::OURS {
                    self.told = self.told.max(seen.position.timeline);
                }
            }
        }
        self.publish();
        let node = &self.view.nodes[i];
        let answers = !matches!(node.state, NodeState::Down | NodeState::Foreign);
        let known = node.sample.map(|sample| sample.asked).filter(|_| answers);
        // An answer that confirms a refused primary may have been passed over.
        if known.is_some_and(|known| known < self.time(self.latest[i])) && self.refused[i].is_none()
        {
            let was = format!("{:?}", node.state);
            return Err(format!("the belief of db-{i} went back in time, to {was}"));
        }
        Ok(())
    }

    fn failed(&mut self, i: usize) {
        self.cluster.failed(id(i), self.time(self.now), Failure::Silent);
        self.latest[i] = self.now;
        self.publish();
    }

    fn write(&mut self) -> Result<(), Fault> {
        let Writable::Primary(i) = self.view.writable else { return Ok(()) };
        let server = &self.world.servers[i];
        let timeline = server.timeline;
        if i == STRANGER {
            return Err(format!("a write went to db-{i}, of another cluster"));
        }
        if timeline < self.told {
            return Err(format!("a write went to db-{i} on {timeline}, {} was told", self.told));
        }
        if self.refused[i].is_some() {
            return Err(format!(
                "a write went to db-{i}, which has refused one since it was asked"
            ));
        }
        if !server.up {
            self.failed(i);
            return Ok(());
        }
        if !server.primary {
            self.cluster.not_primary(id(i), self.time(self.now));
            self.refused[i] = Some(self.now);
            self.publish();
            return Ok(());
        }
        // A primary that was promoted again since it was asked has made no claim to the pool yet.
        let claims = timeline == self.view.timeline;
        let before = claims.then(|| self.writers.insert(timeline, i)).flatten();
        if let Some(before) = before {
            let other = &self.world.servers[before];
            if before != i && other.primary && other.timeline == timeline {
                return Err(format!("writes go to db-{i} and to db-{before} on {timeline}"));
            }
        }
        let id = self.world.write(i, self.now);
        let position = self.world.servers[i].position();
        let session = self.random.usize(..SESSIONS);
        let session = &mut self.sessions[session];
        session.written = session.written.max(Some(position));
        session.writes.push((position, id));
        self.seldom.writes += 1;
        Ok(())
    }

    fn read(&mut self) -> Result<(), Fault> {
        let s = self.random.usize(..SESSIONS);
        let session = &mut self.sessions[s];
        // As the pool's shell does: what is lost is not asked for, what was before it is.
        if session.written.is_some_and(|at| self.view.standing(at) == Standing::Lost) {
            session.written = session.written.and_then(|at| self.view.kept(at));
            self.seldom.losses += 1;
        }
        let mut want = Want {
            after: session.written,
            seen: session.seen,
            max_staleness: (self.random.u8(..4) == 0)
                .then(|| Duration::from_millis(self.random.u64(50..500))),
            tag: (self.random.u8(..6) == 0).then_some("reports"),
            primary: self.random.u8(..12) == 0,
            tried: 0,
        };
        for _ in 0..2 * SERVERS {
            let load = |place: usize| place as u64 % 2;
            let draw = self.random.u64(..);
            let route = self.view.route(&want, self.time(self.now), draw, load);
            let place = match route {
                Route::Replica(place) | Route::Check(place, _) | Route::Primary(place) => place,
                Route::NoNode | Route::TooStale => {
                    self.seldom.refused_reads += 1;
                    return Ok(());
                }
            };
            let server = &self.world.servers[place];
            // A restart breaks connections.
            if !server.up || !self.holds(place) {
                want.tried |= 1 << place;
                self.failed(place);
                continue;
            }
            if matches!(route, Route::Check(_, offset) if offset > server.position().offset) {
                want.primary = true;
                continue;
            }
            return self.served(s, &want, route, place);
        }
        Ok(())
    }

    /// A session goes on in another process, and comes back with what it wrote and saw there.
    fn elsewhere(&mut self) {
        let s = self.random.usize(..SESSIONS);
        if self.random.bool() {
            let chief = self.world.chief;
            if self.world.servers[chief].up && self.world.servers[chief].primary {
                let id = self.world.write(chief, self.now);
                let position = self.world.servers[chief].position();
                self.sessions[s].written = self.sessions[s].written.max(Some(position));
                self.sessions[s].writes.push((position, id));
            }
            return;
        }
        let i = self.random.usize(..STRANGER);
        let (server, session) = (&self.world.servers[i], &mut self.sessions[s]);
        let before = session.saw.iter().take_while(|id| !self.world.is_lost(**id)).count();
        let further = before == 0
            || server.visible().get(before - 1).is_some_and(|at| at.id == session.saw[before - 1]);
        if further && server.up && server.timeline <= self.view.timeline {
            let incarnation = incarnation(&format!("db-{i}"), server.incarnation);
            let at = self.begin + Duration::from_millis(self.now);
            session.seen = Some(Seen { incarnation, at });
            session.saw = server.visible().iter().map(|entry| entry.id).collect();
        }
    }

    /// Whether the pool's connections lead to the server as it was when it was last seen.
    fn holds(&self, place: usize) -> bool {
        let node = &self.view.nodes[place];
        node.incarnation == incarnation(&node.name, self.world.servers[place].incarnation)
    }
}

fn run(seed: u64, disorder: bool) -> Result<Seldom, Fault> {
    let mut simulation = Simulation::new(seed, disorder);
    for step in 0..STEPS {
        simulation
            .step()
            .map_err(|fault| format!("seed {seed} (disorder: {disorder}), step {step}: {fault}"))?;
    }
    Ok(simulation.seldom)
}

#[test]
fn nothing_is_served_that_must_not_be() {
    let mut sum = [0; 8];
    for (seed, disorder) in SEEDS.flat_map(|seed| [(seed, false), (seed, true)]) {
        let s = run(seed, disorder).unwrap_or_else(|fault| panic!("{fault}"));
        let all = [
            s.writes,
            s.replica_reads,
            s.checks,
            s.primary_reads,
            s.refused_reads,
            s.failovers,
            s.split_brains,
            s.losses,
        ];
        for (sum, of) in sum.iter_mut().zip(all) {
            *sum += of;
        }
    }
    println!(
        "writes, reads on replicas, checks, reads on primaries, refused reads, failovers, split \
         brains, losses: {sum:?}"
    );
    assert!(sum.iter().all(|count| *count > 20), "too little happened to learn from: {sum:?}");
}

#[test]
fn without_any_one_safeguard_something_is() {
    use Rule::*;
    let safeguards = [
        Identity,
        HighestTimeline,
        ReplicaTimeline,
        Remember,
        EqualTimelines,
        SilentClaim,
        Order,
        NotPrimary,
        Fork,
        Writes,
        Monotonic,
        SampleAfter,
        Tags,
        Lag,
        Staleness,
        Ahead,
        Began,
    ];
    let mut silent = Vec::new();
    for safeguard in safeguards {
        let first = if safeguard == Began { BEGAN_SEED } else { 0 };
        let seeds = first..first + CONTROL_SEEDS;
        let mut runs = seeds.flat_map(|seed| [(seed, false), (seed, true)]);
        let fault = rule::without(safeguard, || {
            runs.find_map(|(seed, disorder)| run(seed, disorder).err())
        });
        match fault {
            Some(fault) => println!(
                "without {safeguard:?}: {}",
                fault.split(": Want").next().unwrap_or_default()
            ),
            None => silent.push(safeguard),
        }
    }
    assert!(silent.is_empty(), "nothing went wrong without {silent:?}");
}
