//! How many calls of the last while have failed, in ten slots: bounded, however many there are.

use std::time::Duration;

use tokio::time::Instant;

const SLOTS: usize = 10;

#[derive(Debug)]
pub(super) struct Window {
    slot: Duration,
    /// When slot 0 began; the first call sets it.
    began: Option<Instant>,
    /// The slot that is being filled, counted from the beginning.
    current: u64,
    counts: [Count; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) failed: u32,
    pub(super) all: u32,
}

impl Window {
    pub(super) fn new(within: Duration) -> Self {
        // At least a nanosecond: it is divided by.
        let slot = (within / 10).max(Duration::from_nanos(1));
        Self { slot, began: None, current: 0, counts: Default::default() }
    }

    pub(super) fn clear(&mut self) {
        self.counts = Default::default();
    }

    /// Counts one call and returns the counts of the window, this one included.
    pub(super) fn count(&mut self, failed: bool, now: Instant) -> Count {
        self.move_to(now);
        let count = &mut self.counts[index(self.current)];
        count.all = count.all.saturating_add(1);
        count.failed = count.failed.saturating_add(u32::from(failed));
        self.counts.iter().fold(Count::default(), |sum, count| Count {
            failed: sum.failed.saturating_add(count.failed),
            all: sum.all.saturating_add(count.all),
        })
    }

    fn move_to(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_nanos() / self.slot.as_nanos();
        let slot = u64::try_from(passed).unwrap_or(u64::MAX);
        // Time that went back, by a caller who read the clock earlier, counts as now.
        for next in (self.current + 1..=slot).take(self.counts.len()) {
            self.counts[index(next)] = Count::default();
        }
        self.current = self.current.max(slot);
    }
}

fn index(slot: u64) -> usize {
    // Below ten, so the cast keeps every bit.
    #[allow(clippy::cast_possible_truncation)]
    let index = (slot % SLOTS as u64) as usize;
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_counts_all_of_its_last_nine_tenths_and_nothing_older_than_itself(
            calls in prop::collection::vec((0_u64..40, any::<bool>()), 1..200),
        ) {
            let start = Instant::now();
            let mut window = Window::new(Duration::from_millis(100));
            let (mut now, mut seen) = (0, Vec::new());
            for (wait, failed) in calls {
                now += wait;
                seen.push((now, failed));
                let count = window.count(failed, start + Duration::from_millis(now));
                let since = |age: u64| {
                    let recent = seen.iter().filter(|(at, _)| at + age > now);
                    let failed = recent.clone().filter(|(_, failed)| *failed).count();
                    (u32::try_from(recent.count()).unwrap(), u32::try_from(failed).unwrap())
                };
                let (least, most) = (since(90), since(100));
                prop_assert!((least.0..=most.0).contains(&count.all), "{count:?} {least:?} {most:?}");
                prop_assert!((least.1..=most.1).contains(&count.failed));
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_is_counted_as_now() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut window = Window::new(Duration::from_millis(100));
        window.count(true, start + Duration::from_millis(50));
        window.count(true, start + Duration::from_millis(90));
        let count = window.count(false, start);
        assert_eq!((count.failed, count.all), (2, 3));
    }
}
