//! Where an entry lives in this process: by a hash of its key's encoding.
//!
//! The encoding, and not the key itself, so that a message from another process, which has only the
//! bytes, finds the same place. The hash starts from a seed that no other process knows: nobody can
//! choose keys that meet. Should two meet all the same, the bytes tell them apart.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;

use crate::key::{CacheKey, KeyBuf};

/// Makes places.
#[derive(Clone, Debug)]
pub(crate) struct Places(FixedState);

/// A key's place and its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) place: u64,
    pub(crate) bytes: Box<[u8]>,
}

thread_local! {
    /// One buffer a thread, so that a lookup allocates nothing.
    static BUFFER: RefCell<KeyBuf> = const { RefCell::new(KeyBuf::empty()) };
}

impl Places {
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    #[inline]
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(bytes);
        hasher.finish()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_place_and_another_seed_another() {
        let placed = Places::new(1).placed(&(7, "a"));
        assert_eq!(placed, Places::new(1).placed(&(7_u64, String::from("a"))));
        assert_eq!(placed.place, Places::new(1).of_bytes(&placed.bytes));
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
