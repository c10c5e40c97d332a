#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cache;
mod error;
mod flight;
mod load;
mod place;
mod telemetry;

pub mod bus;
pub mod codec;
pub mod engine;
pub mod envelope;
pub mod freshness;
pub mod key;
pub mod layer;
pub mod recipes;
pub mod store;
pub mod tag;
pub mod version;

pub use cache::{Builder, Cache, Cached, Found, Get, Status, Why};
pub use error::{BoxError, BuildError, InvalidateError, LoadError, PutError};
pub use layer::{CacheLayer, LayerError};
pub use load::{BatchCx, LoadCx};
pub use tag::Invalidations;
pub use telemetry::Stats;
