//! Invalidations that a node did not take: they are reported as failed, and remembered.
//!
//! Until they are done, this process does not use the node, so that nothing that it was told to
//! forget is served here; they are the first thing that the node hears when it is back. That is
//! more than was promised, for the caller knows that the invalidation failed, and no substitute for
//! repeating it: what is owed ends with the process.
//!
//! What is remembered is bounded. Too many keys become a clear of the node. Too many tags become a
//! clear of all nodes, because the entries that carry them are everywhere.

use std::collections::HashMap;

use super::TagId;

/// Keys that are remembered at most, and tags: about two megabytes.
const LIMIT: usize = 10_000;
/// Done at a time: a node takes a thousand removals in about a millisecond, so that some progress is
/// made within any budget.
pub(super) const AT_A_TIME: usize = 1_000;

#[derive(Debug)]
pub(super) struct Owed {
    limit: usize,
    /// Counts what was added: who adds something again while it is being done owes it again.
    stamp: u64,
    keys: HashMap<Box<str>, u64>,
    tags: HashMap<TagId, u64>,
    clear: Option<u64>,
}

/// Something that could not be invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Debt {
    Keys(Vec<Box<str>>),
    Tags(Vec<TagId>),
    Clear,
}

/// Whether the other nodes owe something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Reach {
    Here,
    /// All nodes must be cleared.
    Everywhere,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) keys: Vec<Box<str>>,
    pub(super) tags: Vec<TagId>,
    pub(super) clear: bool,
    stamp: u64,
}

impl Default for Owed {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Owed {
    fn with_limit(limit: usize) -> Self {
        Self { limit, stamp: 0, keys: HashMap::new(), tags: HashMap::new(), clear: None }
    }

    pub(super) fn owe(&mut self, debt: Debt) -> Reach {
        self.stamp += 1;
        let stamp = self.stamp;
        match debt {
            Debt::Keys(keys) => self.keys.extend(keys.into_iter().map(|key| (key, stamp))),
            Debt::Tags(tags) => self.tags.extend(tags.into_iter().map(|tag| (tag, stamp))),
            Debt::Clear => self.clear = Some(stamp),
        }
        if self.keys.len() > self.limit {
            self.keys.clear();
            self.clear = Some(stamp);
        }
        if self.tags.len() > self.limit {
            self.tags.clear();
            self.clear = Some(stamp);
            return Reach::Everywhere;
        }
        Reach::Here
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.tags.len() + usize::from(self.clear.is_some())
    }

    /// Some of it, to be [settled](Self::settle) when it is done.
    pub(super) fn next(&self) -> Option<Work> {
        if self.is_empty() {
            return None;
        }
        Some(Work {
            keys: self.keys.keys().take(AT_A_TIME).cloned().collect(),
            tags: self.tags.keys().take(AT_A_TIME).copied().collect(),
            clear: self.clear.is_some(),
            stamp: self.stamp,
        })
    }

    pub(super) fn settle(&mut self, done: &Work) {
        let before = |since: Option<&u64>| since.is_some_and(|since| *since <= done.stamp);
        for key in &done.keys {
            if before(self.keys.get(key)) {
                self.keys.remove(key);
            }
        }
        for tag in &done.tags {
            if before(self.tags.get(tag)) {
                self.tags.remove(tag);
            }
        }
        if done.clear && before(self.clear.as_ref()) {
            self.clear = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        /// An invalidation fails.
        Fail(u8),
        FailTag(u8),
        FailClear,
        /// Work begins.
        Take,
        /// Work that is under way ends well, or not.
        End(prop::sample::Index, bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..12_u8).prop_map(Step::Fail),
            3 => (0..12_u8).prop_map(Step::FailTag),
            1 => Just(Step::FailClear),
            3 => Just(Step::Take),
            3 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(i, ok)| Step::End(i, ok)),
        ];
        prop::collection::vec(step, 0..120)
    }

    fn key(n: u8) -> Box<str> {
        format!("k:{n}").into()
    }

    /// When something failed last, and whether work that began later has done it.
    #[derive(Clone, Default)]
    struct Model {
        failed: HashMap<Debt1, usize>,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    enum Debt1 {
        Key(Box<str>),
        Tag(TagId),
        Clear,
    }

    impl Model {
        fn done(&mut self, work: &Work, began: usize, everywhere: bool) {
            self.failed.retain(|what, failed| {
                let covered = match what {
                    Debt1::Key(key) => work.clear || work.keys.contains(key),
                    Debt1::Tag(tag) => work.tags.contains(tag) || (work.clear && everywhere),
                    Debt1::Clear => work.clear,
                };
                !covered || *failed > began
            });
        }
    }

    fn holds(owed: &Owed, model: &Model, everywhere: bool) -> Result<(), String> {
        for what in model.failed.keys() {
            let remembered = match what {
                Debt1::Key(key) => owed.keys.contains_key(key) || owed.clear.is_some(),
                Debt1::Tag(tag) => {
                    owed.tags.contains_key(tag) || (owed.clear.is_some() && everywhere)
                }
                Debt1::Clear => owed.clear.is_some(),
            };
            if !remembered {
                return Err(format!("{what:?} is forgotten"));
            }
        }
        match owed.keys.len() <= owed.limit && owed.tags.len() <= owed.limit {
            true => Ok(()),
            false => Err("more than the limit is remembered".into()),
        }
    }

    fn play(steps: &[Step], settle: impl Fn(&mut Owed, &Work)) -> Result<(), String> {
        let mut owed = Owed::with_limit(6);
        let mut model = Model::default();
        let mut works: Vec<(Work, usize, bool)> = Vec::new();
        let mut everywhere = false;
        for (now, step) in steps.iter().enumerate() {
            let (debt, what) = match step {
                Step::Fail(n) => (Debt::Keys(vec![key(*n)]), Debt1::Key(key(*n))),
                Step::FailTag(n) => (Debt::Tags(vec![[*n; 16]]), Debt1::Tag([*n; 16])),
                Step::FailClear => (Debt::Clear, Debt1::Clear),
                Step::Take => {
                    works.extend(owed.next().map(|work| (work, now, everywhere)));
                    continue;
                }
                Step::End(..) if works.is_empty() => continue,
                Step::End(index, ok) => {
                    let (work, began, everywhere) = works.swap_remove(index.index(works.len()));
                    if *ok {
                        settle(&mut owed, &work);
                        model.done(&work, began, everywhere);
                    }
                    continue;
                }
            };
            model.failed.insert(what, now);
            everywhere |= owed.owe(debt) == Reach::Everywhere;
            holds(&owed, &model, everywhere)?;
        }
        holds(&owed, &model, everywhere)
    }

    proptest! {
        #[test]
        fn what_failed_is_remembered_until_work_that_began_later_has_done_it(steps in steps()) {
            play(&steps, Owed::settle).map_err(TestCaseError::fail)?;
        }

        #[test]
        fn all_of_it_is_done_at_last(steps in steps()) {
            let mut owed = Owed::with_limit(6);
            for step in &steps {
                let _ = match step {
                    Step::Fail(n) => owed.owe(Debt::Keys(vec![key(*n)])),
                    Step::FailTag(n) => owed.owe(Debt::Tags(vec![[*n; 16]])),
                    _ => owed.owe(Debt::Clear),
                };
            }
            for _ in 0..3 {
                if let Some(work) = owed.next() {
                    owed.settle(&work);
                }
            }
            prop_assert!(owed.is_empty());
        }
    }

    #[test]
    fn control_work_that_settles_what_came_later_is_found_out() {
        let steps = [Step::Fail(1), Step::Take, Step::Fail(1), Step::End(sample(), true)];
        play(&steps, Owed::settle).unwrap();
        let found = play(&steps, |owed, work| {
            owed.keys.retain(|key, _| !work.keys.contains(key));
        });
        assert!(found.unwrap_err().contains("forgotten"));
    }

    fn sample() -> prop::sample::Index {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        any::<prop::sample::Index>().new_tree(&mut runner).unwrap().current()
    }

    #[test]
    fn too_many_keys_become_a_clear_and_too_many_tags_one_of_all_nodes() {
        let mut owed = Owed::default();
        let keys = (0..=LIMIT).map(|n| format!("k:{n}").into()).collect();
        assert_eq!(owed.owe(Debt::Keys(keys)), Reach::Here);
        assert_eq!((owed.len(), owed.clear.is_some()), (1, true));
        let tags = (0..=LIMIT).map(|n| u128::try_from(n).unwrap().to_be_bytes()).collect();
        assert_eq!(owed.owe(Debt::Tags(tags)), Reach::Everywhere);
        assert_eq!((owed.len(), owed.clear.is_some()), (1, true));
    }
}
