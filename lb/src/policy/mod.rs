//! How an endpoint is chosen.
//!
//! A [`Policy`] is asked twice. When the set of available endpoints changes it
//! [builds](Policy::build) a [`Picker`], off the request path: that is the place for sequences,
//! alias tables and rings. For each request the picker then [picks](Picker::pick), with the request
//! in hand, without locks, and without waiting. gRPC cuts it the same way; a policy that picked in
//! `poll_ready`, as tower's balancer does, could see neither the request nor what was tried.
//!
//! | policy | cost of a pick | take it when |
//! |---|---|---|
//! | [`P2c`] (default) | two loads | almost always: near the best of a full scan at any size |
//! | [`RoundRobin`] | one atomic addition | requests cost the same and endpoints are equally fast |
//! | [`LeastConn`] | one load an endpoint | there are few endpoints (up to about 32) and long requests |
//!
//! # A policy of your own
//!
//! ```
//! use std::sync::Arc;
//! use terrace_lb::policy::{Candidate, PickContext, Picker, Policy};
//!
//! /// Sends everything to the first endpoint that was not tried yet.
//! #[derive(Debug)]
//! struct First;
//!
//! impl<Req> Policy<Req> for First {
//!     fn build(&self, _: &[Candidate]) -> Arc<dyn Picker<Req>> {
//!         Arc::new(First)
//!     }
//! }
//!
//! impl<Req> Picker<Req> for First {
//!     fn pick(&self, cx: &mut PickContext<'_, Req>) -> Option<usize> {
//!         (0..cx.candidates().len()).find(|&index| !cx.is_tried(index))
//!     }
//! }
//! ```

mod context;
mod draw;
mod least_conn;
mod p2c;
mod round_robin;
mod sequence;

use std::fmt;
use std::sync::Arc;

pub use context::{Candidate, PickContext, Rng, Tried};
pub use least_conn::LeastConn;
pub use p2c::P2c;
pub use round_robin::RoundRobin;

/// Makes a [`Picker`] for each set of available endpoints.
pub trait Policy<Req>: fmt::Debug + Send + Sync + 'static {
    /// Prepares for these endpoints, all of which have a weight of at least 1.
    ///
    /// Runs in the [`Driver`](crate::Driver) whenever an endpoint comes, goes, changes weight or
    /// health. If it panics, the balancer stays with the picker it has.
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<Req>>;
}

/// Chooses among the endpoints that it was built for.
pub trait Picker<Req>: Send + Sync {
    /// Returns the index of the chosen candidate, or `None` to refuse the request.
    ///
    /// Never returns one that [was tried](PickContext::is_tried). Runs for every request: no locks,
    /// no waiting, no allocation.
    fn pick(&self, cx: &mut PickContext<'_, Req>) -> Option<usize>;
}

impl<Req, P: Policy<Req> + ?Sized> Policy<Req> for Arc<P> {
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<Req>> {
        (**self).build(candidates)
    }
}

impl<Req: 'static> Policy<Req> for Box<dyn Policy<Req>> {
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<Req>> {
        (**self).build(candidates)
    }
}

/// The names that [`by_name`] knows, as command lines and documents spell them.
pub const NAMES: [&str; 4] = ["p2c", "round-robin", "least-conn", "least-request"];

/// Finds a policy by its name on command lines and in configuration files.
///
/// # Errors
///
/// [`UnknownPolicy`] names the value and lists the names there are.
pub fn by_name<Req: 'static>(name: &str) -> Result<Box<dyn Policy<Req>>, UnknownPolicy> {
    match name {
        "p2c" => Ok(Box::new(P2c::new())),
        "round-robin" => Ok(Box::new(RoundRobin::new())),
        "least-conn" | "least-request" => Ok(Box::new(LeastConn::new())),
        _ => Err(UnknownPolicy { name: name.to_owned() }),
    }
}

/// There is no policy of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy {
    name: String,
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown policy {:?}: the policies are {}", self.name, NAMES.join(", "))
    }
}

impl std::error::Error for UnknownPolicy {}

#[cfg(test)]
mod tests;
