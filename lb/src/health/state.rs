//! The health of one endpoint, as its checks tell it. Pure: no clock, no I/O.

use std::fmt;

/// Whether an endpoint takes requests, as far as its checks know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// No check has answered yet. It takes requests only while no endpoint is up: at the start of a
    /// process all do, an endpoint that joins later first proves itself.
    Unchecked,
    /// It takes requests.
    Up,
    /// It takes none.
    Down,
}

impl Status {
    /// The word for logs, labels and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status and the run of results against it.
///
/// ```text
///              first result ok                    fall failures in a row
/// Unchecked ───────────────────────▶ Up ─────────────────────────────────▶ Down
///     └──────────────────────────────────── first result failed ───────────▶ │
///                                     ▲        rise successes in a row        │
///                                     └───────────────────────────────────────┘
/// ```
///
/// The first result counts alone, both ways: a process that starts in front of a dead endpoint must
/// not send to it for `fall` intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    status: Status,
    against: u32,
}

impl Health {
    pub(crate) fn unchecked() -> Self {
        Self { status: Status::Unchecked, against: 0 }
    }

    /// The health of an endpoint that nobody checks.
    pub(crate) fn assumed() -> Self {
        Self { status: Status::Up, against: 0 }
    }

    pub(crate) fn status(self) -> Status {
        self.status
    }

    /// Takes a result in; returns the new status if it changed.
    pub(crate) fn observe(&mut self, ok: bool, rise: u32, fall: u32) -> Option<Status> {
        let (to, needed) = match (self.status, ok) {
            (Status::Up, true) | (Status::Down, false) => {
                self.against = 0;
                return None;
            }
            (Status::Unchecked, true) => (Status::Up, 1),
            (Status::Unchecked, false) => (Status::Down, 1),
            (Status::Down, true) => (Status::Up, rise),
            (Status::Up, false) => (Status::Down, fall),
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        *self = Self { status: to, against: 0 };
        Some(to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(results: &str, rise: u32, fall: u32) -> Status {
        let mut health = Health::unchecked();
        for result in results.chars() {
            health.observe(result == '+', rise, fall);
        }
        health.status()
    }

    #[test]
    fn the_first_result_counts_alone() {
        assert_eq!(run("+", 3, 3), Status::Up);
        assert_eq!(run("-", 3, 3), Status::Down);
    }

    #[test]
    fn falls_and_rises_only_after_a_run() {
        assert_eq!(run("+--", 2, 3), Status::Up);
        assert_eq!(run("+--+--", 2, 3), Status::Up);
        assert_eq!(run("+---", 2, 3), Status::Down);
        assert_eq!(run("+---+", 2, 3), Status::Down);
        assert_eq!(run("+---+-+", 2, 3), Status::Down);
        assert_eq!(run("+---++", 2, 3), Status::Up);
    }

    proptest! {
        #[test]
        fn after_the_first_result_the_status_is_that_of_the_last_full_run(
            results in prop::collection::vec(any::<bool>(), 1..60), rise in 1_u32..5, fall in 1_u32..5,
        ) {
            let mut health = Health::unchecked();
            let mut expected = results[0];
            for (n, &ok) in results.iter().enumerate() {
                health.observe(ok, rise, fall);
                let run = results[..=n].iter().rev().take_while(|&&r| r == ok).count();
                if run >= if ok { rise } else { fall } as usize {
                    expected = ok;
                }
                prop_assert_eq!(health.status() == Status::Up, expected);
            }
        }
    }
}
