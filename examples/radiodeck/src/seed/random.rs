//! Chance that never changes: SplitMix64 for numbers, FNV-1a for sums.

/// A stream of numbers that follows from a seed, a kind of row and the row's id, so that a row does
/// not depend on how many rows were made before it.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(number: u64, kind: &str, id: i64) -> Self {
        let mut sum = Fnv::default();
        sum.add(&format!("{number}/{kind}/{id}"));
        Self(sum.finish())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The high half times the bound: no division, and a bias far too small to see here.
        u32::try_from(((self.next() >> 32) * u64::from(bound)) >> 32).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    pub(super) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let index = self.below(u32::try_from(list.len()).unwrap_or(u32::MAX));
        &list[usize::try_from(index).unwrap_or(0)]
    }

    pub(super) fn pair(&mut self, heads: &[&str], tails: &[&str]) -> String {
        format!("{} {}", self.one_of(heads), self.one_of(tails))
    }
}

/// FNV-1a over 64 bits.
#[derive(Debug)]
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(super) fn add(&mut self, text: &str) {
        // The end mark keeps "ab" + "c" and "a" + "bc" apart.
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn finish(&self) -> u64 {
        self.0
    }
}
