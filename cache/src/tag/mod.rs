//! Tags: names that many entries carry, so that one bump makes all of them old.
//!
//! A tag is usually a row of a database that a value was made of: [`row`]. Nobody keeps a list of the
//! entries that carry it. Each tag has a version, an entry remembers the versions that it was loaded
//! under, and a bump moves one number.
//!
//! ```
//! use terrace_cache::tag::{Tag, row};
//!
//! let user = row("users", 7);
//! let front_page = Tag::new("front page");
//! assert_ne!(user, front_page);
//! assert_eq!(user, row("users", 7_u64));
//! ```

mod invalidations;

pub use self::invalidations::Invalidations;
use crate::key::{CacheKey, KeyBuf, hash128};
use crate::store::TagId;

/// Something that values are made of, and that can change.
///
/// 16 bytes: the hash of its name. Tags belong to one cache: another cache's tag of the same name is
/// another tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(TagId);

impl Tag {
    /// The tag of this name, which is anything that can be a key.
    #[must_use]
    pub fn new(name: impl CacheKey) -> Self {
        Self(hash128(KeyBuf::of(&name).bytes()))
    }

    /// What a store knows it by.
    #[must_use]
    pub fn id(&self) -> TagId {
        self.0
    }

    pub(crate) fn of_id(id: TagId) -> Self {
        Self(id)
    }

    /// What [`Versions`](crate::version::Versions) know it by.
    pub(crate) fn place(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The tag of one row of a table: whatever is loaded from it, whether one value or a list, carries
/// it, and whoever changes the row bumps it.
#[must_use]
pub fn row(table: &str, id: impl CacheKey) -> Tag {
    Tag::new(("row", table, id))
}
