use std::fmt;

use super::CacheKey;

/// A key's encoding as it grows.
///
/// It can be [cleared](Self::clear) and used again, which saves its allocation. A clone is a copy.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyBuf {
    bytes: Vec<u8>,
    /// Parts at the level that is being written.
    parts: usize,
}

impl KeyBuf {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) const fn empty() -> Self {
        Self { bytes: Vec::new(), parts: 0 }
    }

    /// The encoding of `key`.
    #[must_use]
    pub fn of<K: CacheKey + ?Sized>(key: &K) -> Self {
        let mut buf = Self::new();
        key.encode(&mut buf);
        buf
    }

    /// Adds `key` as one part: what it writes is set in brackets unless it is one part by itself.
    ///
    /// So a struct inside of a key stays apart from what stands beside it.
    pub fn part<K: CacheKey + ?Sized>(&mut self, key: &K) -> &mut Self {
        let (start, before) = (self.bytes.len(), self.parts);
        self.parts = 0;
        key.encode(self);
        // Afterwards, because most parts are one value and need no brackets.
        if self.parts != 1 {
            self.bytes.insert(start, b'(');
            self.bytes.push(b')');
        }
        self.parts = before + 1;
        self
    }

    /// Forgets what was written and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.parts = 0;
    }

    /// What was written. Any bytes may be in it; for a store, see [`Space::wire`](super::Space::wire).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn word(&mut self, letter: u8) {
        self.bytes.push(letter);
        self.parts += 1;
    }

    /// Integers have one decimal spelling each, whatever their width.
    #[inline]
    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        self.bytes.push(b'i');
        // Nearly every key has one, and `write!` would be the dearest part of a lookup.
        self.bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.bytes.push(b',');
        self.parts += 1;
    }

    pub(super) fn run(&mut self, letter: u8, bytes: &[u8]) {
        self.bytes.push(letter);
        self.bytes.extend_from_slice(itoa::Buffer::new().format(bytes.len()).as_bytes());
        self.bytes.push(b',');
        self.bytes.extend_from_slice(bytes);
        self.parts += 1;
    }

    pub(super) fn some<K: CacheKey + ?Sized>(&mut self, key: &K) {
        self.bytes.push(b'o');
        self.part(key);
    }

    pub(super) fn list<K: CacheKey>(&mut self, items: &[K]) {
        self.bytes.push(b'[');
        let before = self.parts;
        for item in items {
            self.part(item);
        }
        self.bytes.push(b']');
        self.parts = before + 1;
    }
}

impl fmt::Debug for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyBuf({})", self.bytes.escape_ascii())
    }
}
