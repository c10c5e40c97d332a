//! The seam for a slower store behind memory: a disk, a database, a bucket.
//!
//! There is none in this crate yet. The trait is what one has to do so that the edge can use it: take
//! and give bodies as streams, never whole, and survive a restart without bringing back what was
//! purged.
//!
//! # Purges and restarts
//!
//! Purging goes by numbers: each purge has the next one, each object carries the number that was
//! current when its fetch began, and an object of before a purge that concerns it is not served. Numbers
//! in memory are gone after a restart, and objects on a disk are not. So a tier keeps a journal of the
//! purges, and the journal has a *generation*:
//!
//! - A purge is [logged](Tier::log) before it is answered.
//! - At the start the edge [opens](Tier::open) the journal, purges again what it says, and counts on
//!   from there.
//! - A record is used if its [`Stamp`] has the generation of the journal, and no purge after its
//!   number concerns it.
//! - A tier that cannot say that its journal is whole begins an empty one with a generation that it
//!   never had before. So nothing of before is used again, since nobody knows what was purged.
//!
//! A tier that keeps no journal gives another generation at every start: a restart then empties it, and
//! that is all.

mod meta;

use std::error::Error;
use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body_util::combinators::UnsyncBoxBody;

pub use meta::{Stamp, TierMeta};

/// What went wrong with a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A body on its way to a tier or from it.
pub type TierBody = UnsyncBoxBody<Bytes, BoxError>;

/// A slower store behind memory, that survives a restart.
///
/// Whatever it has can be gone at any time, and what cannot be read is not there: the edge fetches it
/// again. What it gives must be what was put.
///
/// Any call may be dropped at any await. Then it has either done all or nothing.
#[async_trait]
pub trait Tier: Send + Sync + 'static {
    /// All variants that are stored under a key.
    ///
    /// The bodies are not read yet, and belong to these records: when another record replaces one of
    /// these, its body goes on as it began, or fails.
    async fn get(&self, key: &TierKey) -> io::Result<Vec<TierRecord>>;

    /// Stores a variant, in place of the one with the same number under this key.
    ///
    /// The body is taken as it comes. If it fails, or has another length than was said, nothing is
    /// stored and what was there stays. After `Ok` the record is found by `get`; it need not be safe from
    /// a power cut yet, only whole or not there at all.
    async fn put(
        &self,
        key: &TierKey,
        meta: &TierMeta,
        length: Option<u64>,
        body: TierBody,
    ) -> io::Result<()>;

    /// Forgets all variants of a key.
    async fn remove(&self, key: &TierKey) -> io::Result<()>;

    /// All keys, in any order, to warm up after a restart. Keys that come and go meanwhile may be
    /// among them or not.
    fn keys(&self) -> BoxStream<'_, io::Result<TierKey>>;

    /// The journal of purges. Asked once, before anything else.
    async fn open(&self) -> io::Result<Journal>;

    /// Adds a purge to the journal. After `Ok` it survives a power cut.
    async fn log(&self, purge: &[u8]) -> io::Result<()>;

    /// Puts these purges in the place of all that the journal has, at once, and keeps its generation:
    /// most purges are superseded by later ones, and a journal that only grows takes ever longer to
    /// open.
    async fn rewrite(&self, purges: &[Bytes]) -> io::Result<()>;
}

/// What a tier knows of purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Which journal this is: another one whenever purges may have been lost.
    pub generation: u64,
    /// The purges, oldest first, as they were logged.
    pub purges: Vec<Bytes>,
}

/// The key of an object: its bytes, not their hash, which has another seed after a restart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TierKey(Bytes);

impl TierKey {
    /// A key of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TierKey").field(&self.0).finish()
    }
}

/// A variant that was found.
pub struct TierRecord {
    /// What was stored beside the body.
    pub meta: TierMeta,
    /// The length of the body.
    pub length: u64,
    body: Box<dyn FnOnce(u64) -> TierBody + Send>,
}

impl TierRecord {
    /// A record whose body is opened by this, at an offset of at most `length`. It may hold a
    /// handle: most records of a key are dropped unread.
    pub fn new(
        meta: TierMeta,
        length: u64,
        body: impl FnOnce(u64) -> TierBody + Send + 'static,
    ) -> Self {
        Self { meta, length, body: Box::new(body) }
    }

    /// The body from an offset on: a range request does not read what comes before. From the end on
    /// there is nothing.
    #[must_use]
    pub fn into_body(self, from: u64) -> TierBody {
        (self.body)(from.min(self.length))
    }
}

impl fmt::Debug for TierRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TierRecord")
            .field("meta", &self.meta)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
