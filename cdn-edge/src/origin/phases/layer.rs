use tower_layer::Layer;

use super::{Phases, Timed};
use crate::origin::Invalid;

/// Puts [`Timed`] around a service.
#[derive(Clone, Copy, Debug)]
pub struct TimedLayer(Phases);

impl TimedLayer {
    /// With these limits.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if a limit is not 1 ms to a day.
    pub fn new(phases: Phases) -> Result<Self, Invalid> {
        phases.check()?;
        Ok(Self(phases))
    }
}

impl<S> Layer<S> for TimedLayer {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed { inner, phases: self.0 }
    }
}
