use std::sync::atomic::{AtomicU64, Ordering};

/// What a bus has seen since it began, from `counts()` of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Frames of others that were read.
    pub received: u64,
    /// What was none of ours.
    pub foreign: u64,
    /// Frames that had been damaged.
    pub damaged: u64,
    /// Frames that only a newer release can read.
    pub unknown: u64,
    /// Times that numbers were skipped.
    pub gaps: u64,
    /// Publishers that fell silent.
    pub silences: u64,
    /// Times that listening began, or began again.
    pub connections: u64,
    /// Frames that one of the others did not take in time.
    pub refused: u64,
    /// Subscribers' panics.
    pub panics: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Received,
    Foreign,
    Damaged,
    Unknown,
    Gap,
    Silence,
    Connection,
    Refused,
    Panic,
}

/// Where events are counted: one cell for each.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; 9]);

impl Tally {
    pub(super) fn count(&self, event: Event) {
        if let Some(cell) = self.0.get(event as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let [received, foreign, damaged, unknown, gaps, silences, connections, refused, panics] =
            self.0.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        Counts { received, foreign, damaged, unknown, gaps, silences, connections, refused, panics }
    }
}
