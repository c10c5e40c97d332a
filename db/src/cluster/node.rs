//! What is believed of one node.

use tokio::time::Instant;

use super::lag::Lag;
use super::rule::{self, Rule};
use super::{Failure, NodeId, NodeState, Sample, Traits};
use crate::backend::{Observation, Role};
use crate::position::{Position, SystemId};

/// What the last answer, or its absence, said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Unseen,
    Up,
    Silent,
    Denied,
    Foreign(SystemId),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) traits: Traits,
    pub(super) health: Health,
    pub(super) role: Role,
    pub(super) sample: Option<Sample>,
    /// As in tokens. 0 before it was seen.
    pub(super) incarnation: u32,
    /// The timeline on which it was seen to take writes, and not seen to follow anybody since.
    pub(super) claim: Option<u32>,
    /// When it said that it is not the primary.
    refused: Option<Instant>,
    /// When what is known of it was asked, or when it failed.
    known: Option<Instant>,
    /// In the read set, as far as its lag goes.
    pub(super) serving: bool,
    pub(super) lag: Lag,
    pub(super) state: NodeState,
}

impl Node {
    pub(super) fn new(id: NodeId, traits: Traits) -> Self {
        Self {
            id,
            traits,
            health: Health::Unseen,
            role: Role::Replica,
            sample: None,
            incarnation: 0,
            claim: None,
            refused: None,
            known: None,
            serving: false,
            lag: Lag::default(),
            state: NodeState::Unknown,
        }
    }

    /// Whether an answer says less than what is known already.
    pub(super) fn outdated(&self, asked: Instant, role: Role) -> bool {
        let late = self.known.is_some_and(|known| asked < known) && rule::on(Rule::Order);
        // What agrees with the refusal may be as old as it likes.
        let refused = role == Role::Primary
            && self.refused.is_some_and(|refused| asked <= refused)
            && rule::on(Rule::NotPrimary);
        late || refused
    }

    /// A time before the timeline of this answer began, if that is known: the node was a replica
    /// on the one before, and was promoted since.
    pub(super) fn began_after(&self, seen: &Observation) -> Option<Instant> {
        let sample = self.sample.filter(|_| self.role == Role::Replica)?;
        let next = sample.position.timeline.checked_add(1)?;
        let promoted = seen.role == Role::Primary && seen.position.timeline == next;
        promoted.then_some(sample.asked)
    }

    pub(super) fn answered(&mut self, asked: Instant, now: Instant, seen: &Observation) {
        let incarnation = incarnation(&self.traits.name, seen.incarnation);
        let mut position = seen.position;
        if self.incarnation == incarnation {
            // A node goes back to an older timeline only by a restart. A replica that says so has
            // lost the source that told it better.
            if let (Role::Replica, Some(before)) = (seen.role, self.sample) {
                position.timeline = position.timeline.max(before.position.timeline);
            }
        } else {
            self.serving = false;
        }
        self.incarnation = incarnation;
        self.sample = Some(Sample { position, asked, answered: now });
        self.role = seen.role;
        self.claim = match seen.role {
            Role::Primary => Some(position.timeline),
            Role::Replica => None,
        };
        self.health = Health::Up;
        self.refused = self.refused.filter(|refused| asked <= *refused);
        self.known = Some(asked);
    }

    pub(super) fn is_foreign(&mut self, asked: Instant, system: SystemId) {
        self.health = Health::Foreign(system);
        self.sample = None;
        self.incarnation = 0;
        self.claim = None;
        self.serving = false;
        self.known = Some(asked);
    }

    pub(super) fn failed(&mut self, now: Instant, failure: Failure) {
        if self.known.is_some_and(|known| now < known) {
            return;
        }
        self.health = match failure {
            Failure::Silent | Failure::Unavailable => Health::Silent,
            Failure::Denied => Health::Denied,
        };
        self.serving = false;
        self.known = Some(now);
    }

    pub(super) fn refused(&mut self, now: Instant) {
        if rule::on(Rule::NotPrimary) {
            self.refused = self.refused.max(Some(now));
        }
    }

    pub(super) fn timeline(&self) -> u32 {
        self.sample.map_or(0, |sample| sample.position.timeline)
    }

    /// Where it is, if it is a replica that answers.
    pub(super) fn replica(&self) -> Option<Position> {
        let replica = self.health == Health::Up && self.role == Role::Replica;
        self.sample.filter(|_| replica).map(|sample| sample.position)
    }

    /// Whether it answers, and says that it takes writes.
    pub(super) fn writable(&self) -> bool {
        self.health == Health::Up && self.role == Role::Primary && self.refused.is_none()
    }

    pub(super) fn foreign(&self) -> Option<SystemId> {
        match self.health {
            Health::Foreign(system) => Some(system),
            _ => None,
        }
    }
}

/// A node's incarnation as tokens carry it: the same in every process that knows the node by this
/// name, and never 0 or the highest number, which mean none and several. FNV-1a, folded.
pub(crate) fn incarnation(name: &str, incarnation: u64) -> u32 {
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in name.bytes().chain([0]).chain(incarnation.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    let folded = hash ^ (hash >> 32);
    let [a, b, c, d, ..] = folded.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).clamp(1, u32::MAX - 1)
}
