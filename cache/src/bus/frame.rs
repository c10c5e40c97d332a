//! What is sent: bytes that say who says it, as which number, and what.
//!
//! Numbers in network byte order:
//!
//! | bytes | |
//! |---|---|
//! | 4 | magic, `C7 54 52 42` |
//! | 1 | format, 1 |
//! | 1 | kind: 1 heartbeat, 2 changes, 3 farewell |
//! | 4 | milliseconds between the publisher's heartbeats |
//! | 8 | publisher: random, another one after each start |
//! | 8 | number: of this frame if it has changes, of the last one that had if not |
//! | 1 | changes only: length of the space |
//! | | the space |
//! | each | 0 and 2 bytes of length and a key; 1 and the 16 bytes of a tag; 2 for everything |
//! | 8 | XXH3-64 of all before it |
//!
//! The first 26 bytes and the last 8 are the same in every format. So a release that does not know
//! a newer one's changes still follows its numbers: it takes the first level for old once for each
//! such frame, and not at every heartbeat.
//!
//! The checksum finds damage, not intent. Who may write to the bus can make every cache load again,
//! and, while they speak in a publisher's name, hide what is lost of it.

use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::Change;

/// Bytes of a frame at most: what every system lets through as one datagram, once its buffers allow
/// it, and far below what Redis takes.
pub(super) const LONGEST: usize = 60 << 10;

const MAGIC: [u8; 4] = *b"\xC7TRB";
const FORMAT: u8 = 1;
const BEAT: u8 = 1;
const CHANGES: u8 = 2;
const FAREWELL: u8 = 3;
const HEAD: usize = 4 + 1 + 1 + 4 + 8 + 8;
const CHECKSUM: usize = 8;

const KEY: u8 = 0;
const TAG: u8 = 1;
const CLEAR: u8 = 2;

/// What stands in every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) publisher: u64,
    pub(super) number: u64,
    /// Between two heartbeats of the publisher.
    pub(super) beat: Duration,
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) head: Head,
    pub(super) body: Body<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// The publisher is there, and has nothing to say.
    Beat,
    /// It ends now.
    Farewell,
    Changes {
        space: &'a str,
        /// Not looked into yet: most frames may be about spaces that nobody here has.
        changes: Bytes,
    },
    /// Something that only a newer release knows.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Something else sent it: the magic is missing.
    Foreign,
    /// It is one of ours, and not as it was sent.
    Damaged,
}

/// Reads a frame.
pub(super) fn read(bytes: &Bytes) -> Result<Frame<'_>, Unreadable> {
    let magic = bytes.get(..MAGIC.len()).ok_or(Unreadable::Foreign)?;
    if magic != MAGIC {
        return Err(Unreadable::Foreign);
    }
    let (checked, sum) = bytes.split_last_chunk().ok_or(Unreadable::Damaged)?;
    if xxh3_64(checked) != u64::from_be_bytes(*sum) {
        return Err(Unreadable::Damaged);
    }
    let mut rest = Rest(checked);
    rest.take(MAGIC.len())?;
    let format = rest.u8()?;
    let kind = rest.u8()?;
    let beat = Duration::from_millis(u32::from_be_bytes(rest.array()?).into());
    let publisher = u64::from_be_bytes(rest.array()?);
    let number = u64::from_be_bytes(rest.array()?);
    let body = match (format, kind) {
        (_, BEAT) => Body::Beat,
        (_, FAREWELL) => Body::Farewell,
        (FORMAT, CHANGES) => {
            // The first one that says something is number 1.
            if number == 0 {
                return Err(Unreadable::Damaged);
            }
            let length = rest.u8()?;
            let space = rest.take(length.into())?;
            let space = str::from_utf8(space).map_err(|_| Unreadable::Damaged)?;
            let changes = bytes.slice(checked.len() - rest.0.len()..checked.len());
            Body::Changes { space, changes }
        }
        _ => Body::Unknown,
    };
    Ok(Frame { head: Head { publisher, number, beat }, body })
}

/// The changes of a frame. Keys share its memory.
pub(super) fn changes(bytes: &Bytes) -> Result<Vec<Change>, Unreadable> {
    let mut rest = Rest(bytes);
    let mut changes = Vec::new();
    while !rest.0.is_empty() {
        changes.push(match rest.u8()? {
            KEY => {
                let length = u16::from_be_bytes(rest.array()?);
                let key = rest.take(length.into())?;
                let end = bytes.len() - rest.0.len();
                Change::Key(bytes.slice(end - key.len()..end))
            }
            TAG => Change::Tag(rest.array()?),
            CLEAR => Change::Clear,
            _ => return Err(Unreadable::Damaged),
        });
    }
    Ok(changes)
}

pub(super) fn beat(head: Head) -> Bytes {
    sealed(open(head, BEAT))
}

pub(super) fn farewell(head: Head) -> Bytes {
    sealed(open(head, FAREWELL))
}

/// The changes that `parts` has in this order, in as few frames as `limit` allows, numbered on from
/// `head.number`.
///
/// Each of them must [fit](fits) into a frame.
pub(super) fn frames(head: Head, space: &str, parts: &[Change], limit: usize) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut head = head;
    let mut frame = Vec::new();
    for change in parts {
        if !frame.is_empty() && frame.len() + length(change) + CHECKSUM > limit {
            frames.push(sealed(std::mem::take(&mut frame)));
        }
        if frame.is_empty() {
            head.number += 1;
            frame = open(head, CHANGES);
            frame.push(u8::try_from(space.len()).unwrap_or(u8::MAX));
            frame.extend_from_slice(&space.as_bytes()[..space.len().min(u8::MAX.into())]);
        }
        append(change, &mut frame);
    }
    if !frame.is_empty() {
        frames.push(sealed(frame));
    }
    frames
}

/// Whether a change of this space goes into a frame of `limit` bytes.
pub(super) fn fits(space: &str, change: &Change, limit: usize) -> bool {
    space.len() <= u8::MAX.into()
        && HEAD + 1 + space.len() + length(change) + CHECKSUM <= limit.min(LONGEST)
}

fn length(change: &Change) -> usize {
    match change {
        Change::Key(key) => 1 + 2 + key.len(),
        Change::Tag(tag) => 1 + tag.len(),
        Change::Clear => 1,
    }
}

fn append(change: &Change, frame: &mut Vec<u8>) {
    match change {
        Change::Key(key) => match u16::try_from(key.len()) {
            Ok(length) => {
                frame.push(KEY);
                frame.extend(length.to_be_bytes());
                frame.extend_from_slice(key);
            }
            Err(_) => frame.push(CLEAR),
        },
        Change::Tag(tag) => {
            frame.push(TAG);
            frame.extend(tag);
        }
        Change::Clear => frame.push(CLEAR),
    }
}

fn open(head: Head, kind: u8) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + CHECKSUM);
    frame.extend(MAGIC);
    frame.extend([FORMAT, kind]);
    frame.extend(u32::try_from(head.beat.as_millis()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(head.publisher.to_be_bytes());
    frame.extend(head.number.to_be_bytes());
    frame
}

fn sealed(mut frame: Vec<u8>) -> Bytes {
    let checksum = xxh3_64(&frame);
    frame.extend(checksum.to_be_bytes());
    frame.into()
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Unreadable> {
        self.array().map(u8::from_be_bytes)
    }
}
