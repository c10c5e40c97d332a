//! The contract suite: whether a tower layer keeps the laws of this house.
//!
//! A layer that passes its own unit tests can still break the service around it: it clones a
//! service that was never ready, counts a request as finished while its body streams, loses a
//! permit when a client goes away. These faults sit between the traits, so one suite can look for
//! them in every layer. `tests/contract.rs` of each block describes its layers as [`Subject`]s and
//! calls [`Subject::check`]; the suite wraps a [`ControlledService`] and plays scenarios against
//! it, each in a runtime of its own with paused time, and returns a [`Verdict`].
//!
//! # Examples
//!
//! A layer that admits two requests at once and queues the others for a second:
//!
//! ```
//! use std::time::Duration;
//! use terrace_testkit::contract::Subject;
//! # use terrace_testkit::contract::model::{Admission, InvalidLimit};
//!
//! Subject::new("Admission", || Admission::new(2).unwrap(), |n| n, |n: &usize| *n)
//!     .capacity(2)                              // at most two reach the inner service
//!     .waits_at_most(Duration::from_secs(1))    // the third waits so long, then is refused
//!     .in_flight(|layer| layer.in_flight())     // what the layer itself counts
//!     .skips_inner()                            // a refused call never reaches it
//!     .refuses("a limit of 0", "0", || Admission::new(0))
//!     .check()
//!     .assert();
//! ```
//!
//! An HTTP layer: requests, tracked response bodies and a list of hostile requests are built in.
//!
//! ```
//! use terrace_testkit::contract::Subject;
//!
//! Subject::http("SetResponseHeader", || {
//!     tower::util::MapResponseLayer::new(|mut response: http::Response<_>| {
//!         let value = http::HeaderValue::from_static("terrace");
//!         response.headers_mut().insert("server", value);
//!         response
//!     })
//! })
//! .check()
//! .assert();
//! ```
//!
//! A service that is no layer (a balancer over several endpoints) is described through
//! [`tower_layer::layer_fn`] or a small type of the test that implements `Layer`: it builds the
//! whole service around clones of the inner one.
//!
//! # What is checked
//!
//! | law | scenario |
//! |---|---|
//! | 1 | more requests than the capacity through as many products of one layer; the layer's own count; [`Subject::shares_state`] |
//! | 2 | inner service pending, failing, ready; repeated `poll_ready`; clones of a readied service; readied services dropped |
//! | 3 | every call on a driven instance; held requests and full queues must not wake themselves; tasks alive before and after `poll_ready` |
//! | 4 | the layer's count, and its free places, at the head, at the end of the body, when the body is dropped, when the call fails |
//! | 5 | drop after the k-th poll for every k, of waiters before and after their turn, and while unwinding |
//! | 6 | the static error type, the source chain, the typed reason in a refusal's extensions |
//! | 7 | hostile requests under `catch_unwind`; constructors that must refuse a bad value by name |
//! | 8 | the longest wait under paused time, and that it happens in `call` |
//!
//! What the suite cannot see: threads and contention (it is single-threaded: use the models), wall
//! time, and wishes that only the layer's documentation knows.

mod body;
mod check;
mod error;
mod flight;
mod hostile;
mod kit;
mod laws;
pub mod model;
mod plan;
mod probe;
mod service;
mod subject;
mod verdict;

#[cfg(test)]
mod tests;

pub use body::ProbeBody;
pub use error::ProbeError;
pub use plan::{Counts, Latency, Outcome, Plan, Readiness};
pub use probe::ServiceProbe;
pub use service::{ControlledFuture, ControlledService};
pub use subject::{Http, Plain, Protocol, Subject};
pub use verdict::{Law, Verdict, Violation};
