//! Sessions as handlers, browsers and a store that is not always there see them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod basics;
mod commit;
mod drops;
#[cfg(feature = "metrics")]
mod metrics;
mod outage;
mod router;
mod security;
mod support;
mod trips;
mod updates;
