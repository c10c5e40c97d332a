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

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Fields, Head, Shapes};
use crate::object::{Checksum, Reader, Unreadable, begin, seal};

const MAGIC: [u8; 4] = *b"\xC8TEH";
const FORMAT: u8 = 1;
const LENGTHS: usize = 2 + 4;

impl Head {
    /// The bytes to keep in a slower store.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let fields = self.iter().map(|(name, value)| name.as_str().len() + value.len() + LENGTHS);
        let mut out = begin(MAGIC, FORMAT, 2 + 2 + fields.sum::<usize>());
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
        seal(out)
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

pub(super) fn read(bytes: &[u8], shapes: &Shapes, sum: Checksum) -> Result<Head, Unreadable> {
    let mut text = Reader::open(bytes, MAGIC, FORMAT, sum)?;
    let status = u16::from_be_bytes(*text.take()?);
    let status = StatusCode::from_u16(status).map_err(|_| Unreadable::Content)?;
    let count = usize::from(u16::from_be_bytes(*text.take()?));
    let mut lengths = text.nested(count * LENGTHS)?;
    let mut fields = Fields::new();
    for _ in 0..count {
        let name = u16::from_be_bytes(*lengths.take()?);
        let value = u32::from_be_bytes(*lengths.take()?);
        let name = text.split(name.into())?;
        let name = HeaderName::from_lowercase(name).map_err(|_| Unreadable::Content)?;
        let value = text.split(value as usize)?;
        if HeaderValue::from_bytes(value).is_err() {
            return Err(Unreadable::Content);
        }
        fields.push(name, value).map_err(|_| Unreadable::Length)?;
    }
    text.end()?;
    Ok(fields.into_head(status, shapes))
}
