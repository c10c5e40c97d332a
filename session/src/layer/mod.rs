//! The session of each request, around an HTTP service.
//!
//! The layer does next to nothing itself: it puts a [`Session`](crate::Session) into the request, and when the inner service has answered,
//! it commits what was set, before the head of the response leaves. A request that has not touched its session is through
//! without a question to the store, and without a look at its cookie.
//!
//! It goes outside of everything that asks for a session, and inside of what answers without one: compression, tracing,
//! limits. A timeout or a catcher of panics inside loses no login: the cookie is sent with whatever they answer.
//!
//! # Examples
//!
//! As it comes, around any service for HTTP:
//!
//! ```
//! use http::{Request, Response};
//! use terrace_session::store::Memory;
//! use terrace_session::{Keys, Session, SessionError, SessionLayer};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! async fn count(request: Request<()>) -> Result<Response<String>, SessionError> {
//!     let session = request.extensions().get::<Session>().ok_or(SessionError::NoLayer)?;
//!     let visits = session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).await?;
//!     Ok(Response::new(format!("visit {visits}")))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = SessionLayer::new(Memory::new(), Keys::generate()?);
//! let service = ServiceBuilder::new().layer(layer).service_fn(count);
//!
//! let first = service.clone().oneshot(Request::new(())).await?;
//! let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default();
//! let again = service.oneshot(Request::builder().header("cookie", cookie).body(())?).await?;
//! assert_eq!(again.body(), "visit 2");
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted: a bank's deadlines, five sessions a user, a new id each quarter of an hour:
//!
//! ```
//! use std::time::Duration;
//! use terrace_session::store::{Memory, SubjectLimit, WhenFull};
//! use terrace_session::{Expiry, Keys, SessionLayer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
//! let layer = SessionLayer::builder(Memory::new(), Keys::generate()?)
//!     .expiry(Expiry::new(minutes(5), minutes(4 * 60)).renewal(minutes(15)))
//!     .subject_limit(SubjectLimit { sessions: 5, when_full: WhenFull::EvictOldest })
//!     .build()?;
//! # drop(layer);
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod copies;
mod error;
mod future;
mod outage;
mod service;
mod shared;

pub use builder::{SessionBuilder, SessionLayer};
pub use error::BuildError;
pub use future::SessionFuture;
pub use outage::{Outage, OutageLayer, OutagePolicy};
pub use service::SessionService;

#[cfg(feature = "axum")]
pub(crate) use answer::advise;
pub(crate) use copies::Copies;
pub(crate) use shared::{GRACE, Shared};
