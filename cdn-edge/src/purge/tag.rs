use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::prefix::lower_authority;

/// A name that many objects carry, so that one purge reaches all of them.
///
/// Eight bytes: a seeded hash of its kind and its name. Two names that share a hash are purged
/// together. With a million tags in use that is one chance in millions for all of them, and it
/// purges too much, never too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub(super) u64);

/// Makes the tags of one cache: those of another seed are others.
///
/// Kinds are kept apart, so no name that an origin sends can be the path or the host of somebody
/// else's object. Authorities are compared in lower case; paths and names as they are.
#[derive(Clone, Copy, Debug)]
pub struct Tags {
    seed: u64,
}

impl Tags {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A name from `Surrogate-Key` or `Cache-Tag`.
    #[must_use]
    pub fn surrogate(&self, name: &[u8]) -> Tag {
        self.tag(b's', name, b"")
    }

    /// A name from `Cache-Groups`. Groups belong to one origin: the same name of another scheme,
    /// host or port is another group (RFC 9875, section 2). The origin is written
    /// `https://example.org`, with a port where it is not the usual one.
    #[must_use]
    pub fn group(&self, origin: &str, name: &[u8]) -> Tag {
        let origin = origin.to_ascii_lowercase();
        let usual = match origin.split_once("://") {
            Some(("https", _)) => ":443",
            Some(("http", _)) => ":80",
            _ => "",
        };
        self.tag(b'g', origin.strip_suffix(usual).unwrap_or(&origin).as_bytes(), name)
    }

    /// Everything of one authority.
    #[must_use]
    pub fn host(&self, authority: &[u8]) -> Tag {
        self.tag(b'h', &authority.to_ascii_lowercase(), b"")
    }

    /// One authority and path, whatever the query and the scheme: all versions `?v=…` of one image.
    #[must_use]
    pub fn path(&self, authority_and_path: &[u8]) -> Tag {
        let end = authority_and_path.iter().position(|byte| *byte == b'?');
        let (url, _) = authority_and_path.split_at(end.unwrap_or(authority_and_path.len()));
        self.tag(b'p', &lower_authority(url), b"")
    }

    /// One full key: all variants of one URL, in the form in which the cache keeps it.
    #[must_use]
    pub fn url(&self, key: &[u8]) -> Tag {
        self.tag(b'u', key, b"")
    }

    fn tag(&self, kind: u8, first: &[u8], second: &[u8]) -> Tag {
        let mut bytes = SmallVec::<[u8; 128]>::new();
        bytes.push(kind);
        // Its length first: ("a", "bc") is not ("ab", "c").
        bytes.extend_from_slice(&first.len().to_le_bytes());
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        Tag(xxh3_64_with_seed(&bytes, self.seed))
    }
}
