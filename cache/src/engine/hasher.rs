use std::hash::{BuildHasher, Hasher};

use foldhash::quality::{FixedState, FoldHasher};

/// foldhash, started from a seed.
///
/// Whoever does not know the seed cannot choose keys that collide; with it, hits are the same
/// everywhere. SipHash would resist more where a seed is known.
#[derive(Clone, Debug)]
pub(super) struct Seeded(FixedState);

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }
}

impl BuildHasher for Seeded {
    type Hasher = FoldHasher<'static>;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// For keys that are hashes already: a number is its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hashed;

/// Returns what was written last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Itself(u64);

impl BuildHasher for Hashed {
    type Hasher = Itself;

    #[inline]
    fn build_hasher(&self) -> Itself {
        Itself(0)
    }
}

impl Hasher for Itself {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    /// Not for what is no number; it is right all the same, and slow.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
