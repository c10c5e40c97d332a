//! Asking one endpoint once.

use std::error::Error;
use std::fmt;
use std::future::Future;

use crate::BoxError;

/// Asks an endpoint whether it can serve.
pub trait Check<S>: Send + Sync + 'static {
    /// Asks once. The driver bounds it in time by
    /// [`HealthConfig::timeout`](super::HealthConfig::timeout).
    ///
    /// # Cancel safety
    ///
    /// The returned future is dropped at the timeout and when the endpoint leaves.
    fn check(&self, service: &S) -> impl Future<Output = Result<(), CheckError>> + Send + 'static;
}

/// Why a check failed, for logs and status pages.
#[derive(Debug)]
pub struct CheckError(BoxError);

impl CheckError {
    /// A failed check with its reason, which may be a string.
    pub fn new(reason: impl Into<BoxError>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CheckError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The check that [`check_fn`] returns.
#[derive(Clone, Copy)]
pub struct CheckFn<F>(F);

/// Makes a check of a function.
pub fn check_fn<S, F, Fut>(function: F) -> CheckFn<F>
where
    F: Fn(&S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), CheckError>> + Send + 'static,
{
    CheckFn(function)
}

impl<S, F, Fut> Check<S> for CheckFn<F>
where
    F: Fn(&S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), CheckError>> + Send + 'static,
{
    fn check(&self, service: &S) -> impl Future<Output = Result<(), CheckError>> + Send + 'static {
        (self.0)(service)
    }
}

impl<F> fmt::Debug for CheckFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckFn").finish_non_exhaustive()
    }
}
