use std::time::Duration;

use crate::origin::Invalid;

/// When a [`Breaker`](super::Breaker) opens, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    pub(super) failures: u32,
    pub(super) ratio: f64,
    pub(super) ratio_of: u32,
    pub(super) within: Duration,
    pub(super) first_backoff: Duration,
    pub(super) longest_backoff: Duration,
    pub(super) probe_timeout: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            ratio: 0.5,
            ratio_of: 20,
            within: Duration::from_secs(10),
            first_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(30),
        }
    }
}

impl BreakerSettings {
    /// How many failures in a row open it, at least 1.
    ///
    /// Default 5: a restart of one of three servers behind a balancer does not reach it, and a dead
    /// origin does before a second visitor complains.
    #[must_use]
    pub fn failures(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// Which share of failures opens it (above 0, up to 1), of at least so many calls, in which
    /// time. The time is counted in tenths, so that it ends up to a tenth early.
    ///
    /// Default 0.5 of at least 20 in 10 s: an origin that fails every second call is no use to
    /// anybody, and among fewer than 20 calls half may fail by chance.
    #[must_use]
    pub fn ratio(self, share: f64, of_at_least: u32, within: Duration) -> Self {
        Self { ratio: share, ratio_of: of_at_least, within, ..self }
    }

    /// How long it stays open: `first`, then twice as long after each probe that fails, at most
    /// `longest`.
    ///
    /// Default 1 s and 30 s: a restart is noticed at once, a long outage costs two fills a minute,
    /// and nobody waits longer than half a minute for an origin that is back.
    #[must_use]
    pub fn backoff(self, first: Duration, longest: Duration) -> Self {
        Self { first_backoff: first, longest_backoff: longest, ..self }
    }

    /// After which time a probe that said nothing is given up, and another one may start.
    ///
    /// Default 30 s: longer than connecting and waiting for a head may take
    /// ([`Phases`](crate::origin::Phases)), so that it happens only where nothing else ends a call.
    #[must_use]
    pub fn probe_timeout(self, timeout: Duration) -> Self {
        Self { probe_timeout: timeout, ..self }
    }

    /// Whether these settings mean something.
    ///
    /// # Errors
    ///
    /// [`Invalid`], which names the first that does not, and its value.
    pub fn check(&self) -> Result<(), Invalid> {
        Invalid::check_count("failures", self.failures as usize)?;
        // Not a number is in no range.
        if !(self.ratio > 0.0 && self.ratio <= 1.0) {
            return Err(Invalid::new("ratio", "be above 0 and up to 1", self.ratio));
        }
        Invalid::check_count("ratio", self.ratio_of as usize)?;
        Invalid::check_time("ratio", self.within)?;
        Invalid::check_time("backoff", self.first_backoff)?;
        Invalid::check_time("backoff", self.longest_backoff)?;
        Invalid::check_time("probe_timeout", self.probe_timeout)?;
        if self.first_backoff > self.longest_backoff {
            let rule = format!("not begin longer than its longest ({:?})", self.longest_backoff);
            return Err(Invalid::new("backoff", rule, self.first_backoff));
        }
        Ok(())
    }

    /// The backoff after so many probes have failed in a row.
    pub(super) fn pause(&self, failed_probes: u32) -> Duration {
        let factor = 1_u32.checked_shl(failed_probes).unwrap_or(u32::MAX);
        self.first_backoff.saturating_mul(factor).min(self.longest_backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let good = BreakerSettings::default;
        let second = Duration::from_secs(1);
        let refused = [
            (good().failures(0), "failures must be at least 1, not 0"),
            (good().ratio(0.0, 20, second), "ratio must be above 0 and up to 1, not 0.0"),
            (good().ratio(f64::NAN, 20, second), "ratio must be above 0 and up to 1, not NaN"),
            (good().ratio(1.1, 20, second), "ratio must be above 0 and up to 1, not 1.1"),
            (good().ratio(0.5, 0, second), "ratio must be at least 1, not 0"),
            (good().ratio(0.5, 1, Duration::MAX), "ratio must be 1 ms to a day, not"),
            (good().backoff(Duration::ZERO, second), "backoff must be 1 ms to a day, not 0ns"),
            (good().backoff(second * 2, second), "backoff must not begin longer than its longest"),
            (good().probe_timeout(Duration::ZERO), "probe_timeout must be 1 ms to a day, not 0ns"),
        ];
        assert_eq!(good().check(), Ok(()));
        for (settings, expected) in refused {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_backoff_doubles_up_to_its_longest() {
        let pauses: Vec<u64> =
            (0..7).map(|n| BreakerSettings::default().pause(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(BreakerSettings::default().pause(u32::MAX).as_secs(), 30);
    }
}
