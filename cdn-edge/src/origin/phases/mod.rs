//! How long each phase of a fill may take.
//!
//! One timeout for all of it would have to be as long as the largest download, and would let a dead
//! origin hold a fill for as long. So each phase has its own, and each its error:
//!
//! | phase | from | to | default |
//! |---|---|---|---|
//! | connect | the call | a connection that can be written to | 3 s, the client's |
//! | first byte | the call, without a body | the head of the response | 15 s |
//! | upload | the call, with a body | the head of the response | 5 min |
//! | between bytes | somebody waits for a frame | the frame | 15 s |
//! | total | the call | the end of the body | none |
//!
//! A reader that is slow is not held against the origin: the time between bytes runs only while
//! somebody waits for them.
//!
//! # Examples
//!
//! As it comes, around any service:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Empty, Full};
//! use std::convert::Infallible;
//! use terrace_cdn_edge::origin::{Phases, TimedLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let page = service_fn(|_: Request<Empty<Bytes>>| async {
//!     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
//! });
//! let origin = TimedLayer::new(Phases::default())?.layer(page);
//! let response = origin.oneshot(Request::new(Empty::new())).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, and too late:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use std::convert::Infallible;
//! use std::time::Duration;
//! use terrace_cdn_edge::origin::{OriginError, Phases, TimedLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hangs = service_fn(|_: Request<Empty<Bytes>>| std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>());
//! let phases = Phases::default().first_byte(Duration::from_secs(2)).total(Duration::from_secs(60));
//! let error = TimedLayer::new(phases)?.layer(hangs).oneshot(Request::new(Empty::new())).await.unwrap_err();
//! assert!(matches!(error, OriginError::FirstByteTimeout(limit) if limit.as_secs() == 2));
//! # Ok(())
//! # }
//! ```

mod body;
mod future;
mod layer;
mod service;
mod settings;
#[cfg(test)]
mod tests;

pub use body::TimedBody;
pub use future::TimedFuture;
pub use layer::TimedLayer;
pub use service::Timed;
pub use settings::Phases;
