//! The way to the origin: how long it may take, how many may ask it, when nobody does, and who is
//! asked instead.
//!
//! A cache hides its origin's troubles only if it notices them early. An origin that hangs is worse
//! than one that refuses: every fill waits, and soon all the memory and sockets of the edge wait
//! with it. So each part of the way has a bound and an error of its own, all in one type,
//! [`OriginError`], and the parts are services that stand around one another:
//!
//! | service | bounds | fails with |
//! |---|---|---|
//! | [`Fallback`] | nothing: asks the next origin when one failed | what the first said |
//! | [`Guarded`] | fills at once ([`Cap`]), calls to an origin that is down ([`Breaker`]) | `Overloaded`, `Refused` |
//! | [`Timed`] | time to the head, between two frames, in all ([`Phases`]) | `…Timeout` |
//! | `Client` (feature `origin`) | time to connect | `Connect`, `Unsent`, `Exchange` |
//!
//! This is also their order, from the outside. The guard stands outside the clock, so that waiting
//! for a place is not held against the origin, and the breaker sees the timeouts. Each works alone
//! and around any `Service<Request<B>, Response = Response<RB>>`: an application that serves
//! itself through the edge needs no client, and a load balancer no breaker.
//!
//! Nothing here looks at headers beyond `Host`: hop-by-hop fields are the edge's work.

pub mod breaker;
pub mod cap;
#[cfg(feature = "origin")]
pub mod client;
mod error;
pub mod fallback;
pub mod guard;
mod invalid;
pub mod phases;
mod rule;
mod statuses;
#[cfg(all(test, feature = "origin"))]
mod tests;
mod url;

pub use breaker::{Breaker, BreakerSettings};
pub use cap::{Cap, CapSettings};
#[cfg(feature = "origin")]
pub use client::Client;
pub use error::{BoxError, OriginError};
pub use fallback::{Fallback, first_of};
pub use guard::{Guard, Guarded};
pub use invalid::Invalid;
pub use phases::{Phases, Timed, TimedLayer};
pub use statuses::ServerErrors;
pub use url::{OriginUrl, OriginUrlError, UrlFault};
