//! A read, step by step.

use super::Cache;
use super::mutant::Mutant;
use super::state::{Age, Captured, Load, Origin, ReadStep, State, Value};
use super::store::Leased;

impl State {
    /// A reader comes and finds a value in memory.
    pub(super) fn hit(&mut self, model: &Cache, node: usize) {
        if let Some(entry) = self.nodes[node].servable(model) {
            self.serve(entry.value, None, self.owed(node));
        }
    }

    /// A reader comes and finds none, or one that is to be loaded again in the background.
    pub(super) fn begin(&mut self, node: usize) {
        let load = Load {
            next: ReadStep::Fetch,
            captured: self.nodes[node].capture(),
            lease: None,
            age: Age::New,
            owed: self.owed(node),
            joined: None,
        };
        self.nodes[node].loads.push(load);
    }

    /// A reader comes and waits for a load that is under way.
    pub(super) fn join(&mut self, node: usize, load: usize) {
        let reader = (self.nodes[node].capture(), self.owed(node));
        self.nodes[node].loads[load].joined = Some(reader);
    }

    /// The load does its next step.
    pub(super) fn read(&mut self, model: &Cache, node: usize, load: usize) {
        let mut load = self.nodes[node].loads.remove(load);
        load.next = match load.next {
            ReadStep::Fetch => match self.store.fetch() {
                Some(shared) => ReadStep::CompareTags(shared),
                None => ReadStep::TakeLease { seen: None },
            },
            ReadStep::CompareTags(shared) => match self.store.fits(model, &shared) {
                true => ReadStep::Keep { value: shared.value, from: Origin::Store },
                false => ReadStep::TakeLease { seen: Some(shared) },
            },
            ReadStep::TakeLease { seen } => match self.lease(seen) {
                Leased::Found(shared) => ReadStep::CompareTags(shared),
                Leased::Busy => ReadStep::ReadSource,
                Leased::Won(lease) => {
                    load.lease = Some(lease);
                    ReadStep::ReadSource
                }
            },
            ReadStep::ReadSource => match load.lease {
                Some(_) => ReadStep::HoldTags(self.source),
                None => ReadStep::Keep { value: self.source, from: Origin::Source },
            },
            ReadStep::HoldTags(value) => {
                match load.lease.and_then(|lease| self.store.hold_tag(model, &lease)) {
                    Some(tag) => ReadStep::Fill { value, tag },
                    None => ReadStep::Release(value),
                }
            }
            ReadStep::Fill { value, tag } => {
                if let Some(lease) = load.lease.take() {
                    self.store.fill(model, &lease, value, tag);
                }
                ReadStep::Keep { value, from: Origin::Source }
            }
            ReadStep::Release(value) => {
                if let Some(lease) = load.lease.take() {
                    self.store.release(&lease);
                }
                ReadStep::Keep { value, from: Origin::Source }
            }
            ReadStep::Keep { value, from } => match self.nodes[node].stamp(model, &load, from) {
                Some(stamp) if model.is(Mutant::CheckThenInsert) => {
                    ReadStep::Insert { value, from, stamp }
                }
                stamp => return self.end(model, node, &load, value, from, stamp),
            },
            ReadStep::Insert { value, from, stamp } => {
                return self.end(model, node, &load, value, from, Some(stamp));
            }
        };
        self.nodes[node].loads.push(load);
    }

    fn end(
        &mut self,
        model: &Cache,
        node: usize,
        load: &Load,
        value: Value,
        from: Origin,
        stamp: Option<Captured>,
    ) {
        let age = if model.is(Mutant::LoadAgeFromTheEnd) { Age::New } else { load.age };
        if let Some(stamp) = &stamp {
            self.nodes[node].insert(value, from, stamp, age);
        }
        self.serve(value, Some(from), load.owed);
        if let Some((captured, owed)) = load.joined
            && (stamp.is_some()
                || captured == load.captured
                || model.is(Mutant::JoinersAlwaysServed))
        {
            // Where the load had it from, it had it before this reader came, as memory has.
            self.serve(value, None, owed);
        }
    }
}
