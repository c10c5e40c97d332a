#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bus;
pub mod engine;
pub mod envelope;
pub mod freshness;
pub mod key;
pub mod store;
pub mod version;
