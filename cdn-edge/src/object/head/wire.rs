//! A head as bytes that outlive the process.
//!
//! Format 1, numbers in network byte order:
//!
//! | bytes | |
//! |---|---|
//! | 4 | magic, `C8 54 45 48` |
//! | 1 | format, 1 |
//! | 2 | status |
//! | 2 | fields |
//! | 2 + 4 each | lengths of a field's name and value |
//! | | each name and its value |
//! | 8 | XXH3-64 of all before it |
//!
//! The checksum finds damage, not intent. So all else is checked as well: what can be read is a head
//! that could have been received.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use xxhash_rust::xxh3::xxh3_64;

use super::{Fields, Head, Shapes};

const MAGIC: [u8; 4] = *b"\xC8TEH";
const FORMAT: u8 = 1;
const START: usize = 4 + 1 + 2 + 2;
const LENGTHS: usize = 2 + 4;
const CHECKSUM: usize = 8;

impl Head {
    /// The bytes to keep in a slower store.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let fields = self.iter().map(|(name, value)| name.as_str().len() + value.len() + LENGTHS);
        let mut out = Vec::with_capacity(START + fields.sum::<usize>() + CHECKSUM);
        out.extend(MAGIC);
        out.push(FORMAT);
        out.extend(self.status.as_u16().to_be_bytes());
        // All three are within the limits of a head.
        out.extend(u16::try_from(self.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (name, value) in self.iter() {
            out.extend(u16::try_from(name.as_str().len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
        for (name, value) in self.iter() {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(value);
        }
        out.extend(xxh3_64(&out).to_be_bytes());
        out.into()
    }

    /// Reads what [`to_bytes`](Head::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: each of them means that the object is lost and to be fetched again.
    pub fn from_bytes(bytes: &[u8], shapes: &Shapes) -> Result<Self, Unreadable> {
        read(bytes, shapes, Checksum::Verified)
    }
}

/// Only tests read without looking: to show what would be believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Verified,
    #[cfg(test)]
    Ignored,
}

pub(super) fn read(bytes: &[u8], shapes: &Shapes, sum: Checksum) -> Result<Head, Unreadable> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Unreadable::Length)?;
    let mut rest = content;
    if *take::<4>(&mut rest)? != MAGIC {
        return Err(Unreadable::Magic);
    }
    let [format] = *take(&mut rest)?;
    if format != FORMAT {
        return Err(Unreadable::Format(format));
    }
    if sum == Checksum::Verified && xxh3_64(content).to_be_bytes() != *checksum {
        return Err(Unreadable::Checksum);
    }
    let status = u16::from_be_bytes(*take(&mut rest)?);
    let status = StatusCode::from_u16(status).map_err(|_| Unreadable::Content)?;
    let fields = usize::from(u16::from_be_bytes(*take(&mut rest)?));
    let (mut lengths, mut text) =
        rest.split_at_checked(fields * LENGTHS).ok_or(Unreadable::Length)?;
    let mut read = Fields::new();
    for _ in 0..fields {
        let name = u16::from_be_bytes(*take(&mut lengths)?);
        let value = u32::from_be_bytes(*take(&mut lengths)?);
        let name = split(&mut text, name.into())?;
        let name = HeaderName::from_lowercase(name).map_err(|_| Unreadable::Content)?;
        let value = split(&mut text, value as usize)?;
        if HeaderValue::from_bytes(value).is_err() {
            return Err(Unreadable::Content);
        }
        read.push(name, value).map_err(|_| Unreadable::Length)?;
    }
    if !text.is_empty() {
        return Err(Unreadable::Length);
    }
    Ok(read.into_head(status, shapes))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Unreadable> {
    let (chunk, after) = rest.split_first_chunk().ok_or(Unreadable::Length)?;
    *rest = after;
    Ok(chunk)
}

fn split<'a>(rest: &mut &'a [u8], at: usize) -> Result<&'a [u8], Unreadable> {
    let (piece, after) = rest.split_at_checked(at).ok_or(Unreadable::Length)?;
    *rest = after;
    Ok(piece)
}

/// Why bytes are no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// There are too few or too many of them.
    Length,
    /// They begin like something else.
    Magic,
    /// A format that this release does not know.
    Format(u8),
    /// They are damaged.
    Checksum,
    /// They are whole, and say what no response can.
    Content,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("the stored head is cut or has bytes behind it"),
            Self::Magic => f.write_str("this is no stored head"),
            Self::Format(format) => {
                write!(f, "the stored head has format {format}, and only {FORMAT} is known")
            }
            Self::Checksum => f.write_str("the stored head is damaged"),
            Self::Content => f.write_str("the stored head is of no response that there can be"),
        }
    }
}

impl std::error::Error for Unreadable {}
