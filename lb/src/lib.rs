#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod balance;
pub mod completion;
mod driver;
mod endpoint;
mod error;
pub mod health;
mod lease;
pub mod membership;
pub mod policy;
pub mod retry;
mod telemetry;

pub use balance::{Balance, Driver};
pub use completion::Completion;
pub use endpoint::{Endpoint, EndpointId};
pub use error::{BalanceError, BoxError, BuildError, EndpointError, MembershipError, Sent};
pub use lease::Lease;
pub use policy::{Picker, Policy};
pub use retry::Retry;
