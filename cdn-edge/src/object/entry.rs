use std::sync::Arc;

use super::Object;
use crate::semantics::Failure;
use crate::store::Weigh;

/// All that is stored under one key. It is replaced whole, so that a reader sees one moment of it.
#[derive(Debug)]
pub(crate) struct Entry {
    key: Box<[u8]>,
    variants: Box<[Arc<Object>]>,
    /// Until this tick the key counts as not storable (hit-for-miss).
    pass_until: u64,
    /// Until this tick it counts so for requests that tell who asks.
    personal_until: u64,
    /// How the origin failed, and the tick until which it is not asked again while something stale can stand in.
    wait: Option<(Failure, u64)>,
}

/// How many responses one key may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// Whole ones, for different values of the fields in `Vary`.
    pub(crate) variants: usize,
    /// Parts.
    pub(crate) parts: usize,
}

impl Entry {
    /// The entry with a marker: the last answer could not be stored, at all or because of who had asked.
    pub(crate) fn passing(old: Option<&Self>, key: &[u8], until: u64, is_personal: bool) -> Self {
        let variants = old.map_or_else(Box::default, |old| old.variants.clone());
        let pass_until = if is_personal { old.map_or(0, |old| old.pass_until) } else { until };
        let personal_until =
            if is_personal { until } else { old.map_or(0, |old| old.personal_until) };
        Self { key: key.into(), variants, pass_until, personal_until, wait: None }
    }

    /// The entry with the note that its origin failed.
    pub(crate) fn waiting(old: &Self, failure: Failure, until: u64) -> Self {
        let (key, variants) = (old.key.clone(), old.variants.clone());
        Self {
            key,
            variants,
            pass_until: old.pass_until,
            personal_until: old.personal_until,
            wait: Some((failure, until)),
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn variants(&self) -> &[Arc<Object>] {
        &self.variants
    }

    /// Whether the key was found not storable a moment ago.
    pub(crate) fn passes(&self, is_personal: bool, tick: u64) -> bool {
        tick < self.pass_until || is_personal && tick < self.personal_until
    }

    /// How the origin failed for it, if that was a moment ago.
    pub(crate) fn waits(&self, tick: u64) -> Option<Failure> {
        self.wait.filter(|(_, until)| tick < *until).map(|(failure, _)| failure)
    }

    /// The entry with one more response, in place of the one that it succeeds.
    ///
    /// `None` if a stored response was asked for after a purge that the new one precedes: an answer that was
    /// long on its way must not replace what a purge has made room for.
    pub(crate) fn with(
        old: Option<&Self>,
        key: &[u8],
        object: Arc<Object>,
        caps: Caps,
    ) -> Option<Self> {
        let old = old.filter(|old| old.key() == key);
        let mut variants: Vec<Arc<Object>> = old.map_or_else(Vec::new, |old| old.variants.to_vec());
        if variants
            .iter()
            .any(|other| same_place(other, &object) && other.marks.since() > object.marks.since())
        {
            return None;
        }
        variants.retain(|other| !same_place(other, &object));
        let is_part = object.stored.span.is_some();
        variants.push(object);
        bound(&mut variants, is_part, caps);
        Some(Self {
            key: key.into(),
            variants: variants.into(),
            pass_until: 0,
            personal_until: old.map_or(0, |old| old.personal_until),
            wait: None,
        })
    }

    /// The entry with one response in place of another, if that is still there.
    pub(crate) fn replacing(old: &Self, of: &Arc<Object>, with: Arc<Object>) -> Option<Self> {
        let at = old.variants.iter().position(|variant| Arc::ptr_eq(variant, of))?;
        let mut variants = old.variants.to_vec();
        // It is the newest now.
        variants.remove(at);
        variants.push(with);
        Some(Self {
            key: old.key.clone(),
            variants: variants.into(),
            pass_until: 0,
            personal_until: old.personal_until,
            wait: None,
        })
    }

    /// The entry with one response in place of the parts that it was made of, if they are all still there, and
    /// nothing newer is in the place of what they have become.
    pub(crate) fn combining(
        old: &Self,
        parts: &[Arc<Object>],
        with: Arc<Object>,
        caps: Caps,
    ) -> Option<Self> {
        let is_made_of = |object: &Arc<Object>| parts.iter().any(|part| Arc::ptr_eq(part, object));
        if old.variants.iter().filter(|object| is_made_of(object)).count() != parts.len() {
            return None;
        }
        let mut variants = old.variants.to_vec();
        variants.retain(|object| !is_made_of(object));
        if variants
            .iter()
            .any(|other| same_place(other, &with) && other.stored.date > with.stored.date)
        {
            return None;
        }
        variants.retain(|other| !same_place(other, &with));
        let is_part = with.stored.span.is_some();
        variants.push(with);
        bound(&mut variants, is_part, caps);
        Some(Self {
            key: old.key.clone(),
            variants: variants.into(),
            pass_until: old.pass_until,
            personal_until: old.personal_until,
            wait: old.wait,
        })
    }

    /// The entry without some of its responses; `None` if nothing is left.
    pub(crate) fn without(old: &Self, gone: impl Fn(&Arc<Object>) -> bool) -> Option<Self> {
        let variants: Vec<_> =
            old.variants.iter().filter(|variant| !gone(variant)).cloned().collect();
        let left = !variants.is_empty() || old.pass_until.max(old.personal_until) > 0;
        left.then(|| Self {
            key: old.key.clone(),
            variants: variants.into(),
            pass_until: old.pass_until,
            personal_until: old.personal_until,
            wait: old.wait,
        })
    }
}

/// Takes out the oldest parts, or the oldest whole ones, beyond what is kept of them: they stand first.
fn bound(variants: &mut Vec<Arc<Object>>, parts: bool, caps: Caps) {
    let cap = if parts { caps.parts } else { caps.variants }.max(1);
    let is_such = |object: &Arc<Object>| object.stored.span.is_some() == parts;
    let mut beyond = variants.iter().filter(|object| is_such(object)).count().saturating_sub(cap);
    variants.retain(|object| {
        let goes = beyond > 0 && is_such(object);
        beyond -= usize::from(goes);
        !goes
    });
}

/// Whether two responses answer the same requests: the same fields with the same values, and the same part.
///
/// A whole response also takes the place of the parts of its variant.
fn same_place(old: &Object, new: &Object) -> bool {
    let (old, new) = (&old.stored, &new.stored);
    let same_part = match (old.span, new.span) {
        (Some(old), Some(new)) => {
            new.start <= old.start && old.end <= new.end || old.total != new.total
        }
        (Some(_), None) | (None, None) => true,
        (None, Some(_)) => false,
    };
    same_part && old.selecting == new.selecting
}

impl Weigh for Entry {
    fn weight(&self) -> u64 {
        let variants: u64 = self.variants.iter().map(|variant| variant.weight() + 8).sum();
        (size_of::<Self>() + self.key.len()) as u64 + variants
    }
}
