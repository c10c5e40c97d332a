//! The first level of one process: what a load captures, and what may be kept.

use super::Cache;
use super::mutant::Mutant;
use super::state::{Age, Captured, Change, Entry, Load, Node, Origin, Value};

impl Node {
    pub(super) fn capture(&self) -> Captured {
        Captured { floor: self.floor, epoch: self.epoch, sequence: self.sequence }
    }

    /// What a reader that comes now would be given without a load.
    pub(super) fn servable(&self, model: &Cache) -> Option<Entry> {
        self.entry.filter(|entry| self.is_current(entry) || model.is(Mutant::NoStampCheck))
    }

    /// Whether nothing has moved since this was captured.
    pub(super) fn is_unmoved(&self, captured: &Captured) -> bool {
        *captured == self.capture()
    }

    /// What a load's value may be stamped with, if it may be kept. With the insert this is one step.
    pub(super) fn stamp(&self, model: &Cache, load: &Load, from: Origin) -> Option<Captured> {
        let mut captured = load.captured;
        if model.is(Mutant::TagsCapturedLate) {
            captured.sequence = self.sequence;
        }
        let may = self.is_unmoved(&captured)
            || model.is(Mutant::NoVersionCheck)
            || (from == Origin::Store && model.is(Mutant::SharedWithoutCapture));
        may.then_some(Captured { sequence: self.sequence, ..captured })
    }

    pub(super) fn insert(&mut self, value: Value, from: Origin, stamp: &Captured, age: Age) {
        self.entry = Some(Entry { value, epoch: stamp.epoch, tag: stamp.sequence, from, age });
    }

    /// Makes loads lose that captured before, and what is kept unusable.
    pub(super) fn invalidate(&mut self, change: Change) {
        match change {
            Change::Key => {
                self.floor += 1;
                self.entry = None;
            }
            Change::Tag => self.sequence += 1,
            Change::Clear => self.epoch += 1,
        }
    }

    /// Keeps what was written here, unless something has moved since before the write.
    pub(super) fn put(&mut self, model: &Cache, value: Value, captured: &Captured, age: Age) {
        let may = self.is_unmoved(captured) || model.is(Mutant::PutWithoutCheck);
        if !model.is(Mutant::PutMovesNothing) {
            self.floor += 1;
        }
        match may {
            true => self.insert(value, Origin::Source, &self.capture(), age),
            false => self.entry = None,
        }
    }
}
