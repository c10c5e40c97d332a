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
    /// Attempts to begin that failed.
    pub failures: u64,
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
    Failure,
    Refused,
    Panic,
}

/// Where events are counted: one cell for each.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; 10]);

impl Tally {
    pub(super) fn count(&self, event: Event) {
        if let Some(cell) = self.0.get(event as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let of = |event: Event| {
            let cell: Option<&AtomicU64> = self.0.get(event as usize);
            cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
        };
        Counts {
            received: of(Event::Received),
            foreign: of(Event::Foreign),
            damaged: of(Event::Damaged),
            unknown: of(Event::Unknown),
            gaps: of(Event::Gap),
            silences: of(Event::Silence),
            connections: of(Event::Connection),
            failures: of(Event::Failure),
            refused: of(Event::Refused),
            panics: of(Event::Panic),
        }
    }
}
