//! What was purged, without locks: the decision.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::rule::{self, Rule};
use super::{Limits, Marks, Mode, Prefix, Tag, Target, Verdict};

/// The last purge of each mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    hard: u64,
    soft: u64,
}

/// The purged tags, prefixes, and the floor under all of them.
#[derive(Debug)]
pub(super) struct Table {
    limits: Limits,
    /// Everything fetched before it counts as purged: by a purge of all, or by one that was
    /// forgotten.
    floor: Numbers,
    tags: HashMap<Tag, Numbers, BuildHasherDefault<Hashed>>,
    /// The tags by their last purge. A tag that is purged again stays here at its earlier place
    /// too.
    order: VecDeque<(u64, Tag)>,
    /// By their last purge, so that what is new is at the end.
    prefixes: Vec<(Prefix, Numbers)>,
    pub(super) forgotten_tags: u64,
    pub(super) forgotten_prefixes: u64,
}

/// What a purge of everything leaves to be freed, outside the lock.
pub(super) type Rest = (HashMap<Tag, Numbers, BuildHasherDefault<Hashed>>, VecDeque<(u64, Tag)>);

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            floor: Numbers::default(),
            tags: HashMap::default(),
            order: VecDeque::new(),
            prefixes: Vec::new(),
            forgotten_tags: 0,
            forgotten_prefixes: 0,
        }
    }

    pub(super) fn purge(&mut self, number: u64, target: &Target, mode: Mode) -> Option<Rest> {
        match target {
            Target::Tag(tag) => self.purge_tag(number, *tag, mode),
            Target::Prefix(text) => match Prefix::new(text) {
                prefix if prefix.is_everything() => return self.purge_all(number, mode),
                prefix => self.purge_prefix(number, prefix, mode),
            },
            Target::All => return self.purge_all(number, mode),
        }
        None
    }

    /// What all purges say of these marks. Prefixes that were purged up to their last check are not
    /// compared again.
    pub(super) fn verdict(&self, marks: &Marks) -> Verdict {
        let since = marks.since().0;
        let tags = marks.tags().iter().filter_map(|tag| self.tags.get(tag));
        let checked = marks.checked();
        let new = self.prefixes.iter().rev().take_while(|(_, numbers)| numbers.last() > checked);
        let prefixes = new.filter(|(prefix, _)| prefix.holds(marks.url())).map(|(_, it)| it);
        let all = std::iter::once(&self.floor).chain(tags).chain(prefixes);
        all.map(|numbers| numbers.verdict(since)).max().unwrap_or(Verdict::Valid)
    }

    pub(super) fn tags(&self) -> usize {
        self.tags.len()
    }

    pub(super) fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    #[cfg(test)]
    pub(super) fn order(&self) -> usize {
        self.order.len()
    }

    fn purge_tag(&mut self, number: u64, tag: Tag, mode: Mode) {
        let numbers = self.tags.entry(tag).or_default();
        let known = numbers.last() > 0;
        numbers.record(number, mode);
        if !known || rule::on(Rule::PurgedAgain) {
            self.order.push_back((number, tag));
        }
        while self.tags.len() > self.limits.tags {
            self.forget_oldest_tag();
        }
        // Places that say nothing any more go when they are as many as those that do.
        if self.order.len() > 64 + 2 * self.tags.len() {
            let tags = &self.tags;
            self.order.retain(|(at, tag)| tags.get(tag).is_some_and(|it| it.last() == *at));
        }
    }

    fn purge_prefix(&mut self, number: u64, prefix: Prefix, mode: Mode) {
        let mut numbers = Numbers::default();
        self.prefixes.retain(|(other, theirs)| {
            if *other == prefix {
                numbers = *theirs;
                return false;
            }
            let as_hard = mode == Mode::Hard || theirs.hard == 0 || !rule::on(Rule::CoveredAsHard);
            !(as_hard && prefix.covers(other))
        });
        numbers.record(number, mode);
        self.prefixes.push((prefix, numbers));
        while self.prefixes.len() > self.limits.prefixes {
            let (_, oldest) = self.prefixes.remove(0);
            self.floor.raise(oldest);
            self.forgotten_prefixes += 1;
        }
    }

    fn purge_all(&mut self, number: u64, mode: Mode) -> Option<Rest> {
        self.floor.record(number, mode);
        if mode == Mode::Soft {
            return None;
        }
        // Nothing that is remembered is newer, and nothing is harder.
        self.prefixes.clear();
        Some((std::mem::take(&mut self.tags), std::mem::take(&mut self.order)))
    }

    fn forget_oldest_tag(&mut self) {
        while let Some((at, tag)) = self.order.pop_front() {
            if let Entry::Occupied(entry) = self.tags.entry(tag)
                && (entry.get().last() == at || !rule::on(Rule::PurgedAgain))
            {
                let numbers = entry.remove();
                self.floor.raise(numbers);
                self.forgotten_tags += 1;
                return;
            }
        }
    }
}

impl Numbers {
    fn record(&mut self, number: u64, mode: Mode) {
        match mode {
            Mode::Hard => self.hard = number,
            Mode::Soft => {
                self.soft = number;
                if !rule::on(Rule::HardStays) {
                    self.hard = 0;
                }
            }
        }
    }

    fn raise(&mut self, forgotten: Self) {
        if rule::on(Rule::Floor) {
            self.hard = self.hard.max(forgotten.hard);
            self.soft = self.soft.max(forgotten.soft);
        }
    }

    fn last(self) -> u64 {
        self.hard.max(self.soft)
    }

    fn verdict(self, since: u64) -> Verdict {
        match () {
            () if since < self.hard => Verdict::Hard,
            () if since < self.soft => Verdict::Soft,
            () => Verdict::Valid,
        }
    }
}

/// A tag is a seeded hash already.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never called for a tag, and right for whatever calls it.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
