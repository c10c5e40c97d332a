//! What a cluster of files agrees on: who is the primary, on which timeline, and who is up.
//!
//! Plain data and plain decisions; [`format`](self::format) writes it down, and
//! [`Files`](super::files::Files) keeps it on disk.

mod format;

pub use self::format::{ControlError, ControlErrorKind};
use super::error::SqliteError;
use crate::backend::Role;
use crate::cluster::{Fork, History};
use crate::position::{Position, SystemId};

/// More nodes than anybody runs on one machine.
pub(crate) const MAX_NODES: usize = 64;
/// More promotions than a cluster on one machine sees.
pub(crate) const MAX_TIMELINES: usize = 1000;
/// Bytes of a name.
pub(crate) const MAX_NAME: usize = 64;

/// What all processes that share a cluster agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// Changes with every change.
    pub(crate) generation: u64,
    pub(crate) system: SystemId,
    /// How many replicas must have a commit before it is acknowledged.
    pub(crate) quorum: u32,
    /// How long a commit waits for them, in milliseconds.
    pub(crate) quorum_wait: u64,
    /// Where each timeline but the first branched off, by number.
    pub(crate) branches: Vec<Branch>,
    pub(crate) nodes: Vec<NodeState>,
}

/// Where a timeline began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) timeline: u32,
    pub(crate) parent: u32,
    pub(crate) offset: u64,
}

/// Whether a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Liveness {
    /// It does.
    Up,
    /// It was killed: it refuses connections, and those it had are broken.
    Down,
    /// It was stopped: it neither answers nor refuses.
    Frozen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The timeline that a primary writes. A replica's stands in its data.
    pub(crate) timeline: u32,
    pub(crate) incarnation: u64,
    pub(crate) liveness: Liveness,
    pub(crate) paused: bool,
    /// How long a replica holds back what it has received, in milliseconds.
    pub(crate) delay: u64,
    pub(crate) fenced: bool,
    /// It holds what its primary does not, or nothing yet: it serves once it was rebuilt.
    pub(crate) stale: bool,
}

impl NodeState {
    fn new(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role,
            timeline: 1,
            incarnation: 1,
            liveness: Liveness::Up,
            paused: false,
            delay: 0,
            fenced: false,
            stale: false,
        }
    }

    pub(crate) fn writable(&self) -> bool {
        self.role == Role::Primary && !self.fenced
    }
}

/// Whether a name can be a node's, and part of a file's.
pub(crate) fn check_name(name: &str) -> Result<(), SqliteError> {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if fits { Ok(()) } else { Err(SqliteError::Name(name.chars().take(MAX_NAME).collect())) }
}

impl Control {
    /// A new cluster; the first name is its primary.
    pub(crate) fn new(system: SystemId, names: &[&str]) -> Result<Self, SqliteError> {
        let mut control = Self {
            generation: 1,
            system,
            quorum: 0,
            quorum_wait: 1000,
            branches: Vec::new(),
            nodes: Vec::new(),
        };
        for name in names {
            let role = if control.nodes.is_empty() { Role::Primary } else { Role::Replica };
            control.join(name, role)?;
        }
        if control.nodes.is_empty() {
            return Err(SqliteError::Name(String::new()));
        }
        Ok(control)
    }

    /// Adds a node, which has no data yet.
    pub(crate) fn join(&mut self, name: &str, role: Role) -> Result<(), SqliteError> {
        check_name(name)?;
        if self.nodes.len() == MAX_NODES {
            return Err(SqliteError::Refused("a cluster has at most 64 nodes"));
        }
        if self.node(name).is_ok() {
            return Err(SqliteError::Exists(name.to_owned()));
        }
        self.nodes.push(NodeState::new(name, role));
        Ok(())
    }

    pub(crate) fn node(&self, name: &str) -> Result<&NodeState, SqliteError> {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .ok_or_else(|| SqliteError::UnknownNode(name.to_owned()))
    }

    pub(crate) fn node_mut(&mut self, name: &str) -> Result<&mut NodeState, SqliteError> {
        self.nodes
            .iter_mut()
            .find(|node| node.name == name)
            .ok_or_else(|| SqliteError::UnknownNode(name.to_owned()))
    }

    /// Whom replicas follow: the primary on the highest timeline, up or not.
    pub(crate) fn leader(&self) -> Option<&NodeState> {
        self.nodes
            .iter()
            .filter(|node| node.role == Role::Primary && !node.stale)
            .max_by_key(|node| node.timeline)
    }

    /// The highest timeline that was ever begun.
    pub(crate) fn newest(&self) -> u32 {
        self.branches.last().map_or(1, |branch| branch.timeline)
    }

    /// Begins a timeline on `name`, whose data ends at `at`.
    ///
    /// `ends` are where the other nodes' data ends: who has more than the new timeline has must be
    /// rebuilt before it serves again. Older primaries keep their role, as they would in life.
    pub(crate) fn promote(
        &mut self,
        name: &str,
        at: Position,
        ends: &[(String, Position)],
    ) -> Result<u32, SqliteError> {
        if self.branches.len() >= MAX_TIMELINES {
            return Err(SqliteError::Refused("the cluster has seen too many promotions"));
        }
        let timeline = self.newest() + 1;
        self.branches.push(Branch { timeline, parent: at.timeline, offset: at.offset });
        let node = self.node_mut(name)?;
        node.role = Role::Primary;
        node.timeline = timeline;
        node.paused = false;
        for (other, end) in ends {
            let kept = self.covers(Position::new(timeline, u64::MAX), *end);
            let node = self.node_mut(other)?;
            if node.name != name && node.role == Role::Replica && !kept {
                node.stale = true;
            }
        }
        Ok(timeline)
    }

    /// Whether data that reaches `have` includes `want`.
    pub(crate) fn covers(&self, have: Position, want: Position) -> bool {
        let shared = self.shared(have.timeline, want.timeline);
        want.offset <= have.offset && want.offset <= shared
    }

    fn branch(&self, timeline: u32) -> Option<&Branch> {
        // They stand in order, from timeline 2.
        self.branches.get(usize::try_from(timeline.checked_sub(2)?).ok()?)
    }

    /// Up to which offset two timelines are the same.
    fn shared(&self, mut a: u32, mut b: u32) -> u64 {
        let mut end = u64::MAX;
        while a != b {
            // The younger one cannot be an ancestor of the older: step up from it.
            let younger = if a > b { &mut a } else { &mut b };
            let Some(branch) = self.branch(*younger) else { return 0 };
            *younger = branch.parent;
            end = end.min(branch.offset);
        }
        end
    }

    /// Where each older timeline left `timeline`'s line, for the pool.
    ///
    /// A timeline that is no ancestor shares with it what lies before they parted.
    pub(crate) fn history(&self, timeline: u32) -> History {
        let forks = (1..timeline)
            .map(|older| Fork { timeline: older, offset: self.shared(timeline, older) })
            .collect();
        History::new(forks)
    }
}
