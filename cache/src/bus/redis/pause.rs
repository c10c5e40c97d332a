use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

const FIRST: Duration = Duration::from_millis(50);
/// What a server that is there again after hours must wait at most to be found.
const LONGEST: Duration = Duration::from_secs(2);

/// How long to wait before the next attempt: twice as long after each failure, and up to half
/// less, by the seed, so that not all processes come at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    seed: u64,
    failures: u32,
}

impl Pause {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, failures: 0 }
    }

    /// It has failed once more.
    pub(super) fn failed(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let whole = FIRST.saturating_mul(factor).min(LONGEST);
        let draw = xxh3_64_with_seed(&self.failures.to_be_bytes(), self.seed) % 1024;
        self.failures = self.failures.saturating_add(1);
        let less = u32::try_from(draw).unwrap_or(0);
        whole - whole / 2 * less / 1024
    }

    /// It has succeeded, for so long. What does not last is no success.
    pub(super) fn lasted(&mut self, time: Duration) {
        if time >= LONGEST {
            self.failures = 0;
        }
    }

    /// It has succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pauses_grow_to_a_bound_and_differ_by_at_most_half(seed: u64, failures in 1..200_usize) {
            let mut pause = Pause::new(seed);
            for before in 0..failures {
                let whole = FIRST * 2_u32.pow(before.min(10).try_into().unwrap());
                let whole = whole.min(LONGEST);
                let pause = pause.failed();
                prop_assert!(pause <= whole && pause >= whole / 2, "{pause:?} of {whole:?}");
            }
        }
    }

    #[test]
    fn a_connection_that_does_not_last_is_no_success() {
        let mut pause = Pause::new(7);
        for _ in 0..9 {
            pause.failed();
        }
        pause.lasted(FIRST);
        assert!(pause.failed() >= LONGEST / 2);
        pause.lasted(LONGEST);
        assert!(pause.failed() <= FIRST);
    }
}
