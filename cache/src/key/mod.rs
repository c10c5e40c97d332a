//! Keys: what an application looks things up by, as bytes that no other key has.
//!
//! A key joined with `format!` is where caches leak: `("a:b", "c")` and `("a", "b:c")` are then one
//! entry, and so may be two tenants'. Here a key is a value, and its encoding can be read back, so
//! that two different keys never encode alike:
//!
//! | value | encoding |
//! |---|---|
//! | `42_u8`, `42_u64`, `42_i32` | `i42,` |
//! | `-1` | `i-1,` |
//! | `true`, `false` | `t`, `f` |
//! | `'x'` | `c1,x` (bytes of its UTF-8) |
//! | `"alice"` | `s5,alice` |
//! | bytes: `[u8]`, `[u8; N]`, `Vec<u8>` | `b3,` and the bytes |
//! | `None`, `Some("")` | `n`, `os0,` |
//! | other slices, arrays and vectors | `[` items `]` |
//! | `(7, "a")` as the whole key | `i7,s1,a` |
//! | a tuple or struct inside of another key | `(` its parts `)` |
//!
//! Two rules follow from what caches live through. An integer is its value and not its width: an id
//! that grows from `u32` to `u64` stays the same key. And a wrapper of one thing (a reference,
//! `Box`, `Arc`, `Cow`, a tuple of one) is what it wraps.
//!
//! Processes of different releases share a store, so **the encoding is fixed**: tests hold it to
//! vectors, and it changes only with the major version of this crate.
//!
//! [`Space`] puts a cache's name, tenant and schema in front and makes the [`WireKey`] that goes to
//! a store.
//!
//! ```
//! use terrace_cache::key::{CacheKey, KeyBuf, Space};
//!
//! struct Page {
//!     user: u64,
//!     search: String,
//! }
//!
//! impl CacheKey for Page {
//!     fn encode(&self, key: &mut KeyBuf) {
//!         key.part(&self.user).part(&self.search);
//!     }
//! }
//!
//! let pages = Space::new("pages", 3)?;
//! let page = Page { user: 7, search: "jazz".into() };
//! assert_eq!(pages.wire(&KeyBuf::of(&page)).as_str(), "pages:3:i7,s4,jazz");
//! # Ok::<(), terrace_cache::key::SpaceError>(())
//! ```

mod buf;
mod space;
mod types;
mod wire;

#[cfg(test)]
mod tests;

pub use buf::KeyBuf;
pub use space::{Space, SpaceError};
pub use wire::{WireKey, hash128};

/// What entries are looked up by.
///
/// Implemented for integers, `bool`, `char`, strings, bytes, `Option`, slices, arrays, vectors,
/// tuples up to six, and what points to them. Floating-point numbers are no keys: `NaN` is not
/// itself, and `0.0` is `-0.0`.
///
/// For a struct, give the fields to [`KeyBuf::part`] one after another, always all of them and in
/// the same order. For an enum, give a number for the variant first. For a wrapper of one field,
/// call the field's `encode`.
pub trait CacheKey {
    /// Writes all that tells this key from others.
    ///
    /// Equal keys must write the same in every process that shares the store: no addresses, no
    /// hashes with a random seed, no maps without an order.
    fn encode(&self, key: &mut KeyBuf);

    /// What the key is if it is one number or one text. The keys of this module say it, for whom a
    /// hit then need not encode anything; for all others the encoding is looked at.
    #[doc(hidden)]
    #[inline]
    fn plain(&self) -> Plain<'_> {
        Plain::Other
    }

    /// Writes several of these as one part. As it comes, a list; `u8` writes them as bytes.
    fn encode_slice(items: &[Self], key: &mut KeyBuf)
    where
        Self: Sized,
    {
        key.list(items);
    }
}

/// The two kinds of keys that nearly all caches have.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain<'a> {
    /// An integer from 0 to `u64::MAX`.
    Number(u64),
    /// A string.
    Text(&'a str),
    /// Anything else, which only its encoding tells.
    Other,
}

impl<'a> Plain<'a> {
    /// What an encoding is: the same as the key itself says, if it says anything.
    pub(crate) fn read(encoding: &'a [u8]) -> Self {
        Self::number(encoding).or_else(|| Self::text(encoding)).unwrap_or(Self::Other)
    }

    fn number(encoding: &[u8]) -> Option<Self> {
        let digits = encoding.strip_prefix(b"i")?.strip_suffix(b",")?;
        let number = canonical(digits)?;
        Some(Self::Number(number))
    }

    fn text(encoding: &'a [u8]) -> Option<Self> {
        let (length, text) = split(encoding.strip_prefix(b"s")?)?;
        let whole = canonical(length) == u64::try_from(text.len()).ok();
        whole.then(|| std::str::from_utf8(text).ok().map(Self::Text)).flatten()
    }
}

/// What stands before the first comma, and after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = bytes.iter().position(|byte| *byte == b',')?;
    Some((bytes.get(..comma)?, bytes.get(comma + 1..)?))
}

/// A number in the one spelling that it has.
fn canonical(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'));
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}
