//! The head of a stored response: its status and header fields, in little memory.
//!
//! A `HeaderMap` of ten fields takes two kilobytes or more, mostly empty slots of its table. Here the
//! values stand back to back in one block, behind the offsets at which they end, and the names are a list that
//! objects of the same [shape](Shapes) share: an origin sends the same names in the same order again
//! and again. A hit makes a `HeaderMap` of it whose values are slices of the block.
//!
//! Values are bytes, not text: what RFC 9110 calls obs-text is kept. A field that was received three
//! times is there three times, and the order is that of the map it was made of.

mod shapes;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

pub use shapes::Shapes;

/// Fields of a head at most. Servers and clients stop far below, most at 100.
pub const MAX_FIELDS: usize = 4096;
/// Bytes of names and values of a head at most, 1 MiB: what is larger is no head of a file that is
/// worth keeping.
pub const MAX_BYTES: usize = 1 << 20;

/// What the allocator and `Bytes` take for a block.
const BLOCK: u64 = 48;

/// A response's status and header fields.
///
/// A clone shares all of it.
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode, header::ETAG};
/// use terrace_cdn_edge::object::{Head, Shapes};
///
/// let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"a\""))]);
/// let shapes = Shapes::default();
/// let head = Head::encode(StatusCode::OK, &headers, &shapes)?;
/// assert_eq!(head.get(&ETAG), Some(&b"\"a\""[..]));
/// // With room for two fields of the answer.
/// assert_eq!(head.headers(2), headers);
/// # Ok::<(), terrace_cdn_edge::object::TooLarge>(())
/// ```
#[derive(Clone)]
pub struct Head {
    /// Where each value ends, counted from the first, then the values.
    block: Bytes,
    /// The name of each value: those of one name are neighbours.
    names: Arc<[HeaderName]>,
    status: StatusCode,
    /// Whether an offset is four bytes and not two.
    wide: bool,
    /// Whether the names are in the table, so that they cost this object nothing.
    interned: bool,
}

impl Head {
    /// Makes a head of a response's parts.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] with the number that is over its limit.
    pub fn encode(
        status: StatusCode,
        headers: &HeaderMap,
        shapes: &Shapes,
    ) -> Result<Self, TooLarge> {
        let mut fields = Fields::new();
        for (name, value) in headers {
            fields.push(name.clone(), value.as_bytes())?;
        }
        Ok(fields.into_head(status, shapes))
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How many fields there are, repeated ones counted each time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The fields as a map, with room for `extra` more before it grows. The values share the memory
    /// of this head.
    #[must_use]
    pub fn headers(&self, extra: usize) -> HeaderMap {
        let fields = self.names.len();
        let mut map = HeaderMap::try_with_capacity(fields.saturating_add(extra))
            .or_else(|_| HeaderMap::try_with_capacity(fields))
            .unwrap_or_default();
        let mut start = self.values();
        for (index, name) in self.names.iter().enumerate() {
            let end = self.end(index);
            // Was a value when it was put in.
            if let Ok(value) = HeaderValue::from_maybe_shared(self.block.slice(start..end)) {
                // Full at 24,576 fields, which no head has.
                let _ = map.try_append(name, value);
            }
            start = end;
        }
        map
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// All values of this name, in order.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> {
        self.names
            .iter()
            .enumerate()
            .map(|(index, name)| (name, self.block.get(self.span(index)).unwrap_or_default()))
    }

    /// The memory it takes beside its own size, roughly: the block, and the names if no other object
    /// shares them.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let names = if self.interned { 0 } else { shapes::weight(&self.names) };
        BLOCK + self.block.len() as u64 + names
    }

    /// Where the values begin.
    fn values(&self) -> usize {
        self.names.len() * if self.wide { 4 } else { 2 }
    }

    fn span(&self, index: usize) -> Range<usize> {
        let start = index.checked_sub(1).map_or_else(|| self.values(), |before| self.end(before));
        start..self.end(index)
    }

    /// Where this value ends in the block.
    fn end(&self, index: usize) -> usize {
        let end = if self.wide {
            let bytes = self.block.get(index * 4..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
        } else {
            let bytes = self.block.get(index * 2..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes).into())
        };
        self.values() + end as usize
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.names == other.names && self.block == other.block
    }
}

impl Eq for Head {}

/// Names only: values can be secrets.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("status", &self.status)
            .field("names", &self.names)
            .field("bytes", &self.block.len())
            .finish()
    }
}

/// Fields on their way into a head, within the limits.
struct Fields<'a> {
    names: SmallVec<[HeaderName; 16]>,
    values: SmallVec<[&'a [u8]; 16]>,
    names_bytes: usize,
    values_bytes: usize,
}

impl<'a> Fields<'a> {
    fn new() -> Self {
        Self { names: SmallVec::new(), values: SmallVec::new(), names_bytes: 0, values_bytes: 0 }
    }

    fn push(&mut self, name: HeaderName, value: &'a [u8]) -> Result<(), TooLarge> {
        if self.names.len() == MAX_FIELDS {
            return Err(TooLarge::Fields);
        }
        let names_bytes = self.names_bytes.saturating_add(name.as_str().len());
        let values_bytes = self.values_bytes.saturating_add(value.len());
        let bytes = names_bytes.saturating_add(values_bytes);
        if bytes > MAX_BYTES {
            return Err(TooLarge::Bytes { bytes });
        }
        (self.names_bytes, self.values_bytes) = (names_bytes, values_bytes);
        self.names.push(name);
        self.values.push(value);
        Ok(())
    }

    fn into_head(self, status: StatusCode, shapes: &Shapes) -> Head {
        let wide = self.values_bytes > usize::from(u16::MAX);
        let offsets = self.values.len() * if wide { 4 } else { 2 };
        let mut block = Vec::with_capacity(offsets + self.values_bytes);
        let mut end = 0_u32;
        for value in &self.values {
            // Below 1 MiB, all together.
            end = end.saturating_add(u32::try_from(value.len()).unwrap_or(u32::MAX));
            match u16::try_from(end) {
                Ok(end) if !wide => block.extend(end.to_ne_bytes()),
                _ => block.extend(end.to_ne_bytes()),
            }
        }
        for value in &self.values {
            block.extend_from_slice(value);
        }
        let block = Bytes::from(block);
        // The first clone of such bytes allocates their counter: here, and not in the first hit.
        drop(block.clone());
        let (names, interned) = shapes.intern(&self.names);
        Head { block, names, status, wide, interned }
    }
}

/// A response's head is larger than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLarge {
    /// More than [`MAX_FIELDS`] fields.
    Fields,
    /// More than [`MAX_BYTES`] of names and values.
    Bytes {
        /// How many there were up to the field that was too much.
        bytes: usize,
    },
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields => write!(f, "the head has more than {MAX_FIELDS} fields"),
            Self::Bytes { bytes } => {
                write!(f, "the head has {bytes} bytes or more, and at most {MAX_BYTES} are kept")
            }
        }
    }
}

impl std::error::Error for TooLarge {}
