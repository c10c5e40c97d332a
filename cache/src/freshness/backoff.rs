use std::time::Duration;

use super::{Freshness, Lifetime, Moment};

/// How the loads of one key have failed lately, and until when nobody tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    until: Moment,
}

/// What a reader gets who would need a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// A load.
    Load,
    /// The stale value, without a load.
    Stale,
    /// The error that the last load ended with, without a load.
    Error,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { failures: 0, until: Moment::ORIGIN }
    }
}

impl Backoff {
    /// A load has failed. Returns until when nobody loads again.
    ///
    /// Failures of loads that ran at the same time count one by one: they are rare, and each is a
    /// sign of its own.
    pub fn failed(&mut self, freshness: &Freshness, now: Moment) -> Moment {
        let pause = freshness.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.until = self.until.max(now.plus(pause));
        self.until
    }

    /// A load has succeeded: what was before does not count.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// How many loads have failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Until when nobody loads.
    #[must_use]
    pub fn until(&self) -> Moment {
        self.until
    }

    /// What a reader gets now, with what is there of an old entry.
    #[must_use]
    pub fn meanwhile(&self, now: Moment, stale: Option<&Lifetime>) -> Meanwhile {
        if now >= self.until {
            return Meanwhile::Load;
        }
        match stale.is_some_and(|stale| now < stale.gone_at()) {
            true => Meanwhile::Stale,
            false => Meanwhile::Error,
        }
    }

    /// Whether this may be forgotten: longer ago than the longest pause, it says nothing any more.
    #[must_use]
    pub fn is_over(&self, freshness: &Freshness, now: Moment) -> bool {
        now >= self.until.plus(freshness.longest_backoff)
    }
}

impl Freshness {
    /// The pause after that many failures before the last one.
    fn pause(&self, before: u32) -> Duration {
        let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        self.first_backoff.saturating_mul(factor).min(self.longest_backoff)
    }
}
