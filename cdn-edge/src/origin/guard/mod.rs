//! An origin that is not asked while it is down, nor by too many at once.
//!
//! Breaker and cap are one service, because each needs the other. A call that waits for a place
//! asks the breaker when it *has* one: the origin may have failed meanwhile, and a queue of a
//! thousand must not be let loose on it. And a call that would be refused does not queue first.
//!
//! A call has ended well for the breaker when the head is there and its status is none of the
//! [`ServerErrors`](super::ServerErrors); a body that breaks off is reported on top. The place is held until the body
//! ends or is dropped.
//!
//! # Examples
//!
//! As it comes:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use std::convert::Infallible;
//! use terrace_cdn_edge::origin::Guard;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let page = service_fn(|_: Request<()>| async {
//!     Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
//! });
//! let guard = Guard::default();
//! let response = guard.layer(page).oneshot(Request::new(())).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, and looked at from outside:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use std::convert::Infallible;
//! use terrace_cdn_edge::origin::breaker::Condition;
//! use terrace_cdn_edge::origin::{BreakerSettings, CapSettings, Guard, OriginError, ServerErrors};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broken = service_fn(|_: Request<()>| async {
//!     let mut response = Response::new(Empty::<Bytes>::new());
//!     *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
//!     Ok::<_, Infallible>(response)
//! });
//! let guard = Guard::new(BreakerSettings::default().failures(1), CapSettings::default().in_flight(64))?
//!     .server_errors(ServerErrors::new([500, 502, 503, 504])?);
//! let origin = guard.layer(broken);
//! origin.clone().oneshot(Request::new(())).await?;
//! assert_eq!(guard.condition(), Condition::Open);
//! let error = origin.oneshot(Request::new(())).await.unwrap_err();
//! assert!(matches!(error, OriginError::Refused { .. }));
//! # Ok(())
//! # }
//! ```

mod body;
mod layer;
mod service;
#[cfg(test)]
mod tests;

pub use body::GuardedBody;
pub use layer::Guard;
pub use service::Guarded;
