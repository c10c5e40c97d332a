//! Bytes that outlive the process: they begin with what they are and end with a checksum.

use std::fmt;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

const CHECKSUM: usize = 8;

/// Begins such bytes, with room for `length` more.
pub(crate) fn begin(magic: [u8; 4], format: u8, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(magic.len() + 1 + length + CHECKSUM);
    out.extend(magic);
    out.push(format);
    out
}

/// Ends them.
pub(crate) fn seal(mut out: Vec<u8>) -> Bytes {
    out.extend(xxh3_64(&out).to_be_bytes());
    out.into()
}

/// Only tests read without looking: to show what would be believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    Verified,
    #[cfg(test)]
    Ignored,
}

/// Reads from the front and never past the end.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// What stands between begin and seal, if it is whole.
    pub(crate) fn open(
        bytes: &'a [u8],
        magic: [u8; 4],
        format: u8,
        sum: Checksum,
    ) -> Result<Self, Unreadable> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Unreadable::Length)?;
        let mut reader = Self { rest: content };
        if *reader.take::<4>()? != magic {
            return Err(Unreadable::Magic);
        }
        // Before the checksum, which may be another one in another format.
        let [found] = *reader.take()?;
        if found != format {
            return Err(Unreadable::Format(found));
        }
        if sum == Checksum::Verified && xxh3_64(content).to_be_bytes() != *checksum {
            return Err(Unreadable::Checksum);
        }
        Ok(reader)
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Unreadable> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or(Unreadable::Length)?;
        self.rest = rest;
        Ok(chunk)
    }

    pub(crate) fn split(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (piece, rest) = self.rest.split_at_checked(length).ok_or(Unreadable::Length)?;
        self.rest = rest;
        Ok(piece)
    }

    /// All that was not taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn nested(&mut self, length: usize) -> Result<Self, Unreadable> {
        Ok(Self { rest: self.split(length)? })
    }

    pub(crate) fn end(&self) -> Result<(), Unreadable> {
        if self.rest.is_empty() { Ok(()) } else { Err(Unreadable::Length) }
    }
}

/// Why stored bytes cannot be read.
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
            Self::Length => f.write_str("what was stored is cut, or has bytes behind it"),
            Self::Magic => f.write_str("what was stored is something else"),
            Self::Format(format) => {
                write!(f, "what was stored has format {format}, which this release does not know")
            }
            Self::Checksum => f.write_str("what was stored is damaged"),
            Self::Content => f.write_str("what was stored is of no response that there can be"),
        }
    }
}

impl std::error::Error for Unreadable {}
