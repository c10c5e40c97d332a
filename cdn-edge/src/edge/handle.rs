use std::sync::Arc;

use http::Uri;
use http::header::HeaderMap;

use super::shared::Shared;
use crate::key::Key;
use crate::purge::{Mode, Sequence, Tag, Target};
use crate::telemetry::{Decision, PurgeKind, Stats, TopMiss};

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
    /// Purges one URL, exactly as the key has it: with its query, and with those that `No-Vary-Search` says are the
    /// same. `None` if it has no host.
    ///
    /// When this returns, no request that comes later is answered with a response that was asked for before, be
    /// it stored or still on its way.
    pub fn purge_url(&self, url: &Uri, mode: Mode) -> Option<Sequence> {
        let key = Key::of(url, &HeaderMap::new(), &self.shared.keys, self.shared.seed).ok()?;
        if key.authority().is_empty() {
            return None;
        }
        let (shared, hash) = (&self.shared, key.hash());
        let tag = shared.tags.url(key.bytes());
        let text = String::from_utf8_lossy(key.bytes()).into_owned();
        let purged = self.purge_tagged(tag, mode, PurgeKind::Url, &text);
        // In this order: a fill that learns only now which URLs are the same sees the purge.
        let settled = shared.settle(key);
        if settled.hash() == hash {
            return Some(purged);
        }
        let tag = shared.tags.url(settled.bytes());
        Some(shared.invalidations.purge(&Target::Tag(tag), mode))
    }

    /// Purges a path of a host with all its queries: all `?v=` versions of one image.
    pub fn purge_path(&self, authority: &str, path: &str, mode: Mode) -> Sequence {
        let url = format!("{}{path}", authority.to_ascii_lowercase());
        self.purge_tagged(self.shared.tags.path(url.as_bytes()), mode, PurgeKind::Path, &url)
    }

    /// Purges all responses that named this tag in `Surrogate-Key` or `Cache-Tag`.
    pub fn purge_tag(&self, tag: &str, mode: Mode) -> Sequence {
        self.purge_tagged(self.shared.tags.surrogate(tag.as_bytes()), mode, PurgeKind::Tag, tag)
    }

    /// Purges a group of an origin, such as `https://example.com` (RFC 9875).
    pub fn purge_group(&self, origin: &str, group: &str, mode: Mode) -> Sequence {
        let tag = self.shared.tags.group(origin, group.as_bytes());
        self.purge_tagged(tag, mode, PurgeKind::Group, group)
    }

    /// Purges a host.
    pub fn purge_host(&self, authority: &str, mode: Mode) -> Sequence {
        let tag = self.shared.tags.host(authority.to_ascii_lowercase().as_bytes());
        self.purge_tagged(tag, mode, PurgeKind::Host, authority)
    }

    /// Purges everything whose authority and path begin so: `example.com/images/`.
    pub fn purge_prefix(&self, prefix: &str, mode: Mode) -> Sequence {
        self.purge(&Target::Prefix(prefix.to_owned()), mode, PurgeKind::Prefix, prefix)
    }

    /// Purges everything.
    pub fn purge_all(&self, mode: Mode) -> Sequence {
        self.purge(&Target::All, mode, PurgeKind::All, "")
    }

    /// What happened so far, and what is stored.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// How often each decision was taken, those that never were left out.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.shared.telemetry.decisions()
    }

    /// What the origin was asked for most, at most so many of it: 256 keys are counted. In it there are URLs of
    /// clients, with their queries.
    #[must_use]
    pub fn top_misses(&self, most: usize) -> Vec<TopMiss> {
        self.shared.telemetry.top_misses(most)
    }

    fn purge_tagged(&self, tag: Tag, mode: Mode, kind: PurgeKind, text: &str) -> Sequence {
        self.purge(&Target::Tag(tag), mode, kind, text)
    }

    fn purge(&self, target: &Target, mode: Mode, kind: PurgeKind, text: &str) -> Sequence {
        let number = self.shared.invalidations.purge(target, mode);
        let counts = self.shared.invalidations.counts();
        let forgotten = counts.forgotten_tags + counts.forgotten_prefixes;
        self.shared.telemetry.purged(kind, text, mode, number, forgotten);
        number
    }
}
