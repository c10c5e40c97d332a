//! What the service asks of a cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use serde::Serialize;

use crate::purge::{Mode, Sequence};

/// A cache that can be purged, filled and asked how it is.
pub trait Control: Send + Sync + 'static {
    /// Purges. Nothing of it is served once this returns.
    fn purge(&self, purge: Purge) -> PurgeOutcome;

    /// Fetches these absolute URLs into the cache, and says of each what became of it. Dropped when
    /// it takes too long.
    fn preload(&self, urls: Vec<Uri>) -> impl Future<Output = Vec<Preloaded>> + Send;

    /// How the cache is doing.
    fn report(&self) -> Report;
}

impl<C: Control> Control for Arc<C> {
    fn purge(&self, purge: Purge) -> PurgeOutcome {
        C::purge(self, purge)
    }

    fn preload(&self, urls: Vec<Uri>) -> impl Future<Output = Vec<Preloaded>> + Send {
        C::preload(self, urls)
    }

    fn report(&self) -> Report {
        C::report(self)
    }
}

/// What is to be purged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// What.
    pub target: PurgeTarget,
    /// How.
    pub mode: Mode,
}

/// What is to be purged, as whoever asks names it.
///
/// From a request it comes checked: URLs are absolute, with `http` or `https`, without user and
/// fragment; nothing is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeTarget {
    /// One URL with its query, and all its variants.
    Url(String),
    /// One URL with whatever query: all versions `?v=…` of an image.
    UrlPath(String),
    /// A surrogate key.
    Tag(String),
    /// A cache group of one origin.
    Group {
        /// The origin: `https://example.org`.
        origin: String,
        /// The group's name.
        name: String,
    },
    /// All whose authority and path begin with this, `example.org/img/`, of either scheme.
    Prefix(String),
    /// Everything.
    All,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeOutcome {
    /// The number of the purge.
    pub sequence: Sequence,
}

/// What became of one URL that was to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preloaded {
    /// The URL.
    pub url: String,
    /// Whether it is in the cache now.
    pub stored: bool,
    /// Why, or why not.
    pub reason: &'static str,
}

/// How a cache is doing: what `GET /status` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Requests answered from the store, or by what the origin said to another request, of all.
    pub hit_ratio: f64,
    /// Requests to the origin.
    pub origin_requests: u64,
    /// Whether the origin has failed several times in a row.
    pub origin_down: bool,
    /// Purges.
    pub purges: u64,
    /// Objects that were forgotten to make room.
    pub evictions: u64,
    /// Objects in memory.
    pub objects: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes that they may take.
    pub capacity: u64,
    /// Fetches that are going on.
    pub in_flight: u64,
    /// Bytes of bodies that the origin has sent.
    pub from_origin_bytes: u64,
    /// Bytes of bodies that were sent to clients. Not much more than from the origin: caching saves
    /// little here.
    pub served_bytes: u64,
    /// What is asked for most and not found, with the reason.
    pub top_misses: Vec<Miss>,
    /// How often each decision was taken: what became of the request, and why.
    pub decisions: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

/// Something that is asked for and not found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// Its URL.
    pub url: String,
    /// How often the origin was asked for it, at least.
    pub count: u64,
    /// Why the answer was not stored the last time, or why it was not found.
    pub reason: &'static str,
    /// Bytes that the origin sent for it.
    pub bytes: u64,
}
