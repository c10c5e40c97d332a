//! The edge's side: what it does when it is told.

use std::path::Path;

use axum::Router;
use axum::http::Uri;
use terrace_cdn_edge::EdgeHandle;
use terrace_cdn_edge::admin::{
    AdminService, Control, Preloaded, Purge, PurgeOutcome, PurgeTarget, Report, Scope,
};
use terrace_cdn_edge::purge::Mode;

use super::key;
use crate::clock::Clock;
use crate::{launch, servers};

/// Takes orders on this socket, signed with the key of the data directory; tells the parent that the
/// edge is ready.
///
/// # Errors
///
/// When the key cannot be used, or the socket not be created.
pub fn take_orders(socket: &Path, data: &Path, edge: EdgeHandle) -> Result<(), launch::Error> {
    let key = key::of(data)?.allow(Scope::All).allow(Scope::Read);
    let clock = Clock::system();
    let clock = move || u64::try_from(clock.now()).unwrap_or(0);
    let admin = AdminService::builder(Cache(edge), clock).key(key).build()?;
    let listener = servers::listen(socket)?;
    let orders = Router::new().fallback_service(admin);
    tokio::spawn(async move { axum::serve(listener, orders).await });
    Ok(())
}

/// An edge as its admin service sees it.
struct Cache(EdgeHandle);

impl Cache {
    fn purge_path(&self, url: &str, mode: Mode) -> PurgeOutcome {
        let sequence = match url.parse::<Uri>() {
            Ok(url) => {
                let authority = url.authority().map_or("", |authority| authority.as_str());
                self.0.purge_path(authority, url.path(), mode)
            }
            // It was checked before. If it comes to that: rather too much than too little.
            Err(_) => self.0.purge_all(mode),
        };
        PurgeOutcome { sequence }
    }
}

impl Control for Cache {
    fn purge(&self, Purge { target, mode }: Purge) -> PurgeOutcome {
        let edge = &self.0;
        let sequence = match target {
            PurgeTarget::UrlPath(url) => return self.purge_path(&url, mode),
            PurgeTarget::Url(url) => {
                let purged = url.parse().ok().and_then(|url| edge.purge_url(&url, mode));
                purged.unwrap_or_else(|| edge.purge_all(mode))
            }
            PurgeTarget::Tag(tag) => edge.purge_tag(&tag, mode),
            PurgeTarget::Group { origin, name } => edge.purge_group(&origin, &name, mode),
            PurgeTarget::Prefix(prefix) => edge.purge_prefix(&prefix, mode),
            // And whatever a later version may add.
            _ => edge.purge_all(mode),
        };
        PurgeOutcome { sequence }
    }

    /// No key here may ask for it: visitors fill this edge soon enough.
    async fn preload(&self, urls: Vec<Uri>) -> Vec<Preloaded> {
        let refused = |url: Uri| Preloaded {
            url: url.to_string(),
            stored: false,
            reason: "this edge is filled by its visitors",
        };
        urls.into_iter().map(refused).collect()
    }

    fn report(&self) -> Report {
        let stats = self.0.stats();
        let hits = stats.hits + stats.collapsed;
        let misses = stats.misses + stats.failures;
        let mut report = Report::default();
        report.hit_ratio = hits as f64 / (hits + misses).max(1) as f64;
        report.objects = stats.objects as u64;
        report.bytes = stats.bytes;
        report.capacity = stats.capacity;
        report.in_flight = stats.in_flight as u64;
        report.from_origin_bytes = stats.origin_bytes;
        report.served_bytes = stats.served_bytes;
        report.decisions = [("hit", hits), ("miss", misses), ("stale", stats.stale)].into();
        report
    }
}
