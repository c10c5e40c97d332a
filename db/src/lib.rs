#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
#[cfg(feature = "classify")]
#[cfg_attr(docsrs, doc(cfg(feature = "classify")))]
pub mod classify;
mod cluster;
mod error;
pub mod layer;
mod memory;
#[cfg_attr(
    not(all(feature = "postgres", feature = "sqlite")),
    allow(
        dead_code,
        unused_imports,
        reason = "each backend uses another part of what the pool has for them"
    )
)]
mod pool;
mod position;
mod telemetry;
mod token;

pub use backend::{Access, Backend};
pub use cluster::{Fork, History, NodeState, Standing};
pub use error::{Error, ErrorKind, Outcome};
pub use layer::CausalLayer;
pub use memory::MemoryError;
pub use pool::{
    Begin, Builder, Node, NodeStatus, PoolConfig, Read, ReadConnection, RwPool, Status,
    Transaction, Write, WriteConnection,
};
pub use position::{Position, SystemId};
pub use token::{CausalContext, KeyError, Token, TokenError, TokenKey};
