use std::fmt;
use std::sync::Mutex;

use bytes::BytesMut;
use http::HeaderValue;

/// How many numbers are kept: the ages and lifetimes of a busy edge lie close together.
const SLOTS: usize = 512;

/// Values of `Age` and `Cache-Status` that were written a moment ago.
///
/// Both change once a second and are the same for all objects of one age, so a busy edge writes few and hands
/// out copies of one buffer.
pub(crate) struct Numerals {
    slots: Box<[Mutex<Option<(i64, HeaderValue)>>]>,
}

impl Numerals {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::new(None)).collect() }
    }

    /// The value for a number; `write` makes it if it is not at hand.
    pub(crate) fn value(&self, number: i64, write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
        let slot = &self.slots[usize::try_from(number.unsigned_abs()).unwrap_or(0) % SLOTS];
        // Whoever finds the slot taken writes a value of its own instead of waiting.
        let Ok(mut slot) = slot.try_lock() else { return made(write) };
        match &*slot {
            Some((known, value)) if *known == number => value.clone(),
            _ => {
                let value = made(write);
                *slot = Some((number, value.clone()));
                value
            }
        }
    }
}

fn made(write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
    let mut text = BytesMut::with_capacity(48);
    write(&mut text);
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl fmt::Debug for Numerals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Numerals").finish_non_exhaustive()
    }
}
