//! An HTTP edge cache.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod failover;
pub mod origin;
pub mod purge;
pub mod semantics;
pub mod store;

pub use edge::{BoxError, ConfigError, Edge, EdgeBody, EdgeBuilder, EdgeFailure, EdgeFuture, EdgeHandle, EdgeLayer, OriginBody};
pub use semantics::{Profile, Reason, Rules};
pub use telemetry::Stats;
