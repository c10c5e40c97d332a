#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;

pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod expiry;
pub mod record;
pub mod store;
pub mod token;

pub use clock::{Clock, ManualClock, SystemClock, UnixMillis};
pub use error::{BoxError, StoreError};
pub use expiry::Expiry;
pub use record::{Limits, Name, Record, Value};
pub use store::{Store, Subject};
pub use token::Keys;
