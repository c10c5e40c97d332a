use std::hash::{BuildHasher, Hasher};

/// Folds a key, which is a hash already, to the 64 bits that an index takes.
///
/// Two multiplications, from a seed: keys that share half of their bits do not meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    seed: u64,
}

impl Fold {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl BuildHasher for Fold {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded(self.seed)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Folded(u64);

impl Hasher for Folded {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    /// Not for what is no number; it is right all the same, and slow.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    #[inline]
    fn write_u128(&mut self, key: u128) {
        // An odd constant without a pattern: the golden ratio.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let (high, low) = halves(key);
        let mixed = low ^ (high ^ self.0).wrapping_mul(GOLDEN);
        let (high, low) = halves(u128::from(mixed) * u128::from(GOLDEN));
        self.0 = high ^ low;
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation)] // Halves of it are what is wanted.
fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}
