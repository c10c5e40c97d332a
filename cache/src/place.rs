//! Where an entry lives in this process: by a hash of its key's encoding.
//!
//! The encoding, and not the key itself, so that a message from another process, which has only the
//! bytes, finds the same place. The hash starts from a seed that no other process knows: nobody can
//! choose keys that meet. Should two meet all the same, the bytes tell them apart.
//!
//! What is one number or one text, as most keys are, has the same place whether the key itself or its
//! encoding is looked at. So a hit on it encodes nothing.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::{FixedState, FoldHasher};

use crate::key::{CacheKey, KeyBuf, Plain};

/// Makes places.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    numbers: FixedState,
    texts: FixedState,
    others: FixedState,
}

/// A key's place and its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) place: u64,
    pub(crate) bytes: Box<[u8]>,
}

/// A key that is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    Plain(Plain<'a>),
    Bytes(&'a [u8]),
}

/// A key as an entry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Number(u64),
    Text(Box<str>),
    Other(Box<[u8]>),
}

impl Kept {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        match Plain::read(bytes) {
            Plain::Number(number) => Self::Number(number),
            Plain::Text(text) => Self::Text(text.into()),
            Plain::Other => Self::Other(bytes.into()),
        }
    }

    #[inline]
    pub(crate) fn is(&self, asked: Asked<'_>) -> bool {
        match (self, asked) {
            (Self::Number(kept), Asked::Plain(Plain::Number(number))) => *kept == number,
            (Self::Text(kept), Asked::Plain(Plain::Text(text))) => **kept == *text,
            (Self::Other(kept), Asked::Bytes(bytes)) => **kept == *bytes,
            (Self::Number(_) | Self::Text(_), Asked::Bytes(bytes)) => self.is_read(bytes),
            _ => false,
        }
    }

    /// A key of a type that does not say what it is.
    fn is_read(&self, bytes: &[u8]) -> bool {
        match (self, Plain::read(bytes)) {
            (Self::Number(kept), Plain::Number(number)) => *kept == number,
            (Self::Text(kept), Plain::Text(text)) => **kept == *text,
            _ => false,
        }
    }
}

thread_local! {
    /// One buffer a thread, so that a lookup allocates nothing.
    static BUFFER: RefCell<KeyBuf> = const { RefCell::new(KeyBuf::empty()) };
}

impl Places {
    pub(crate) fn new(seed: u64) -> Self {
        // A seed for each kind, so that a number and the text of it do not meet.
        let [numbers, texts, others] =
            [0, 1, 2].map(|kind| FixedState::with_seed(seed.wrapping_add(kind)));
        Self { numbers, texts, others }
    }

    /// The place of the key that has this encoding.
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> u64 {
        match Plain::read(bytes) {
            Plain::Other => hash(&self.others, |hasher| hasher.write(bytes)),
            plain => self.of_plain(plain),
        }
    }

    #[inline]
    fn of_plain(&self, plain: Plain<'_>) -> u64 {
        match plain {
            Plain::Number(number) => hash(&self.numbers, |hasher| hasher.write_u64(number)),
            Plain::Text(text) => hash(&self.texts, |hasher| hasher.write(text.as_bytes())),
            Plain::Other => 0,
        }
    }

    /// Calls `work` with the key's place and what tells it from others there.
    #[inline]
    pub(crate) fn look<K, R>(&self, key: &K, work: impl FnOnce(u64, Asked<'_>) -> R) -> R
    where
        K: CacheKey + ?Sized,
    {
        match key.plain() {
            Plain::Other => self.with(key, |place, bytes| work(place, Asked::Bytes(bytes))),
            plain => work(self.of_plain(plain), Asked::Plain(plain)),
        }
    }

    /// Calls `work` with the key's place and encoding.
    #[inline]
    pub(crate) fn with<K, R>(&self, key: &K, work: impl FnOnce(u64, &[u8]) -> R) -> R
    where
        K: CacheKey + ?Sized,
    {
        BUFFER.with(|buffer| match buffer.try_borrow_mut() {
            Ok(mut buffer) => {
                buffer.clear();
                key.encode(&mut buffer);
                work(self.of_bytes(buffer.bytes()), buffer.bytes())
            }
            // A key that looks something up while it is being encoded.
            Err(_) => {
                let buffer = KeyBuf::of(key);
                work(self.of_bytes(buffer.bytes()), buffer.bytes())
            }
        })
    }

    pub(crate) fn placed<K: CacheKey + ?Sized>(&self, key: &K) -> Placed {
        self.with(key, |place, bytes| Placed { place, bytes: bytes.into() })
    }
}

#[inline]
fn hash(state: &FixedState, write: impl FnOnce(&mut FoldHasher<'_>)) -> u64 {
    let mut hasher = state.build_hasher();
    write(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key that does not say that it is plain.
    struct Silent<K>(K);
    impl<K: CacheKey> CacheKey for Silent<K> {
        fn encode(&self, key: &mut KeyBuf) {
            self.0.encode(key);
        }
    }

    /// Where it is and what it is must not depend on who asks.
    fn agrees(key: &impl CacheKey) {
        let places = Places::new(1);
        let Placed { place, bytes } = places.placed(key);
        let kept = Kept::new(&bytes);
        places.look(key, |at, asked| assert!(at == place && kept.is(asked), "{asked:?}"));
        places.look(&Silent(key), |at, asked| assert!(at == place && kept.is(asked), "{asked:?}"));
        assert_eq!(places.of_bytes(&bytes), place);
    }

    proptest! {
        #[test]
        fn a_key_has_one_place_whoever_asks(
            number: u64, signed: i64, wide: u128, text: String, bytes: Vec<u8>, odd in "[is0-9,]{0,6}",
        ) {
            agrees(&number);
            agrees(&signed);
            agrees(&wide);
            agrees(&text);
            agrees(&bytes);
            agrees(&odd);
            agrees(&(number, text));
            agrees(&Some(number));
        }

        #[test]
        fn different_keys_are_told_apart(a in "[is0-9,]{0,4}", b in "[is0-9,]{0,4}", n in 0..50_u64) {
            let (one, other) = (KeyBuf::of(&a), KeyBuf::of(&b));
            Places::new(1).look(&b, |_, asked| {
                assert_eq!(Kept::new(one.bytes()).is(asked), a == b);
            });
            Places::new(1).look(&n, |_, asked| assert!(!Kept::new(other.bytes()).is(asked)));
            prop_assert_eq!(Places::new(1).placed(&a).place == Places::new(1).placed(&b).place, a == b);
        }

        #[test]
        fn any_bytes_can_be_looked_at(bytes: Vec<u8>) {
            let places = Places::new(1);
            let asked = match Plain::read(&bytes) {
                Plain::Other => Asked::Bytes(&bytes),
                plain => Asked::Plain(plain),
            };
            prop_assert!(Kept::new(&bytes).is(asked));
            prop_assert_eq!(places.of_bytes(&bytes), places.of_bytes(&bytes));
        }
    }

    #[test]
    fn what_is_nearly_a_number_or_a_text_is_neither() {
        for odd in [
            "i01,",
            "i,",
            "i-1,",
            "i1",
            "i1,i2,",
            "s2,a",
            "s01,a",
            "s1,ab",
            "i18446744073709551616,",
        ] {
            assert_eq!(Plain::read(odd.as_bytes()), Plain::Other, "{odd}");
        }
        assert_eq!(Plain::read(b"i0,"), Plain::Number(0));
        assert_eq!(Plain::read(b"s3,a,b"), Plain::Text("a,b"));
    }

    #[test]
    fn another_seed_is_another_place() {
        let placed = Places::new(1).placed(&(7, "a"));
        assert_eq!(placed, Places::new(1).placed(&(7_u64, String::from("a"))));
        assert_ne!(placed.place, Places::new(2).placed(&(7, "a")).place);
    }

    #[test]
    fn a_key_may_use_the_cache_while_it_is_encoded() {
        struct Nested;
        impl CacheKey for Nested {
            fn encode(&self, key: &mut KeyBuf) {
                Places::new(1).placed("inner").bytes.encode(key);
            }
        }
        assert_eq!(&*Places::new(1).placed(&Nested).bytes, b"b8,s5,inner");
    }
}
