//! The second level. Each function is one script there, and so one step.

use super::Cache;
use super::mutant::Mutant;
use super::state::{Change, Held, Lease, Shared, State, Store, Value};

/// What comes of asking for a lease.
pub(super) enum Leased {
    Won(Lease),
    Busy,
    Found(Shared),
}

/// What a store loses when it starts again or its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// It starts again, empty.
    Everything,
    /// The version of the tag.
    Tag,
    /// The number of the last clear.
    Epoch,
    /// The number of the last bump of a tag.
    Sequence,
}

impl State {
    /// Asks for the right to fill. `seen` is what was found there and will not do.
    pub(super) fn lease(&mut self, seen: Option<Shared>) -> Leased {
        match self.store.fetch() {
            Some(shared) if seen != Some(shared) => Leased::Found(shared),
            _ if self.store.held.is_some() => Leased::Busy,
            _ => Leased::Won(self.hold(false)),
        }
    }

    /// The right to fill after a write, which two at a time do not get.
    pub(super) fn lease_for_write(&mut self, model: &Cache) -> Lease {
        let other = self.store.held.filter(|held| held.writer);
        let mut lease = self.hold(true);
        match other {
            // The same token is good for both.
            Some(held) if model.is(Mutant::BothWritersFill) => {
                lease.token = held.token;
                self.store.held = Some(held);
            }
            Some(_) if !model.is(Mutant::SecondWriterFills) => self.store.held = None,
            _ => {}
        }
        lease
    }

    fn hold(&mut self, writer: bool) -> Lease {
        let again = std::mem::take(&mut self.store.starts_again);
        let token = if again { 0 } else { self.fresh_token() };
        self.store.held = Some(Held { token, writer });
        Lease { token, epoch: self.store.epoch, sequence: self.store.sequence }
    }
}

impl Store {
    /// What is there, but for what is from before a clear.
    pub(super) fn fetch(&self) -> Option<Shared> {
        self.shared.filter(|shared| shared.epoch == self.epoch)
    }

    /// Whether a number is of the count that is going on, and not of one that was lost.
    fn counts(&self, model: &Cache, number: i8) -> bool {
        (self.first..=self.sequence).contains(&number) || model.is(Mutant::CountsMixed)
    }

    /// Whether the value's tag was not bumped since.
    pub(super) fn fits(&self, model: &Cache, shared: &Shared) -> bool {
        model.is(Mutant::SharedTagsUnchecked)
            || match self.tag {
                Some(tag) => tag == shared.tag,
                None => model.is(Mutant::MissingTagFits),
            }
    }

    /// What a reader that comes now would find.
    pub(super) fn servable(&self, model: &Cache) -> Option<Shared> {
        self.fetch().filter(|shared| self.fits(model, shared))
    }

    pub(super) fn is_held(&self, lease: &Lease) -> bool {
        self.held.is_some_and(|held| held.token == lease.token) && self.epoch == lease.epoch
    }

    /// The version under which a value may be kept that carries the tag.
    pub(super) fn hold_tag(&mut self, model: &Cache, lease: &Lease) -> Option<i8> {
        let unchecked = model.is(Mutant::HoldWithoutSequence);
        if !self.counts(model, lease.sequence) && !unchecked {
            return None;
        }
        match self.tag.filter(|tag| self.counts(model, *tag)) {
            Some(tag) => (tag <= lease.sequence || unchecked).then_some(tag),
            // It may have been bumped and forgotten.
            None if self.sequence != lease.sequence
                && !(unchecked || model.is(Mutant::MissingTagHeld)) =>
            {
                None
            }
            None => {
                self.tag = Some(self.sequence);
                self.tag
            }
        }
    }

    /// Keeps a value; returns whether it did.
    pub(super) fn fill(&mut self, model: &Cache, lease: &Lease, value: Value, tag: i8) -> bool {
        let of_now = model.is(Mutant::FillUnderEpochOfNow);
        let epoch = if of_now { self.epoch } else { lease.epoch };
        let may = self.is_held(&Lease { epoch, ..*lease }) || model.is(Mutant::FillWithoutLease);
        if may {
            self.shared = Some(Shared { value, epoch, tag });
            self.held = self.held.filter(|held| held.writer && model.is(Mutant::BothWritersFill));
        }
        may
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        self.held = self.held.filter(|held| held.token != lease.token);
    }

    pub(super) fn invalidate(&mut self, model: &Cache, change: Change) {
        match change {
            Change::Key => {
                self.shared = None;
                self.held = self.held.filter(|_| model.is(Mutant::RemoveKeepsLease));
            }
            Change::Tag => {
                self.sequence += 1;
                self.tag = Some(self.sequence);
            }
            Change::Clear => self.epoch += 1,
        }
    }

    /// Loses something. Numbers that are lost are followed by some that were never used.
    pub(super) fn lose(&mut self, model: &Cache, lost: Lost) {
        let epoch = match model.mutant {
            Some(Mutant::EpochStartsAgain | Mutant::AllStartsAgain) => 0,
            _ => self.epoch + 1,
        };
        // Lower, which is worse than higher.
        let sequence = match model.mutant {
            Some(Mutant::SequenceStartsAgain | Mutant::AllStartsAgain) => 0,
            _ => -8,
        };
        let first = sequence;
        match lost {
            Lost::Everything => {
                let starts_again =
                    model.is(Mutant::TokensStartAgain) || model.is(Mutant::AllStartsAgain);
                *self = Self { epoch, sequence, first, starts_again, ..Self::default() };
            }
            Lost::Tag => self.tag = None,
            Lost::Epoch => self.epoch = epoch,
            Lost::Sequence => (self.sequence, self.first) = (sequence, first),
        }
    }
}
