use std::time::Duration;

use crate::origin::Invalid;

/// How long the phases after connecting may take. See the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    pub(super) first_byte: Duration,
    pub(super) upload: Duration,
    pub(super) between_bytes: Duration,
    pub(super) total: Option<Duration>,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(15),
            upload: Duration::from_secs(300),
            between_bytes: Duration::from_secs(15),
            total: None,
        }
    }
}

impl Phases {
    /// How long until the head of the response is there, connecting included, for a request without
    /// a body.
    ///
    /// Default 15 s: slow reports exist, and visitors are gone after that; the breaker needs an
    /// answer while there is still something stale to serve.
    #[must_use]
    pub fn first_byte(self, limit: Duration) -> Self {
        Self { first_byte: limit, ..self }
    }

    /// The same for a request with a body, which has to be sent first.
    ///
    /// Default 5 min: a visitor at 10 Mbit/s sends 375 MB in that time. It is no fill, and nothing
    /// stale could answer it.
    #[must_use]
    pub fn upload(self, limit: Duration) -> Self {
        Self { upload: limit, ..self }
    }

    /// How long a reader of the body waits for the next frame.
    ///
    /// Default 15 s: longer than a lost packet or a pause for garbage takes, and shorter than the
    /// patience of those who wait for the same object.
    #[must_use]
    pub fn between_bytes(self, limit: Duration) -> Self {
        Self { between_bytes: limit, ..self }
    }

    /// How long the whole may take, to the end of the body. `None`: no bound.
    ///
    /// Default none: a download takes as long as its readers do, and a body that stalls has ended by
    /// then. Set it where bodies are small: an origin that drips a byte a second is only ended by it.
    #[must_use]
    pub fn total(self, limit: impl Into<Option<Duration>>) -> Self {
        Self { total: limit.into(), ..self }
    }

    /// Whether these settings mean something.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if one is not 1 ms to a day.
    pub fn check(&self) -> Result<(), Invalid> {
        Invalid::check_time("first_byte", self.first_byte)?;
        Invalid::check_time("upload", self.upload)?;
        Invalid::check_time("between_bytes", self.between_bytes)?;
        self.total.map_or(Ok(()), |total| Invalid::check_time("total", total))
    }
}
