//! The attacks that caches are known for, each tried on the edge; and, as a control, on a cache without the
//! safeguard, where it must work.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bytes;
mod coding;
mod cpdos;
mod credentials;
mod deception;
mod explosion;
mod hop_by_hop;
mod key;
mod limits;
mod load;
mod loops;
mod purge;
mod search;
mod smuggling;
mod unkeyed;
mod world;
