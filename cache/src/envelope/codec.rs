//! To bytes and back. Nothing is allocated before all lengths have been checked against the bytes
//! that are there.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Envelope, Kind, MAX_KEY, MAX_PAYLOAD, MAX_TAGS, Oversize, TagVersion, Times, Unreadable,
};
use crate::key::WireKey;

/// Its first byte begins no text and no other serialisation that is usual in caches.
const MAGIC: [u8; 4] = *b"\xC7TRC";
const FORMAT: u8 = 1;
const NEGATIVE: u8 = 1;
/// Up to the tags.
pub(super) const HEADER: usize = 4 + 1 + 1 + 1 + 4 + 8 + 8 * 4 + 4 + 4 + 4;
const TAG: usize = 16 + 8;
pub(super) const CHECKSUM: usize = 8;

impl<P: AsRef<[u8]>> Envelope<P> {
    /// Appends the bytes to store under `key`.
    ///
    /// # Errors
    ///
    /// What is larger than the limits is refused, and nothing is appended.
    pub fn encode(&self, key: &WireKey, out: &mut Vec<u8>) -> Result<(), Oversize> {
        let payload = self.payload.as_ref();
        let full = key.full().map_or(&[][..], |full| full);
        let payload_length =
            length(payload.len(), MAX_PAYLOAD).ok_or(Oversize::Payload { bytes: payload.len() })?;
        let key_length = length(full.len(), MAX_KEY).ok_or(Oversize::Key { bytes: full.len() })?;
        let tags = u8::try_from(self.tags.len())
            .ok()
            .filter(|tags| usize::from(*tags) <= MAX_TAGS)
            .ok_or(Oversize::Tags { count: self.tags.len() })?;

        let start = out.len();
        let rest = self.tags.len() * TAG + full.len() + payload.len() + CHECKSUM;
        out.reserve_exact(HEADER + rest);
        out.extend(MAGIC);
        out.extend([FORMAT, if self.kind == Kind::Negative { NEGATIVE } else { 0 }, tags]);
        out.extend(self.schema.to_be_bytes());
        out.extend(xxh3_64(key.as_str().as_bytes()).to_be_bytes());
        let Times { written, fresh_until, stale_until, error_until } = self.times;
        for time in [written, fresh_until, stale_until, error_until] {
            out.extend(time.to_be_bytes());
        }
        for number in [self.load_millis, key_length, payload_length] {
            out.extend(number.to_be_bytes());
        }
        for TagVersion { tag, version } in &self.tags {
            out.extend(tag);
            out.extend(version.to_be_bytes());
        }
        out.extend_from_slice(full);
        out.extend_from_slice(payload);
        let checksum = out.get(start..).map_or(0, xxh3_64);
        out.extend(checksum.to_be_bytes());
        Ok(())
    }
}

impl Envelope<Bytes> {
    /// What was stored under `key`, if that is whole, of this `schema` and this key's. The payload
    /// shares its memory with `stored`.
    ///
    /// # Errors
    ///
    /// The reason why it is a miss.
    pub fn decode(stored: &Bytes, schema: u32, key: &WireKey) -> Result<Self, Unreadable> {
        read(stored, schema, key, Checksum::Verified)
    }
}

/// Only tests read without looking: to show what would be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Verified,
    #[cfg(test)]
    Ignored,
}

pub(super) fn read(
    stored: &Bytes,
    schema: u32,
    key: &WireKey,
    checksum: Checksum,
) -> Result<Envelope<Bytes>, Unreadable> {
    let mut rest = Rest(stored);
    let magic = stored.get(..MAGIC.len()).unwrap_or(stored);
    if !MAGIC.starts_with(magic) {
        return Err(Unreadable::Foreign);
    }
    rest.array::<4>()?;
    // The first thing after the magic in every format: what follows is this one's alone.
    if rest.u8()? != FORMAT {
        return Err(Unreadable::Format);
    }
    let flags = rest.u8()?;
    let tags = usize::from(rest.u8()?);
    let had_schema = rest.u32()?;
    let had_key = rest.u64()?;
    let times = Times {
        written: rest.u64()?,
        fresh_until: rest.u64()?,
        stale_until: rest.u64()?,
        error_until: rest.u64()?,
    };
    let load_millis = rest.u32()?;
    let key_length = rest.length(MAX_KEY)?;
    let payload_length = rest.length(MAX_PAYLOAD)?;
    if tags > MAX_TAGS {
        return Err(Unreadable::TooLarge);
    }

    let tags = rest.take(tags * TAG)?;
    let full = rest.take(key_length)?;
    let payload = rest.take(payload_length)?;
    let checked = stored.len() - rest.0.len();
    let sum = rest.u64()?;
    // First whether it is whole, so that the other reasons mean what they say.
    let whole = rest.0.is_empty() && stored.get(..checked).map(xxh3_64) == Some(sum);
    if checksum == Checksum::Verified && !whole {
        return Err(Unreadable::Checksum);
    }
    let kind = match flags {
        0 => Kind::Value,
        NEGATIVE => Kind::Negative,
        _ => return Err(Unreadable::Format),
    };
    if had_schema != schema {
        return Err(Unreadable::Schema);
    }
    // The hash finds a mixed-up answer; where the wire key is one itself, only the key will do.
    let wanted = key.full().map_or(&[][..], |full| full);
    if had_key != xxh3_64(key.as_str().as_bytes()) || full != wanted {
        return Err(Unreadable::OtherKey);
    }
    let mut rest = Rest(tags);
    // Sized at once: there are as many bytes for them in what came.
    let mut tags = Vec::with_capacity(tags.len() / TAG);
    while !rest.0.is_empty() {
        tags.push(TagVersion { tag: rest.array()?, version: rest.u64()? });
    }
    Ok(Envelope {
        schema,
        kind,
        times,
        load_millis,
        tags,
        payload: stored.slice(checked - payload.len()..checked),
    })
}

fn length(bytes: usize, limit: usize) -> Option<u32> {
    u32::try_from(bytes).ok().filter(|_| bytes <= limit)
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Unreadable::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Unreadable> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_be_bytes)
    }

    fn length(&mut self, limit: usize) -> Result<usize, Unreadable> {
        let bytes = usize::try_from(self.u32()?).map_err(|_| Unreadable::TooLarge)?;
        if bytes > limit { Err(Unreadable::TooLarge) } else { Ok(bytes) }
    }
}
