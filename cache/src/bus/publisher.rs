//! One process as a publisher: who it is, and the numbers it gives.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::Bytes;

use super::frame::{self, Head};
use super::{BusError, Change};

#[derive(Debug)]
pub(super) struct Publisher {
    /// Its number is the last one that was given.
    head: Head,
    limit: usize,
}

impl Publisher {
    /// One that nobody has heard of. A number that goes on from an older start, or begins anew under
    /// its name, would hide losses: so the name is random, from the operating system.
    pub(super) fn new(beat: Duration, limit: usize) -> Self {
        let publisher = RandomState::new().hash_one("a publisher");
        Self { head: Head { publisher, number: 0, beat }, limit: limit.min(frame::LONGEST) }
    }

    /// One that goes by an older one's name, which no real one does.
    #[cfg(test)]
    pub(super) fn named(publisher: u64, beat: Duration) -> Self {
        Self { head: Head { publisher, number: 0, beat }, limit: frame::LONGEST }
    }

    pub(super) fn id(&self) -> u64 {
        self.head.publisher
    }

    /// The frames to send. Their numbers are used up, also if they are not sent: others then notice.
    ///
    /// Where everything of a space goes, its keys and tags need not be named. And a key that fits
    /// into no frame takes the whole space with it: that is too much, and safe.
    pub(super) fn changes(
        &mut self,
        space: &str,
        changes: &[Change],
    ) -> Result<Vec<Bytes>, BusError> {
        if !frame::fits(space, &Change::Clear, self.limit) {
            let reason = format!("a space's name of {} bytes", space.len());
            return Err(BusError { reason });
        }
        let all =
            |change: &Change| *change == Change::Clear || !frame::fits(space, change, self.limit);
        let changes = if changes.iter().any(all) { &[Change::Clear] } else { changes };
        let frames = frame::frames(self.head, space, changes, self.limit);
        self.head.number += u64::try_from(frames.len()).unwrap_or(u64::MAX);
        Ok(frames)
    }

    pub(super) fn beat(&self) -> Bytes {
        frame::beat(self.head)
    }

    pub(super) fn farewell(&self) -> Bytes {
        frame::farewell(self.head)
    }
}
