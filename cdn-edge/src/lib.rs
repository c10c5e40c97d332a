//! An HTTP edge cache.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod field;
pub mod content;
pub mod object;
pub mod store;
pub mod purge;
pub mod origin;
