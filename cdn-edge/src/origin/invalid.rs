use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A setting that cannot mean anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    setting: &'static str,
    rule: String,
    value: String,
}

impl Invalid {
    pub(crate) fn new(
        setting: &'static str,
        rule: impl Into<String>,
        value: impl fmt::Debug,
    ) -> Self {
        Self { setting, rule: rule.into(), value: format!("{value:?}") }
    }

    /// A time that passes, and that can be added to any instant.
    pub(crate) fn check_time(setting: &'static str, value: Duration) -> Result<(), Self> {
        let sane = Duration::from_millis(1)..=Duration::from_secs(86_400);
        match sane.contains(&value) {
            true => Ok(()),
            false => Err(Self::new(setting, "be 1 ms to a day", value)),
        }
    }

    /// A number that must not be 0.
    pub(crate) fn check_count(setting: &'static str, value: usize) -> Result<(), Self> {
        match value {
            0 => Err(Self::new(setting, "be at least 1", value)),
            _ => Ok(()),
        }
    }

    /// The setter's name.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must {}, not {}", self.setting, self.rule, self.value)
    }
}

impl Error for Invalid {}
