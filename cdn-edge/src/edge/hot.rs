//! The headers of what is asked for all the time, ready to be copied.
//!
//! A stored header is one block of bytes, because a map of values takes more. Making a map of it is the
//! largest part of a hit; copying one costs much less (`cdn-edge: hit` beside `cdn-edge: hit, cold` in the counted
//! instructions). So the objects that are asked for most have one, in a table of fixed size beside the store.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock, Weak};

use http::header::{AGE, HeaderMap, HeaderName, HeaderValue};

use crate::object::Object;

/// How many objects have one: at 1 to 2 KiB each a mebibyte or two, whatever is stored.
const SLOTS: usize = 1024;

/// Maps by the number of their object.
pub(super) struct Hot {
    slots: Box<[Slot]>,
}

#[derive(Default)]
struct Slot {
    /// The object that was asked for last: only the second in a row is worth a map.
    last: AtomicUsize,
    map: RwLock<Option<(Weak<Object>, Arc<HeaderMap>)>>,
}

impl Hot {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Slot::default()).collect() }
    }

    /// The header of an object, with room for `Age` and a field of this name: as places that the caller fills, so
    /// that the map does not grow. Where the origin sent fields of this name, the caller appends its own.
    pub(super) fn headers(&self, object: &Arc<Object>, field: &HeaderName) -> (HeaderMap, Room) {
        let place = Arc::as_ptr(object);
        let slot = &self.slots[index(object.number)];
        // A weak reference keeps the place from being used again, so that equal places are one object.
        let known = slot.map.try_read().ok().and_then(|map| match &*map {
            Some((weak, map)) if std::ptr::eq(weak.as_ptr(), place) => Some(Arc::clone(map)),
            _ => None,
        });
        if let Some(map) = known {
            return (HeaderMap::clone(&map), Room::Kept);
        }
        let mut headers = object.head.headers(2);
        if headers.contains_key(field) {
            return (headers, Room::None);
        }
        headers.insert(AGE, HeaderValue::from_static("0"));
        headers.insert(field, HeaderValue::from_static(""));
        if slot.last.swap(place as usize, Ordering::Relaxed) == place as usize {
            // Whoever finds the slot taken has lost nothing.
            if let Ok(mut map) = slot.map.try_write() {
                *map = Some((Arc::downgrade(object), Arc::new(headers.clone())));
            }
        }
        (headers, Room::Kept)
    }
}

/// Whether there is a place for the edge's own field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// To be filled.
    Kept,
    /// To be appended to.
    None,
}

/// Objects that came one after another, as those of one page do, have slots of their own.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

impl fmt::Debug for Hot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hot").finish_non_exhaustive()
    }
}
