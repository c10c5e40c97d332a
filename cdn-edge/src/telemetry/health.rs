use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Failures in a row after which an origin counts as down: a single bad page among good ones never gets there.
const DOWN: u64 = 5;

/// Whether the origin answers at all, as far as somebody who reads a log wants to know.
///
/// It decides nothing: the breaker of [`origin`](crate::origin) does.
#[derive(Debug, Default)]
pub(super) struct Health {
    in_a_row: AtomicU64,
}

impl Health {
    /// It failed. Whether it is down since this very moment.
    pub(super) fn failed(&self) -> bool {
        self.in_a_row.fetch_add(1, Relaxed) + 1 == DOWN
    }

    /// It answered. Whether it was down until this very moment.
    pub(super) fn answered(&self) -> bool {
        // A plain look first: it is nearly always zero, and a write would be everybody's.
        self.in_a_row.load(Relaxed) != 0 && self.in_a_row.swap(0, Relaxed) >= DOWN
    }

    pub(super) fn is_down(&self) -> bool {
        self.in_a_row.load(Relaxed) >= DOWN
    }
}

#[cfg(test)]
mod tests {
    use super::{DOWN, Health};

    #[test]
    fn going_down_and_coming_up_are_each_told_once() {
        let health = Health::default();
        let downs = (0..3 * DOWN).filter(|_| health.failed()).count();
        assert!(health.is_down());
        let ups = (0..3).filter(|_| health.answered()).count();
        assert_eq!((downs, ups, health.is_down()), (1, 1, false));
    }

    #[test]
    fn one_bad_page_among_good_ones_is_no_outage() {
        let health = Health::default();
        for _ in 0..100 {
            assert!(!health.failed() && !health.failed());
            assert!(!health.answered());
        }
        assert!(!health.is_down());
    }
}
