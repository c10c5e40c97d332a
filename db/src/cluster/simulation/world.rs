//! What is true: servers, their logs, and what befalls them. The pool sees only answers.

use fastrand::Rng;

use crate::backend::{Observation, Role};
use crate::cluster::{Fork, History};
use crate::position::{Position, SystemId};

pub(super) const OURS: SystemId = SystemId(77);

/// Three servers for ordinary reads, one with a tag, and a stranger.
pub(super) const TAGGED: usize = 3;
pub(super) const STRANGER: usize = 4;
pub(super) const SERVERS: usize = 5;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: u32,
    /// When it was written, in milliseconds.
    pub(super) at: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) system: SystemId,
    /// Neither dead nor frozen.
    pub(super) up: bool,
    pub(super) primary: bool,
    pub(super) timeline: u32,
    /// What it says of its timeline if it is a replica that does not know better.
    understated: u32,
    forks: Vec<Fork>,
    pub(super) log: Vec<Entry>,
    applied: usize,
    pub(super) incarnation: u64,
    source: usize,
}

impl Server {
    /// What can be read there.
    pub(super) fn visible(&self) -> &[Entry] {
        let end = if self.primary { self.log.len() } else { self.applied };
        &self.log[..end]
    }

    pub(super) fn position(&self) -> Position {
        Position::new(self.timeline, self.visible().len() as u64)
    }

    pub(super) fn observe(&self, random: &mut Rng) -> Observation {
        let mut position = self.position();
        if !self.primary && random.u8(..4) == 0 {
            position.timeline = self.understated;
        }
        Observation {
            system: self.system,
            role: if self.primary { Role::Primary } else { Role::Replica },
            position,
            incarnation: self.incarnation,
            // The forks before a timeline that is understated are what it knows of that one.
            history: (random.u8(..3) > 0).then(|| {
                let known = |fork: &&Fork| fork.timeline < position.timeline;
                History::new(self.forks.iter().filter(known).copied().collect())
            }),
        }
    }

    fn restart(&mut self) {
        self.incarnation += 1;
        self.understated = match self.forks.iter().find(|fork| fork.offset >= self.applied as u64) {
            Some(fork) => fork.timeline,
            None => self.timeline,
        };
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) servers: Vec<Server>,
    /// The primary of the highest timeline: what it does not have, is lost.
    pub(super) chief: usize,
    lost: Vec<bool>,
    /// Replicas are promoted that have not seen the last promotion.
    disorder: bool,
}

impl World {
    pub(super) fn new(disorder: bool) -> Self {
        let server = |i| Server {
            system: if i == STRANGER { SystemId(78) } else { OURS },
            up: true,
            primary: i == 0 || i == STRANGER,
            timeline: if i == STRANGER { 99 } else { 1 },
            understated: 1,
            forks: Vec::new(),
            log: Vec::new(),
            applied: 0,
            incarnation: 1,
            source: 0,
        };
        Self { servers: (0..SERVERS).map(server).collect(), chief: 0, lost: Vec::new(), disorder }
    }

    pub(super) fn is_lost(&self, id: u32) -> bool {
        self.lost[id as usize]
    }

    /// A write that this server carries out: its id.
    pub(super) fn write(&mut self, server: usize, at: u64) -> u32 {
        let id = u32::try_from(self.lost.len()).unwrap();
        self.lost.push(server != self.chief);
        self.servers[server].log.push(Entry { id, at });
        id
    }

    /// Something happens, or nothing.
    pub(super) fn step(&mut self, random: &mut Rng, at: u64) {
        for i in 0..STRANGER {
            self.replicate(i, random);
        }
        let i = random.usize(..STRANGER);
        match random.u16(..1500) {
            0..5 => self.servers[i].up = false,
            5..25 => self.rise(i, random),
            25..40 => self.promote(i),
            40..60 if i != self.chief => self.rebuild(i, random),
            60..64 => self.demote(i),
            64..90 => self.servers[i].source = self.chief,
            // Somebody who is not this pool writes where it should not.
            90..190 if self.servers[i].primary && self.servers[i].up => {
                self.write(i, at);
            }
            _ => {}
        }
    }

    fn replicate(&mut self, i: usize, random: &mut Rng) {
        let source = self.servers[i].source;
        let Ok([server, source]) = self.servers.get_disjoint_mut([i, source]) else { return };
        if server.primary || !server.up || !source.up || random.u8(..4) == 0 {
            return;
        }
        let have = server.log.len();
        let last = |log: &[Entry]| log.last().map(|entry| entry.id);
        let follows = have <= source.log.len()
            && source.timeline >= server.timeline
            && last(&source.log[..have]) == last(&server.log);
        if follows {
            server.timeline = source.timeline;
            server.forks.clone_from(&source.forks);
            let until = (have + random.usize(..4)).min(source.log.len());
            server.log.extend_from_slice(&source.log[have..until]);
        }
        server.applied = (server.applied + random.usize(..4)).min(server.log.len());
    }

    /// A dead server starts again, a frozen one goes on.
    fn rise(&mut self, i: usize, random: &mut Rng) {
        let server = &mut self.servers[i];
        if !server.up {
            server.up = true;
            if random.bool() {
                server.restart();
            }
        }
    }

    fn promote(&mut self, i: usize) {
        let highest = self.servers[self.chief].timeline;
        let server = &mut self.servers[i];
        if server.primary || !server.up || (server.timeline < highest && !self.disorder) {
            return;
        }
        server.forks.push(Fork { timeline: server.timeline, offset: server.log.len() as u64 });
        server.timeline += 1;
        server.primary = true;
        server.applied = server.log.len();
        if server.timeline <= highest {
            return;
        }
        self.chief = i;
        let kept = self.servers[i].log.clone();
        for other in &self.servers[..STRANGER] {
            for (at, entry) in other.log.iter().enumerate() {
                if kept.get(at).is_none_or(|kept| kept.id != entry.id) {
                    self.lost[entry.id as usize] = true;
                }
            }
        }
    }

    /// Starts again from a backup of the chief, which may be old.
    fn rebuild(&mut self, i: usize, random: &mut Rng) {
        let chief = self.servers[self.chief].clone();
        let until = random.usize(..=chief.log.len());
        let server = &mut self.servers[i];
        server.log = chief.log[..until].to_vec();
        server.applied = until;
        server.timeline = chief.timeline;
        server.forks = chief.forks;
        server.primary = false;
        server.up = true;
        server.source = self.chief;
        server.restart();
    }

    /// A primary follows, although nobody has taken over yet; sometimes without a restart.
    fn demote(&mut self, i: usize) {
        let server = &mut self.servers[i];
        if server.primary {
            server.primary = false;
            server.applied = server.log.len();
            server.understated = server.timeline;
        }
    }
}
