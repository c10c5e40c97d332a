//! How things are called in Redis.
//!
//! All names of one tag have it in braces, which is what a cluster computes their slot from.

use std::fmt::Write;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::error::OpenError;
use crate::token::{SessionKey, Tag};

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Arc<str>,
}

impl Names {
    /// Braces in it would move the slot.
    pub(super) fn new(prefix: &str) -> Result<Self, OpenError> {
        let fits =
            !prefix.is_empty() && !prefix.contains(|c: char| "{}".contains(c) || c.is_control());
        match fits {
            true => Ok(Self { prefix: prefix.into() }),
            false => Err(OpenError::Prefix { prefix: prefix.to_owned() }),
        }
    }

    /// A session, or what leads to one.
    pub(super) fn session(&self, key: &SessionKey) -> String {
        self.of(key.tag(), "s", key.hash())
    }

    /// When the sessions of a tag's subjects end.
    pub(super) fn index(&self, tag: Tag) -> String {
        self.of(tag, "i", &[])
    }

    /// What is told about them.
    pub(super) fn listing(&self, tag: Tag) -> String {
        self.of(tag, "d", &[])
    }

    /// Which of a tag's subjects were revoked.
    pub(super) fn epochs(&self, tag: Tag) -> String {
        self.of(tag, "e", &[])
    }

    /// That a session has moved here from another slot.
    pub(super) fn mark(&self, tag: Tag, from: &SessionKey) -> String {
        self.of(tag, "m", from.hash())
    }

    fn of(&self, tag: Tag, kind: &str, hash: &[u8]) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 80);
        name.push_str(&self.prefix);
        name.push_str(":{");
        HEXLOWER.encode_append(&tag.0, &mut name);
        // Writing to a string does not fail.
        let _ = write!(name, "}}:{kind}");
        if !hash.is_empty() {
            name.push(':');
            HEXLOWER.encode_append(hash, &mut name);
        }
        name
    }
}

/// A key's hash, as scripts have it.
pub(super) fn hash(key: &SessionKey) -> String {
    HEXLOWER.encode(key.hash())
}

/// A key of this tag from its hash.
pub(super) fn key(tag: Tag, hash: &[u8]) -> Option<SessionKey> {
    let hash = HEXLOWER.decode(hash).ok()?;
    Some(SessionKey::new(tag, hash.try_into().ok()?))
}

/// A key with its tag.
pub(super) fn place(key: &SessionKey) -> String {
    format!("{}:{}", HEXLOWER.encode(&key.tag().0), hash(key))
}

/// The key that this is the place of.
pub(super) fn at(place: &[u8]) -> Option<SessionKey> {
    let (tag, hash) = place.split_at_checked(8)?;
    let tag = HEXLOWER.decode(tag).ok()?;
    key(Tag(tag.try_into().ok()?), hash.strip_prefix(b":")?)
}

/// A subject in an index: of a fixed length, whatever applications call them.
pub(super) fn who(subject: &str) -> String {
    let whole = Sha256::digest(subject.as_bytes());
    HEXLOWER.encode(whole.first_chunk::<16>().unwrap_or(&[0; 16]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_names_a_key_is_read_back(tag: [u8; 4], hash: [u8; 32], garbage: Vec<u8>) {
            let one = SessionKey::new(Tag(tag), hash);
            prop_assert_eq!(at(place(&one).as_bytes()), Some(one));
            prop_assert_eq!(key(Tag(tag), super::hash(&one).as_bytes()), Some(one));
            let _ = (at(&garbage), key(Tag(tag), &garbage));
        }

        #[test]
        fn all_names_of_a_tag_have_the_same_braces(tag: [u8; 4], hash: [u8; 32]) {
            let names = Names::new("terrace").unwrap();
            let one = SessionKey::new(Tag(tag), hash);
            let begins = format!("terrace:{{{}}}:", HEXLOWER.encode(&tag));
            let all = [
                names.session(&one), names.index(one.tag()), names.listing(one.tag()),
                names.epochs(one.tag()), names.mark(one.tag(), &one),
            ];
            for (place, name) in all.iter().enumerate() {
                prop_assert!(name.starts_with(&begins));
                prop_assert_eq!(name.matches(['{', '}']).count(), 2);
                prop_assert!(all.iter().skip(place + 1).all(|other| other != name));
            }
        }
    }

    #[test]
    fn a_prefix_that_would_move_the_slot_is_refused() {
        for prefix in ["", "a{b", "a}b", "a\nb"] {
            assert!(Names::new(prefix).is_err(), "{prefix:?}");
        }
    }
}
