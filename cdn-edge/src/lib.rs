#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod edge;
mod telemetry;

#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
pub mod admin;
pub mod content;
pub mod failover;
pub mod field;
pub mod key;
pub mod object;
pub mod origin;
pub mod purge;
pub mod semantics;
pub mod store;

#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
pub use edge::EdgeControl;
pub use edge::{
    BoxError, ConfigError, Edge, EdgeBody, EdgeBuilder, EdgeFailure, EdgeFuture, EdgeHandle,
    EdgeLayer, OriginBody,
};
pub use semantics::{Profile, Reason, Rules};
pub use telemetry::{Decision, Outcome, Stats, TopMiss};
