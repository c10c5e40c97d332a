//! What a request wants changed, until it is committed. Pure.

use std::collections::BTreeMap;

use crate::record::{Limits, Name, Patch, Value, Values};

/// The last wish for each name: others of the same name are of the past.
#[derive(Debug, Default)]
pub(crate) struct Log {
    wishes: BTreeMap<Name, Wish>,
}

#[derive(Debug)]
struct Wish {
    /// None: it shall not be there.
    value: Option<Value>,
    /// Made without a look at what is there, so that it is written even if that is the same.
    blind: bool,
}

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
            self.wishes.iter().filter_map(|(name, wish)| Some((name, wish.value.as_ref()?)));
        let kept = there.into_iter().flatten().filter(|(name, _)| !self.wishes.contains_key(*name));
        let (mut bytes, mut values, mut longest, mut wants) = (0, 0, 0, false);
        for (name, value) in wanted {
            let length = value.as_json().len();
            (bytes, values) = (bytes + name.as_str().len() + length, values + 1);
            (longest, wants) = (longest.max(length), true);
        }
        for (name, value) in kept {
            (bytes, values) = (bytes + name.as_str().len() + value.as_json().len(), values + 1);
        }
        !wants || (bytes <= limits.bytes && values <= limits.values && longest <= limits.value)
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

    /// This was done at once, and takes the place of what was wished before.
    pub(crate) fn forget(&mut self, name: &str) {
        self.wishes.remove(name);
    }

    pub(crate) fn clear(&mut self) {
        self.wishes.clear();
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
