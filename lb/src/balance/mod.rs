//! The balancer: one service made of many.
//!
//! [`Balance`] is a tower `Service` that sends each request to one of its endpoints. It is always
//! ready and picks in `call`, with the request in hand: policies can look at the request, a retry
//! goes to an endpoint that was not tried, and a clone costs one reference count, so that no buffer
//! task is needed to share it. Readiness of the chosen endpoint's service is awaited inside the
//! request's future.
//!
//! What changes over time (members, weights, health) is the [`Driver`]'s work, a background future
//! that publishes immutable snapshots. Requests read the newest one without a lock.
//!
//! # Examples
//!
//! Any cloneable service is an endpoint:
//!
//! ```
//! use std::convert::Infallible;
//! use terrace_lb::{Balance, Endpoint};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = |name: &'static str| {
//!     service_fn(move |request: String| async move {
//!         Ok::<_, Infallible>(format!("{request}, answered by {name}"))
//!     })
//! };
//! let (balance, driver) = Balance::builder()
//!     .endpoints([Endpoint::new("a", server("a"))?, Endpoint::new("b", server("b"))?])
//!     .build()?;
//! tokio::spawn(driver);
//!
//! let answer = balance.oneshot("hello".to_owned()).await?;
//! assert!(answer.starts_with("hello, answered by "));
//! # Ok(())
//! # }
//! ```
//!
//! With a policy, weights, health checks and a membership that changes while it runs:
//!
//! ```
//! use std::time::Duration;
//! use terrace_lb::health::{CheckError, HealthConfig, check_fn};
//! use terrace_lb::policy::RoundRobin;
//! use terrace_lb::{Balance, Endpoint};
//! # use std::convert::Infallible;
//! # use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # async fn handle(request: u32) -> Result<u32, Infallible> { Ok(request + 1) }
//! # async fn ping() -> Result<(), CheckError> { Ok(()) }
//! let (balance, driver) = Balance::<_, u32>::builder()
//!     .name("tracks")
//!     .policy(RoundRobin::new())
//!     .endpoints([Endpoint::new("big", service_fn(handle))?.weight(3)])
//!     .health(check_fn(|_| ping()), HealthConfig::default().interval(Duration::from_secs(1)))
//!     .build()?;
//! tokio::spawn(driver);
//!
//! let members = balance.members();
//! members.add(Endpoint::new("small", service_fn(handle))?).await?;
//! members.weight("big", 0).await?; // drains: no new requests
//! assert_eq!(balance.status().len(), 2);
//! # Ok(())
//! # }
//! ```

mod builder;
mod future;
mod service;

pub use builder::Builder;
pub use future::BalanceFuture;
pub use service::Balance;
pub(crate) use service::Shared;

pub use crate::driver::Driver;
