//! Active health checks: asking endpoints whether they live, before users find out.
//!
//! A [`Check`] asks one endpoint once. The [`Driver`](crate::Driver) runs it for every endpoint: at
//! once when the endpoint joins, then every [`interval`](HealthConfig::interval), spread by
//! [`jitter`](HealthConfig::jitter) so that many balancers do not ask in step. An endpoint leaves
//! after [`fall`](HealthConfig::fall) failures in a row and comes back after
//! [`rise`](HealthConfig::rise) successes; its very first result counts alone.
//!
//! A check that times out has failed, and so has one that panics. If all endpoints are down,
//! requests fail with [`AllUnavailable`](crate::BalanceError::AllUnavailable) at once.
//!
//! Any function of a service is a check, through [`check_fn`]:
//!
//! ```
//! use terrace_lb::health::{CheckError, HealthConfig, check_fn};
//! use terrace_lb::{Balance, Endpoint};
//!
//! # #[derive(Clone)] struct Database;
//! # impl Database { async fn ping(&self) -> Result<(), std::io::Error> { Ok(()) } }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let check = check_fn(|database: &Database| {
//!     let database = database.clone();
//!     async move { database.ping().await.map_err(CheckError::new) }
//! });
//! let (balance, driver) = Balance::<_, String>::builder()
//!     .endpoints([Endpoint::new("db-1", Database)?])
//!     .health(check, HealthConfig::default())
//!     .build()?;
//! # drop((balance, driver));
//! # Ok(())
//! # }
//! ```

mod check;
mod config;
pub(crate) mod schedule;
mod state;

pub use check::{Check, CheckError, CheckFn, check_fn};
pub use config::{HealthConfig, HealthConfigError};
pub(crate) use state::Health;
pub use state::Status;
