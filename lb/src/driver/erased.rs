//! The driver's traits as objects: it keeps one of each and calls them rarely, so a box per call is
//! cheaper than two more type parameters on every balancer.

use std::pin::Pin;

use crate::health::CheckError;
use crate::membership::Change;
use crate::{BoxError, health, membership};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(crate) trait Check<S>: Send + Sync {
    fn check(&self, service: &S) -> BoxFuture<'static, Result<(), CheckError>>;
}

impl<S, T: health::Check<S>> Check<S> for T {
    fn check(&self, service: &S) -> BoxFuture<'static, Result<(), CheckError>> {
        Box::pin(health::Check::check(self, service))
    }
}

pub(crate) trait Discover<S>: Send {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Change<S>, BoxError>>>;
}

impl<S: 'static, T: membership::Discover<S>> Discover<S> for T {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Change<S>, BoxError>>> {
        Box::pin(membership::Discover::next(self))
    }
}
