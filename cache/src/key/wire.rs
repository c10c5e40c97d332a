use std::fmt;
use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Bytes of a key that is sent as it is. With the longest prefix, 141 bytes, it stays below the 250
/// that memcached takes.
const PLAIN: usize = 96;

/// A key as a store gets it: printable ASCII without a space, at most 237 bytes.
///
/// A short key of plain letters is sent as it is, so that it can be found by hand. Any other is sent
/// as `#` and the first 128 bits of its SHA-256 in hex, and travels in full in the envelope, where
/// it is compared. Braces count as not plain: in a Redis cluster they would choose the slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireKey {
    text: Box<str>,
    full: Option<Bytes>,
}

impl WireKey {
    pub(super) fn new(prefix: &str, key: &[u8]) -> Self {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"{}".contains(byte);
        let mut text = String::with_capacity(prefix.len() + key.len().min(PLAIN));
        text.push_str(prefix);
        if key.len() <= PLAIN && key.iter().all(plain) {
            text.extend(key.iter().map(|byte| char::from(*byte)));
            return Self { text: text.into(), full: None };
        }
        // No part begins with it: a hash is never another key's plain form.
        text.push('#');
        for byte in hash128(key) {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self { text: text.into(), full: Some(Bytes::copy_from_slice(key)) }
    }

    /// What the store gets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole key, prefix excepted, if a hash stands in its place.
    #[must_use]
    pub fn full(&self) -> Option<&Bytes> {
        self.full.as_ref()
    }
}

impl fmt::Display for WireKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first 128 bits of the SHA-256 of `bytes`.
///
/// Keys are often chosen by strangers; with this hash they cannot choose two that meet.
#[must_use]
pub fn hash128(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(Sha256::digest(bytes)).for_each(|(to, from)| *to = from);
    half
}
