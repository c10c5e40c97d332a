//! What operators see of an edge, and do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod control;
mod counts;
mod events;
mod preload;
mod recorder;
mod site;
