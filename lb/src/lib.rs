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
#[cfg(feature = "proxy")]
#[cfg_attr(docsrs, doc(cfg(feature = "proxy")))]
pub mod proxy;
pub mod retry;
#[cfg(feature = "serve")]
#[cfg_attr(docsrs, doc(cfg(feature = "serve")))]
pub mod serve;
mod telemetry;

pub use balance::{Balance, Driver};
pub use completion::Completion;
pub use endpoint::{Endpoint, EndpointId};
pub use error::{BalanceError, BoxError, BuildError, EndpointError, MembershipError, Sent};
pub use lease::Lease;
pub use policy::{Picker, Policy};
pub use retry::Retry;
