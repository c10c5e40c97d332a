//! An HTTP edge cache.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod failover;
pub mod origin;
