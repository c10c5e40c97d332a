//! Where in a database's history something is.

use std::fmt;

/// Which database cluster: PostgreSQL's system identifier, or the embedded cluster's own.
///
/// A primary and its replicas share it; nobody else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemId(pub u64);

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As a string: it is larger than the numbers that JavaScript keeps exactly.
#[cfg(feature = "serde")]
impl serde::Serialize for SystemId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A point in the history of a cluster's writes.
///
/// Each promotion begins a new timeline, which branches off the one before it; what the old
/// timeline holds behind the fork is not part of the new one. Positions are ordered by timeline
/// first: a write on the newer timeline came later, if the older position lies before the fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Position {
    /// The timeline, counted from 1.
    pub timeline: u32,
    /// How far on it: a WAL position (LSN) in bytes, or the embedded cluster's number of commits.
    pub offset: u64,
}

impl Position {
    /// This far on this timeline.
    #[must_use]
    pub fn new(timeline: u32, offset: u64) -> Self {
        Self { timeline, offset }
    }
}

/// As `TIMELINE:HIGH/LOW`, the halves of the offset in hexadecimal, as PostgreSQL writes an LSN.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:X}/{:X}", self.timeline, self.offset >> 32, self.offset & 0xFFFF_FFFF)
    }
}
