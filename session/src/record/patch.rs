use super::{Name, Value, Values};

/// Changes of values: what stores merge into what is there, value by value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Values to set.
    pub set: Values,
    /// Names to remove. None of them is in `set`.
    pub remove: Vec<Name>,
}

impl Patch {
    /// Sets a value.
    pub fn set(&mut self, name: Name, value: Value) {
        self.remove.retain(|removed| *removed != name);
        self.set.insert(name, value);
    }

    /// Removes a value.
    pub fn remove(&mut self, name: Name) {
        self.set.remove(&name);
        if !self.remove.contains(&name) {
            self.remove.push(name);
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

/// How much a session may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of names and values together. Default 64 KiB: it is read with every request.
    pub bytes: usize,
    /// Values. Default 128.
    pub values: usize,
    /// Bytes of one value. Default 64 KiB.
    pub value: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, values: 128, value: 64 * 1024 }
    }
}

/// Bytes of names and values.
#[must_use]
pub fn size(values: &Values) -> usize {
    measure(values.iter()).0
}

/// Changes `values`, or nothing and `false` if they would be more than the limits allow. What only removes is always
/// allowed.
#[must_use]
pub fn apply(values: &mut Values, patch: &Patch, limits: Limits) -> bool {
    if !patch.set.is_empty() && !fits(values, patch, limits) {
        return false;
    }
    for name in &patch.remove {
        values.remove(name);
    }
    for (name, value) in &patch.set {
        values.insert(name.clone(), value.clone());
    }
    true
}

fn fits(values: &Values, patch: &Patch, limits: Limits) -> bool {
    let is_kept = |name: &Name| !patch.set.contains_key(name) && !patch.remove.contains(name);
    fit(|| patch.set.iter(), values.iter(), is_kept, limits)
}

/// Whether these values fit, beside those of the others that are kept.
pub(crate) fn fit<'a, S>(
    set: impl Fn() -> S,
    others: impl Iterator<Item = (&'a Name, &'a Value)> + Clone,
    is_kept: impl Fn(&Name) -> bool,
    limits: Limits,
) -> bool
where
    S: Iterator<Item = (&'a Name, &'a Value)>,
{
    let longest = set().map(|(_, value)| value.as_json().len()).max().unwrap_or(0);
    let (bytes, count) = measure(set());
    let room = |(more, others): (usize, usize)| {
        bytes + more <= limits.bytes && count + others <= limits.values
    };
    // Mostly there is room for all of both, and nobody has to look which of the others are replaced.
    longest <= limits.value
        && (room(measure(others.clone()))
            || room(measure(others.filter(|(name, _)| is_kept(name)))))
}

/// Bytes of names and values, and how many there are.
fn measure<'a>(values: impl Iterator<Item = (&'a Name, &'a Value)>) -> (usize, usize) {
    values.fold((0, 0), |(bytes, count), (name, value)| {
        (bytes + name.as_str().len() + value.as_json().len(), count + 1)
    })
}
