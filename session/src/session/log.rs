//! What a request wants changed, until it is committed. Pure.

use std::collections::BTreeMap;

use crate::record::{Limits, Name, Patch, Value, Values, fit};

/// The last wish for each name: others of the same name are of the past.
#[derive(Debug, Default)]
pub(crate) struct Log {
    wishes: BTreeMap<Name, Wish>,
}

#[derive(Clone, Debug)]
struct Wish {
    /// None: it shall not be there.
    value: Option<Value>,
    /// Made without a look at what is there, so that it is written even if that is the same.
    blind: bool,
}

/// What was wished for under a name before something else was.
pub(crate) struct Before(Name, Option<Wish>);

impl Log {
    /// Wishes for a value, having seen what is there. Wishing for what is there is no wish.
    pub(crate) fn wish(&mut self, name: Name, value: Option<Value>, there: &Values) {
        let blind = self.wishes.get(&name).is_some_and(|wish| wish.blind);
        if !blind && there.get(&name) == value.as_ref() {
            self.wishes.remove(&name);
        } else {
            self.wishes.insert(name, Wish { value, blind });
        }
    }

    /// Wishes for a value, whatever is there.
    pub(crate) fn wish_blindly(&mut self, name: Name, value: Option<Value>) {
        self.wishes.insert(name, Wish { value, blind: true });
    }

    /// What is wished for under a name, to be put back.
    pub(crate) fn before(&self, name: &Name) -> Before {
        Before(name.clone(), self.wishes.get(name).cloned())
    }

    /// As it was before.
    pub(crate) fn put_back(&mut self, Before(name, wish): Before) {
        match wish {
            Some(wish) => drop(self.wishes.insert(name, wish)),
            None => drop(self.wishes.remove(&name)),
        }
    }

    /// All wishes, that are sent now. Until the store has said that it took them, what it holds under these names is not known,
    /// so that wishing for what was there before is a wish as well.
    pub(crate) fn sent(&mut self) -> Patch {
        self.wishes.values_mut().for_each(|wish| wish.blind = true);
        self.patch()
    }

    /// What a handler sees under a name: its own wish, or else what is there.
    pub(crate) fn read<'a>(&'a self, name: &str, there: Option<&'a Values>) -> Option<&'a Value> {
        match self.wishes.get(name) {
            Some(wish) => wish.value.as_ref(),
            None => there.and_then(|values| values.get(name)),
        }
    }

    /// All wishes, for the store.
    pub(crate) fn patch(&self) -> Patch {
        let mut patch = Patch::default();
        for (name, wish) in &self.wishes {
            match &wish.value {
                Some(value) => patch.set(name.clone(), value.clone()),
                None => patch.remove(name.clone()),
            }
        }
        patch
    }

    /// Whether there is room for the wishes beside what is there. Wishes that something be gone always have it.
    ///
    /// The store decides in the end, by what is there then.
    pub(crate) fn fits(&self, there: Option<&Values>, limits: Limits) -> bool {
        let wanted =
            || self.wishes.iter().filter_map(|(name, wish)| Some((name, wish.value.as_ref()?)));
        let is_kept = |name: &Name| !self.wishes.contains_key(name);
        wanted().next().is_none() || fit(wanted, there.into_iter().flatten(), is_kept, limits)
    }

    /// Whether a value is to be set.
    pub(crate) fn sets(&self) -> bool {
        self.wishes.values().any(|wish| wish.value.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// These were done.
    pub(crate) fn done(&mut self, patch: &Patch) {
        let is_done = |name: &Name, wish: &mut Wish| match &wish.value {
            Some(value) => patch.set.get(name) == Some(value),
            None => patch.remove.contains(name),
        };
        self.wishes.retain(|name, wish| !is_done(name, wish));
    }

    /// This was done at once, and takes the place of what was wished for under this name. What was wished meanwhile stays.
    pub(crate) fn replaced(&mut self, name: &str, was: Option<&Value>) {
        if self.wishes.get(name).is_some_and(|wish| wish.value.as_ref() == was) {
            self.wishes.remove(name);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.wishes.clear();
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
