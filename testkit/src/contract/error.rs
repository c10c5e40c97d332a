//! The error that a contract test looks for.

use std::error::Error;
use std::fmt;

/// The error of a [`ControlledService`](super::ControlledService) and of a failing
/// [`ProbeBody`](super::ProbeBody).
///
/// A type of its own, so that a test can find it again in the `source()` chain of whatever a
/// layer made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError(pub(super) String);

impl ProbeError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Finds a `ProbeError` in `error` or anywhere in its `source()` chain.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        // A chain that loops back on itself must not hang the test that looks for it.
        for _ in 0..64 {
            let error = next?;
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            // An io::Error shows what it wraps through get_ref; its source() skips that level.
            next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        None
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the inner service failed: {}", self.0)
    }
}

impl Error for ProbeError {}
