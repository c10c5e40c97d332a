//! Events of a server: changes of state only, never a line a request. Every `cfg` of `serve` for
//! them is in this file.

use std::io;

use super::Report;

/// Accepting fails and is tried again with growing pauses.
pub(super) fn accept_fails(error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "cannot accept connections; trying again");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

/// Accepting works again.
pub(super) fn accept_recovered(failures: u32) {
    #[cfg(feature = "tracing")]
    tracing::info!(failures, "accepting connections again");
    #[cfg(not(feature = "tracing"))]
    let _ = failures;
}

/// The listener is closed.
pub(super) fn draining() {
    #[cfg(feature = "tracing")]
    tracing::info!("draining");
}

/// The drain is over.
pub(super) fn drained(report: &Report) {
    #[cfg(feature = "tracing")]
    tracing::info!(
        connections = report.connections,
        requests = report.requests,
        cut = report.cut,
        "drained"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = report;
}
