use std::sync::Arc;

use http::Uri;
use http::header::HeaderMap;

use super::shared::Shared;
use crate::key::Key;
use crate::purge::{Mode, Sequence, Target};
use crate::telemetry::Stats;

/// The way into an edge from beside: purging and looking.
///
/// # Clone
///
/// Clones lead to the same edge.
#[derive(Clone, Debug)]
pub struct EdgeHandle {
    pub(super) shared: Arc<Shared>,
}

#[expect(clippy::must_use_candidate, reason = "whoever purges rarely needs the number")]
impl EdgeHandle {
    /// Purges one URL, exactly as the key has it: with its query. `None` if it has no host.
    ///
    /// When this returns, no request that comes later is answered with a response that was asked for before, be
    /// it stored or still on its way.
    pub fn purge_url(&self, url: &Uri, mode: Mode) -> Option<Sequence> {
        let key = Key::of(url, &HeaderMap::new(), &self.shared.keys, self.shared.seed).ok()?;
        (!key.authority().is_empty()).then(|| self.purge(self.shared.tags.url(key.bytes()), mode))
    }

    /// Purges a path of a host with all its queries: all `?v=` versions of one image.
    pub fn purge_path(&self, authority: &str, path: &str, mode: Mode) -> Sequence {
        let url = format!("{}{path}", authority.to_ascii_lowercase());
        self.purge(self.shared.tags.path(url.as_bytes()), mode)
    }

    /// Purges all responses that named this tag in `Surrogate-Key` or `Cache-Tag`.
    pub fn purge_tag(&self, tag: &str, mode: Mode) -> Sequence {
        self.purge(self.shared.tags.surrogate(tag.as_bytes()), mode)
    }

    /// Purges a group of an origin, such as `https://example.com` (RFC 9875).
    pub fn purge_group(&self, origin: &str, group: &str, mode: Mode) -> Sequence {
        self.purge(self.shared.tags.group(origin, group.as_bytes()), mode)
    }

    /// Purges a host.
    pub fn purge_host(&self, authority: &str, mode: Mode) -> Sequence {
        self.purge(self.shared.tags.host(authority.to_ascii_lowercase().as_bytes()), mode)
    }

    /// Purges everything whose authority and path begin so: `example.com/images/`.
    pub fn purge_prefix(&self, prefix: &str, mode: Mode) -> Sequence {
        self.shared.telemetry.purged();
        self.shared.invalidations.purge(&Target::Prefix(prefix.to_owned()), mode)
    }

    /// Purges everything.
    pub fn purge_all(&self, mode: Mode) -> Sequence {
        self.shared.telemetry.purged();
        self.shared.invalidations.purge(&Target::All, mode)
    }

    /// What happened so far, and what is stored.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        shared.telemetry.stats(
            shared.memory.len(),
            shared.memory.weight(),
            shared.memory.capacity(),
            shared.flights.len(),
        )
    }

    fn purge(&self, tag: crate::purge::Tag, mode: Mode) -> Sequence {
        self.shared.telemetry.purged();
        self.shared.invalidations.purge(&Target::Tag(tag), mode)
    }
}
