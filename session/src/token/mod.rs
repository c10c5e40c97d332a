//! What is in the cookie, and what the store is asked for instead.
//!
//! A token is 34 bytes, as 46 letters: the version of the key that signed it, a region, a tag of the subject,
//! 160 random bits, and 8 bytes of an HMAC-SHA256 over all of that. The code keeps no secret; it is there so that
//! a token that nobody issued costs no question to the store. Stores know the SHA-256 of a token, so that who reads
//! a store can use none.
//!
//! [`Keys`] sign tokens and tag subjects, and say how keys are changed without logging anybody out.

mod error;
mod file;
mod keys;
mod text;

#[cfg(test)]
pub(crate) mod tests;

pub use error::{KeyError, LineFault};
pub use keys::Keys;
pub(crate) use text::{TEXT, is_plausible};

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

/// Which of a cluster's slots a session, its subject's index and the subject's epoch are in: all in one.
///
/// A keyed hash of the subject; random while there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 4]);

/// What a store knows a session by: the tag, and the SHA-256 of the token.
///
/// `Debug` and `Display` show the first four bytes of the hash, which is enough to find one in a log and of no use
/// for anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    tag: Tag,
    hash: [u8; 32],
}

impl SessionKey {
    /// A key from its parts, as a store has them.
    #[must_use]
    pub const fn new(tag: Tag, hash: [u8; 32]) -> Self {
        Self { tag, hash }
    }

    /// The tag.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// The hash.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// Eight bytes of what is a hash already. Nobody chooses them: a key is made of a token that was signed.
impl Hash for SessionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.hash;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

/// A token that one of the keys has signed. Its text is for the cookie and for nothing else: nothing prints it.
#[derive(Clone)]
pub(crate) struct Token {
    whole: [u8; text::WHOLE],
    tag: Tag,
}

impl Token {
    fn new(whole: [u8; text::WHOLE], tag: Tag) -> Self {
        Self { whole, tag }
    }

    /// What the store knows it by.
    pub(crate) fn key(&self) -> SessionKey {
        SessionKey::new(self.tag, Sha256::digest(self.whole).into())
    }

    /// Where it was issued. Nobody asks yet.
    #[cfg(test)]
    pub(crate) fn region(&self) -> u8 {
        text::Fields::of(text::split(&self.whole).0).region
    }

    /// For the cookie.
    pub(crate) fn letters(&self) -> [u8; TEXT] {
        text::encode(&self.whole)
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.letters().into_iter().map(char::from).collect()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.key())
    }
}
