//! How often to ask, how long to wait, how many answers to believe.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Settings of active health checks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HealthConfig {
    /// Time from one check of an endpoint to the next, 1 ms to a day. Default 2 s, HAProxy's: with
    /// `fall` at 3, a silent endpoint is out after about six seconds, while a thousand endpoints
    /// cost 500 small requests a second.
    pub interval: Duration,
    /// How long one check may take, 1 ms to a day. Default 1 s: a server that needs longer to say
    /// that it lives is of no use to a waiting user.
    pub timeout: Duration,
    /// Successes in a row that bring a down endpoint back, at least 1. Default 2: one lucky answer
    /// of a server that is still starting is not enough.
    pub rise: u32,
    /// Failures in a row that take an endpoint out, at least 1. Default 3: one lost packet or one
    /// long pause is not a death.
    pub fall: u32,
    /// Share of the interval by which each wait is varied, 0.0 to 1.0. Default 0.2: from 1.6 s to
    /// 2.4 s, so that balancers started together do not go on asking together.
    pub jitter: f64,
    /// Most checks under way at once, at least 1. Default 64: bounds sockets and work when
    /// thousands of endpoints join at the same moment.
    pub concurrency: usize,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            jitter: 0.2,
            concurrency: 64,
        }
    }
}

impl HealthConfig {
    /// Sets [`interval`](Self::interval).
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets [`rise`](Self::rise) and [`fall`](Self::fall).
    #[must_use]
    pub fn thresholds(mut self, rise: u32, fall: u32) -> Self {
        (self.rise, self.fall) = (rise, fall);
        self
    }

    /// Sets [`jitter`](Self::jitter).
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), HealthConfigError> {
        let refuse = |field, value: String, range| Err(HealthConfigError { field, value, range });
        let sane = Duration::from_millis(1)..=Duration::from_secs(86_400);
        if !sane.contains(&self.interval) {
            return refuse("interval", format!("{:?}", self.interval), "1 ms to a day");
        }
        if !sane.contains(&self.timeout) {
            return refuse("timeout", format!("{:?}", self.timeout), "1 ms to a day");
        }
        if self.rise == 0 {
            return refuse("rise", "0".into(), "at least 1");
        }
        if self.fall == 0 {
            return refuse("fall", "0".into(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return refuse("jitter", self.jitter.to_string(), "0.0 to 1.0");
        }
        if self.concurrency == 0 {
            return refuse("concurrency", "0".into(), "at least 1");
        }
        Ok(())
    }
}

/// A health-check setting is out of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthConfigError {
    field: &'static str,
    value: String,
    range: &'static str,
}

impl fmt::Display for HealthConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "health check {} is {}, must be {}", self.field, self.value, self.range)
    }
}

impl Error for HealthConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_out_of_range_is_named_with_its_value() {
        let ok = HealthConfig::default();
        assert_eq!(ok.validate(), Ok(()));
        for (config, named) in [
            (ok.clone().interval(Duration::ZERO), "interval is 0ns"),
            (ok.clone().interval(Duration::MAX), "interval is 18446744073709551615"),
            (ok.clone().timeout(Duration::ZERO), "timeout is 0ns"),
            (ok.clone().thresholds(0, 1), "rise is 0"),
            (ok.clone().thresholds(1, 0), "fall is 0"),
            (ok.clone().jitter(f64::NAN), "jitter is NaN"),
            (ok.clone().jitter(1.5), "jitter is 1.5"),
            (HealthConfig { concurrency: 0, ..ok }, "concurrency is 0"),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
