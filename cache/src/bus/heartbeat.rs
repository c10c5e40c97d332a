use std::fmt;
use std::time::Duration;

/// How often a process says that it is there, and as which number it said its last word.
///
/// One second as it comes: the loss of a last word then shows after a second, and 50 processes send
/// each of them 50 short messages in that time. Processes may have different ones. A process looks
/// as often who has fallen silent, and whether it can still be heard itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat(Duration);

impl Heartbeat {
    const SHORTEST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(60);

    /// A heartbeat after each `pause`.
    ///
    /// # Errors
    ///
    /// Takes 10 milliseconds to 60 seconds.
    pub fn every(pause: Duration) -> Result<Self, HeartbeatError> {
        if (Self::SHORTEST..=Self::LONGEST).contains(&pause) {
            return Ok(Self(pause));
        }
        Err(HeartbeatError { pause })
    }

    /// The pause between two.
    #[must_use]
    pub fn pause(self) -> Duration {
        self.0
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

/// A heartbeat that is too fast or too slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatError {
    pause: Duration,
}

impl fmt::Display for HeartbeatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a heartbeat every {:?}: it takes 10 ms to 60 s", self.pause)
    }
}

impl std::error::Error for HeartbeatError {}
