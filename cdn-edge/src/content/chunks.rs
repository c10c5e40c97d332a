//! The bytes of a body that grows: chunks of one size, and parts that will be the next one.

use std::collections::VecDeque;

use bytes::Bytes;

use super::rule::{Rule, on};

/// How large a chunk is, and at most a frame. Large enough that a handle and an allocation a chunk
/// do not count, small enough that nobody holds much for a few bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// As many parts of a chunk are kept as they came. More of them are joined.
const PARTS: usize = 16;

/// The end of a body, on the filler's side: what does not fill a chunk yet.
///
/// Bytes are copied when they come and once more when their chunk is full, unless they fill it alone.
/// Both is done outside of the lock. The alternative, a buffer of a chunk's size that is filled in
/// place and split, copies once, but leaves a handle for each read in every stored object, and holds
/// 64 KiB for a body of two.
#[derive(Debug)]
pub(super) struct Tail {
    chunk: usize,
    parts: Vec<Bytes>,
    len: usize,
}

impl Tail {
    pub(super) fn new(chunk: usize) -> Self {
        Self { chunk, parts: Vec::new(), len: 0 }
    }

    /// How much still fits into the chunk.
    pub(super) fn room(&self) -> usize {
        self.chunk - self.len
    }

    /// Adds what fits into the chunk; returns the chunk if it is full now.
    pub(super) fn add(&mut self, piece: &Bytes) -> Option<Bytes> {
        self.len += piece.len();
        if self.len >= self.chunk {
            let sealed = self.join(0, piece);
            self.len = 0;
            return Some(sealed);
        }
        let from = self.first_to_join(piece.len());
        let part = self.join(from, piece);
        self.parts.push(part);
        None
    }

    /// All of it, as one.
    pub(super) fn into_last(mut self) -> Option<Bytes> {
        match self.parts.len() {
            0 | 1 => self.parts.pop(),
            _ => Some(self.join(0, &Bytes::new())),
        }
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// From which part on they become one with what comes.
    ///
    /// An origin that sends single bytes would make a part of each, with 60 bytes of overhead. Beyond
    /// the first few, a part is at least twice as long as the next: so there are few, and no byte is
    /// copied more than a few times.
    fn first_to_join(&self, mut len: usize) -> usize {
        let mut from = self.parts.len();
        if from < PARTS || !on(Rule::Join) {
            return from;
        }
        while let Some(part) = from.checked_sub(1).and_then(|before| self.parts.get(before))
            && part.len() < 2 * len
        {
            len += part.len();
            from -= 1;
        }
        from
    }

    /// Copies the parts from this one on, and what comes, to one of exactly their length.
    fn join(&mut self, from: usize, piece: &Bytes) -> Bytes {
        if from == self.parts.len() && !on(Rule::Copy) {
            return piece.clone();
        }
        let parts = self.parts.drain(from.min(self.parts.len())..);
        let len = parts.as_slice().iter().map(Bytes::len).sum::<usize>() + piece.len();
        let mut joined = Vec::with_capacity(len);
        for part in parts {
            joined.extend_from_slice(&part);
        }
        // Always a copy: what comes may be a few bytes of a large read buffer, which lives as long as
        // the last slice of it, and nothing tells a slice from a buffer of its own.
        joined.extend_from_slice(piece);
        shared(Bytes::from(joined))
    }
}

/// Makes the first clone, which allocates the count of all later ones: a hit shall not.
pub(super) fn shared(bytes: Bytes) -> Bytes {
    drop(bytes.clone());
    bytes
}

/// What there is of a body, on the readers' side.
#[derive(Debug)]
pub(super) struct Chunks {
    chunk: usize,
    /// Where the first chunk begins: always at the end of another one.
    start: u64,
    end: u64,
    full: VecDeque<Bytes>,
    tail: Vec<Bytes>,
}

impl Chunks {
    pub(super) fn new(chunk: usize) -> Self {
        Self { chunk, start: 0, end: 0, full: VecDeque::new(), tail: Vec::new() }
    }

    /// The first byte that is there.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The first byte that has not come yet.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn kept(&self) -> u64 {
        self.end - self.start
    }

    /// How many allocations there are.
    pub(super) fn count(&self) -> usize {
        self.full.len() + self.tail.len()
    }

    /// Shows readers what the filler's tail has become with so many bytes more.
    pub(super) fn publish(&mut self, sealed: Option<Bytes>, tail: &Tail, bytes: u64) {
        self.full.extend(sealed);
        self.tail.clear();
        self.tail.extend(tail.parts.iter().cloned());
        self.end += bytes;
    }

    /// What there is from this byte on, in one piece.
    pub(super) fn get(&self, at: u64, until: u64) -> Option<Bytes> {
        let until = until.min(self.end);
        let mut offset = index(at.checked_sub(self.start)?);
        if at >= until {
            return None;
        }
        let most = index(until - at);
        let full = self.full.get(offset / self.chunk);
        if let Some(chunk) = full {
            return piece(chunk, offset % self.chunk, most);
        }
        offset -= self.full.len() * self.chunk;
        for part in &self.tail {
            if offset < part.len() {
                return piece(part, offset, most);
            }
            offset -= part.len();
        }
        None
    }

    /// Forgets the chunks that end before this byte. Returns how many bytes they had.
    pub(super) fn forget(&mut self, before: u64) -> u64 {
        let start = self.start;
        while self.start + self.chunk as u64 <= before && self.full.pop_front().is_some() {
            self.start += self.chunk as u64;
        }
        self.start - start
    }

    /// The full chunks, which are not here any more.
    pub(super) fn take_full(&mut self) -> VecDeque<Bytes> {
        std::mem::take(&mut self.full)
    }
}

/// At most so many bytes of this, and at least one.
pub(super) fn piece(bytes: &Bytes, from: usize, most: usize) -> Option<Bytes> {
    let to = bytes.len().min(from.saturating_add(most.min(CHUNK)));
    (from < to).then(|| bytes.slice(from..to))
}

/// An index into what is in memory.
pub(super) fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
