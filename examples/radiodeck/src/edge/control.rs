//! The edge's side: it does what it is told, and says what it has saved.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use terrace_cdn_edge::admin::{AdminService, Control, Scope};

use super::{EdgeCounts, key};
use crate::clock::Clock;
use crate::{launch, servers};

/// An edge that takes orders. When it is dropped, it says what it has saved.
#[must_use]
pub struct Orders<C: Control>(Arc<C>);

/// Takes orders on this socket, signed with the key of the data directory; tells the parent that the
/// edge is ready.
///
/// # Errors
///
/// When the key cannot be used, or the socket not be created.
pub fn take_orders<C: Control>(
    socket: &Path,
    data: &Path,
    edge: C,
) -> Result<Orders<C>, launch::Error> {
    let edge = Arc::new(edge);
    // No preloading: visitors fill this edge soon enough.
    let key = key::of(data)?.allow(Scope::All).allow(Scope::Read);
    let clock = Clock::system();
    let clock = move || u64::try_from(clock.now()).unwrap_or(0);
    let admin = AdminService::builder(Arc::clone(&edge), clock).key(key).build()?;
    let listener = servers::listen(socket)?;
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback_service(admin)).await });
    Ok(Orders(edge))
}

impl<C: Control> Drop for Orders<C> {
    fn drop(&mut self) {
        let report = serde_json::to_value(self.0.report()).unwrap_or_default();
        if let Some(counts) = EdgeCounts::read(&report) {
            launch::say(&counts.to_string());
        }
    }
}

impl<C: Control> fmt::Debug for Orders<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}
