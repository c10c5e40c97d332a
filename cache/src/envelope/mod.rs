//! What stands around a value in a shared store.
//!
//! A store is shared with other releases of the program and with other programs, is filled by hand,
//! and answers over connections that have been known to mix up answers. So a value says what it is,
//! whose it is and until when it is good, and whatever cannot be read is a miss with a
//! [reason](Unreadable) to count, never an error.
//!
//! Format 1, numbers in network byte order:
//!
//! | bytes | |
//! |---|---|
//! | 4 | magic, `C7 54 52 43` |
//! | 1 | format, 1 |
//! | 1 | flags; bit 0: [negative](Kind::Negative) |
//! | 1 | tags, at most 16 |
//! | 4 | schema |
//! | 8 | XXH3-64 of the wire key |
//! | 8 × 4 | times: written, fresh until, stale until, good on errors until |
//! | 4 | milliseconds that loading took |
//! | 4 | length of the full key; 0 if the wire key is no hash |
//! | 4 | length of the payload |
//! | 24 each | tags: 16 bytes of hash, 8 of version |
//! | | the full key, the payload |
//! | 8 | XXH3-64 of all before it |
//!
//! The checksum finds damage, not intent: who may write to the store can write whatever they like.
//! Times are therefore any numbers at all, and whoever computes with them saturates.
//!
//! **The format is fixed**: tests hold it to vectors. A change gets the next format number, and to a
//! release that does not know it such an entry is a miss, while both run.

mod codec;

#[cfg(test)]
mod tests;

use std::fmt;

/// Bytes of a payload at most: Redis' own limit for a value, 512 MiB, less 128 KiB for what stands
/// around it.
pub const MAX_PAYLOAD: usize = (512 << 20) - (128 << 10);
/// Bytes of a key at most, where it travels in full.
pub const MAX_KEY: usize = 64 << 10;
/// Tags of an entry at most: each is looked up with every read.
pub const MAX_TAGS: usize = 16;

/// A value and what a cache must know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<P> {
    /// The form of the payload. Readers that expect another one do not look into it.
    pub schema: u32,
    /// Whether there is a value.
    pub kind: Kind,
    /// Since when and until when it is good.
    pub times: Times,
    /// How long loading it took, in milliseconds: who refreshes early must know how early.
    pub load_millis: u32,
    /// The tags it was loaded under, with their versions at that time.
    pub tags: Vec<TagVersion>,
    /// The value's bytes.
    pub payload: P,
}

/// Whether there is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// There is.
    Value,
    /// It is known that there is none.
    Negative,
}

/// Since when and until when a value is good: milliseconds since 1970 of one clock, the store's or
/// the writer's, by the caller's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Times {
    /// When it was written.
    pub written: u64,
    /// Until then it is served as it is.
    pub fresh_until: u64,
    /// Until then it is served while a new one is loaded.
    pub stale_until: u64,
    /// Until then it is served if loading fails.
    pub error_until: u64,
}

/// A tag and the version it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TagVersion {
    /// The tag's hash, [`hash128`](crate::key::hash128) of its encoding.
    pub tag: [u8; 16],
    /// Its version.
    pub version: u64,
}

/// Why bytes from a store are a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// Something else wrote it: the magic is missing.
    Foreign,
    /// Another format, or a flag that this one does not have.
    Format,
    /// A payload of another schema.
    Schema,
    /// The end is missing.
    Truncated,
    /// The bytes are not those that were written, or more of them.
    Checksum,
    /// Whole, and another key's.
    OtherKey,
    /// It claims more than the limits allow.
    TooLarge,
}

impl Unreadable {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Foreign,
        Self::Format,
        Self::Schema,
        Self::Truncated,
        Self::Checksum,
        Self::OtherKey,
        Self::TooLarge,
    ];

    /// The name for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Format => "format",
            Self::Schema => "schema",
            Self::Truncated => "truncated",
            Self::Checksum => "checksum",
            Self::OtherKey => "other_key",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Unreadable {}

/// A value that does not fit into an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Oversize {
    /// More than [`MAX_PAYLOAD`].
    Payload {
        /// Its size.
        bytes: usize,
    },
    /// More than [`MAX_KEY`].
    Key {
        /// Its size.
        bytes: usize,
    },
    /// More than [`MAX_TAGS`].
    Tags {
        /// Their number.
        count: usize,
    },
}

impl fmt::Display for Oversize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload { bytes } => {
                write!(f, "a value of {bytes} bytes: a store takes {MAX_PAYLOAD}")
            }
            Self::Key { bytes } => write!(f, "a key of {bytes} bytes: a store takes {MAX_KEY}"),
            Self::Tags { count } => write!(f, "{count} tags: an entry takes {MAX_TAGS}"),
        }
    }
}

impl std::error::Error for Oversize {}
