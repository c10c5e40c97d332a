//! Another origin, for when the first one fails.
//!
//! A static copy in a bucket, a second data centre: whoever can give *some* answer. It is asked when
//! the first cannot be connected to, takes too long, is refused by its breaker, or says one of the
//! [`ServerErrors`](super::ServerErrors); and only for `GET` and `HEAD` without a body, which can be
//! asked twice.
//!
//! - **The order is fixed.** This is no balancer: the second is there to stay idle. How soon the
//!   first is given up, and asked again, is its breaker's affair, so put a
//!   [`Guard`](super::Guard) around each.
//! - **A fallback's "no" does not count.** That the copy has no such page does not mean that there is
//!   none: of a later origin only a success or a redirection is passed on, else what the *first*
//!   has said, so that a cache may still serve something stale.
//!
//! # Examples
//!
//! As it comes:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use terrace_cdn_edge::origin::fallback::AnsweredBy;
//! use terrace_cdn_edge::origin::{OriginError, first_of};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let origin = |up: bool| {
//!     service_fn(move |_: Request<Empty<Bytes>>| async move {
//!         if up { Ok(Response::new(Empty::<Bytes>::new())) } else { Err("no power") }
//!     })
//! };
//! let service = first_of([origin(false), origin(true)])?;
//! let response = service.oneshot(Request::new(Empty::new())).await?;
//! assert_eq!(response.extensions().get(), Some(&AnsweredBy(1)));
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted: a guarded origin that must not say 500, and a bucket:
//!
//! ```no_run
//! use terrace_cdn_edge::origin::{Client, Guard, Phases, ServerErrors, TimedLayer, first_of};
//! use tower::Layer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let timed = TimedLayer::new(Phases::default())?;
//! let guarded = |url: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     Ok(Guard::default().layer(timed.layer(Client::to(url)?)))
//! };
//! let service = first_of([guarded("http://app:8080")?, guarded("http://bucket:9000/copy")?])?
//!     .server_errors(ServerErrors::new([500, 502, 503, 504])?);
//! # drop(service);
//! # Ok(())
//! # }
//! ```

mod order;
mod service;
#[cfg(test)]
mod tests;

pub use service::{AnsweredBy, Fallback, first_of};
