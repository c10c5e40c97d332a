#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
mod error;
mod telemetry;

pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod cookie;
pub mod expiry;
pub mod guides;
pub mod layer;
pub mod record;
pub mod session;
pub mod store;
pub mod token;

pub use clock::{Clock, ManualClock, SystemClock, UnixMillis};
pub use cookie::{Cookie, InvalidCookie};
pub use error::{BoxError, SessionError, StoreError};
pub use expiry::Expiry;
pub use layer::{BuildError, Outage, OutageLayer, SessionLayer};
pub use record::{Device, Limits, Name, Record, Value};
pub use session::{DeviceId, Login, Session, SessionData, SessionValue, Sessions, SignedIn};
pub use store::{Store, Subject};
pub use token::Keys;
