//! What a balancer balances over: named, weighted services with an identity that is never reused.

use std::fmt;
use std::sync::Arc;

use crate::error::EndpointError;

/// The longest endpoint name, in bytes: names become metric labels and log fields.
const MAX_NAME: usize = 256;

/// A service that can answer requests, under a name that is unique in its balancer.
///
/// The name is what errors, metrics and [`status`](crate::Balance::status) call the endpoint. The
/// weight says how much traffic it takes beside the others: with weights 3 and 1, three requests in
/// four. The default is 1. A weight of 0 means *draining*: no new requests, while those in flight
/// end in their own time.
///
/// # Clone
///
/// Clones the service as the service defines it; a balancer treats the clone as the same endpoint
/// only if the name is.
#[derive(Clone)]
pub struct Endpoint<S> {
    pub(crate) name: Arc<str>,
    pub(crate) weight: u16,
    pub(crate) service: S,
}

impl<S> Endpoint<S> {
    /// The largest weight. Sixteen bits keep a round-robin cycle over thousands of endpoints exact.
    pub const MAX_WEIGHT: u16 = u16::MAX;

    /// Names a service, with weight 1.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] if the name is empty, longer than 256 bytes, or has control characters in
    /// it.
    pub fn new(name: impl Into<String>, service: S) -> Result<Self, EndpointError> {
        let name = name.into();
        if name.is_empty() {
            return Err(EndpointError::EmptyName);
        }
        if name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(EndpointError::BadName { name });
        }
        Ok(Self { name: name.into(), weight: 1, service })
    }

    /// Sets the weight; 0 drains the endpoint.
    #[must_use]
    pub fn weight(mut self, weight: u16) -> Self {
        self.weight = weight;
        self
    }

    /// The endpoint's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service behind the name.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }
}

impl<S> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}

/// The identity of one stay of an endpoint in a balancer: a slot and its generation.
///
/// An endpoint that leaves and comes back gets a new generation, so that a request that still runs
/// on its first stay is never counted on the second, and an exclusion never hits the endpoint that
/// moved into a freed slot. Indices into a list of endpoints cannot promise either (tower #856).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_be_printable_and_short() {
        for bad in ["", "a\nb", "tab\t", &"x".repeat(257)] {
            let error = Endpoint::new(bad, ()).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        assert_eq!(Endpoint::new("127.0.0.1:80", ()).unwrap().name(), "127.0.0.1:80");
    }
}
