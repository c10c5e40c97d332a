//! Errors: what failed, on which endpoint, and whether sending it again is safe.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::EndpointId;

/// A cause of any type, as tower has it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Whether any part of a request may have reached the endpoint.
///
/// This, not the kind of error, decides whether a request may be sent again: a request that was
/// never sent may always be, one that was perhaps sent only if it is idempotent (RFC 9110, 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Not a byte of it left: the connection was refused, or closed before the request was written.
    No,
    /// It may have been received, in part or whole, and may have been acted upon.
    Maybe,
}

/// Why a [`Balance`](crate::Balance) has no response.
///
/// `E` is the error of the endpoints' service, kept as the [`source`](Error::source).
#[derive(Debug)]
#[non_exhaustive]
pub enum BalanceError<E> {
    /// The balancer has no endpoints at all.
    NoEndpoints,
    /// There are endpoints, but none may take a request.
    AllUnavailable {
        /// How many endpoints failed their health checks.
        down: usize,
        /// How many endpoints are draining (weight 0).
        draining: usize,
    },
    /// The policy chose none of the available endpoints.
    Refused {
        /// How many endpoints it could choose from.
        available: usize,
    },
    /// The endpoint's service failed.
    Endpoint {
        /// The stay of the endpoint that failed last.
        id: EndpointId,
        /// Its name.
        name: Arc<str>,
        /// Whether the last attempt may have reached it.
        sent: Sent,
        /// How many endpoints were tried, at least 1.
        attempts: u32,
        /// What the service said.
        source: E,
    },
}

impl<E> BalanceError<E> {
    /// Whether the request may have reached an endpoint; [`Sent::No`] means that anything may be
    /// retried.
    #[must_use]
    pub fn sent(&self) -> Sent {
        match self {
            Self::Endpoint { sent, .. } => *sent,
            Self::NoEndpoints | Self::AllUnavailable { .. } | Self::Refused { .. } => Sent::No,
        }
    }

    /// The endpoint's error, if an endpoint failed.
    pub fn into_endpoint_error(self) -> Option<E> {
        match self {
            Self::Endpoint { source, .. } => Some(source),
            Self::NoEndpoints | Self::AllUnavailable { .. } | Self::Refused { .. } => None,
        }
    }
}

impl<E> fmt::Display for BalanceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoints => f.write_str("the balancer has no endpoints"),
            Self::AllUnavailable { down, draining } => {
                write!(f, "no endpoint is available: {down} down, {draining} draining")
            }
            Self::Refused { available } => {
                write!(f, "the policy chose none of {available} available endpoints")
            }
            Self::Endpoint { name, sent, attempts, .. } => {
                let reached = match sent {
                    Sent::No => "before anything was sent",
                    Sent::Maybe => "after the request may have been sent",
                };
                write!(f, "endpoint {name} failed {reached} (attempt {attempts})")
            }
        }
    }
}

impl<E: Error + 'static> Error for BalanceError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Endpoint { source, .. } => Some(source),
            Self::NoEndpoints | Self::AllUnavailable { .. } | Self::Refused { .. } => None,
        }
    }
}

/// Why a name cannot be an endpoint's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The name is empty.
    EmptyName,
    /// The name is longer than 256 bytes or has control characters in it.
    BadName {
        /// The name as given.
        name: String,
    },
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyName => f.write_str("an endpoint needs a name"),
            Self::BadName { name } => {
                let shown: String = name.chars().take(64).collect();
                write!(f, "endpoint name {shown:?} is over 256 bytes or has control characters")
            }
        }
    }
}

impl Error for EndpointError {}

/// Why a [`Builder`](crate::balance::Builder) cannot make a balancer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// Two endpoints have this name.
    DuplicateEndpoint {
        /// The name that stands twice.
        name: Arc<str>,
    },
    /// A health-check setting is out of its range.
    Health(crate::health::HealthConfigError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateEndpoint { name } => write!(f, "endpoint {name} is listed twice"),
            Self::Health(error) => error.fmt(f),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::DuplicateEndpoint { .. } => None,
            Self::Health(error) => Some(error),
        }
    }
}

/// Why a change of membership was not made. The balancer goes on as before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MembershipError {
    /// An endpoint of this name is a member already, or stands twice in the new list.
    Duplicate {
        /// The name.
        name: Arc<str>,
    },
    /// No endpoint has this name.
    Unknown {
        /// The name.
        name: Arc<str>,
    },
    /// The [`Driver`](crate::Driver) has ended, or was never run.
    DriverStopped,
}

impl fmt::Display for MembershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { name } => write!(f, "endpoint {name} is a member already"),
            Self::Unknown { name } => write!(f, "no endpoint is named {name}"),
            Self::DriverStopped => f.write_str("the balancer's driver is not running"),
        }
    }
}

impl Error for MembershipError {}
