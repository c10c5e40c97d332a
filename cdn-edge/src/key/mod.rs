//! The cache key: what makes two requests ask for the same thing.
//!
//! Scheme, authority, path and query, byte for byte, after the [`KeyRules`]. A key that leaves out the host or
//! the query serves one site's pages to another: that was CVE-2026-2836 in one cache and is the default of others.
//! Nothing is decoded and no path is collapsed: `%2f`, `;` and `..` mean to the key what they mean to the
//! origin, so that no two spellings can be made to meet here and part there (cache deception).
//!
//! A key is looked up by a seeded 128-bit hash and compared by its bytes, so that a collision is a miss and never
//! somebody else's page.

mod learned;
mod query;
mod versions;

use std::ops::Range;

use http::Uri;
use http::header::{self, HeaderMap};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::field::no_vary_search::NoVarySearch;

pub(crate) use learned::Learned;
pub use query::Query;
pub(crate) use versions::{Same, Versions};

/// What a key is made of.
#[derive(Clone, Debug)]
pub struct KeyRules {
    pub(crate) scheme: &'static str,
    pub(crate) query: Query,
    pub(crate) version: Option<VersionParam>,
    pub(crate) no_vary_search: bool,
}

/// A query parameter that numbers the versions of a path, as in `cover.png?v=7`.
#[derive(Clone, Debug)]
pub struct VersionParam {
    pub(crate) name: String,
    pub(crate) keep: usize,
}

impl VersionParam {
    /// The parameter `name`; of each path the `keep` versions asked for last are kept, at least one.
    ///
    /// Without a bound, `?v=1`, `?v=2`, … from a stranger fill the memory with copies of one image.
    #[must_use]
    pub fn new(name: impl Into<String>, keep: usize) -> Self {
        Self { name: name.into(), keep: keep.max(1) }
    }
}

impl Default for KeyRules {
    fn default() -> Self {
        Self { scheme: "http", query: Query::keep(), version: None, no_vary_search: true }
    }
}

impl KeyRules {
    /// The scheme that clients use, for requests whose target does not say: `http` by default.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// What of the query counts: all of it, in its order, by default.
    #[must_use]
    pub fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    /// Whether a response may say by `No-Vary-Search` which differences of queries are none. On by default: it is
    /// the origin that says so, of its own path.
    #[must_use]
    pub fn no_vary_search(mut self, counts: bool) -> Self {
        self.no_vary_search = counts;
        self
    }

    /// Bounds the versions of one path.
    #[must_use]
    pub fn version(mut self, version: VersionParam) -> Self {
        self.version = Some(version);
        self
    }
}

/// A request whose target is not one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadTarget {
    SeveralHosts,
    HostMismatch,
    MalformedHost,
}

/// A key: its bytes, and where in them the host and the path lie.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    bytes: SmallVec<[u8; 160]>,
    authority: Range<u16>,
    path: Range<u16>,
    /// Bytes at the end that number the rule by which the query was read.
    mark: u8,
    hash: u128,
}

impl Key {
    pub(crate) fn of(
        uri: &Uri,
        headers: &HeaderMap,
        rules: &KeyRules,
        seed: u64,
    ) -> Result<Self, BadTarget> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(BadTarget::SeveralHosts);
        }
        let target = uri.authority().map(|authority| authority.as_str().as_bytes());
        // User information is not part of a host, and of no key.
        let target =
            target.map(|target| target.rsplit(|byte| *byte == b'@').next().unwrap_or(target));
        let authority = match (target, host) {
            (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host.as_bytes()) => {
                return Err(BadTarget::HostMismatch);
            }
            (Some(target), _) => target,
            (None, Some(host)) => host.as_bytes(),
            (None, None) => b"",
        };
        let scheme = uri.scheme_str().unwrap_or(rules.scheme);
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        let (path, query) = path_and_query
            .split_once('?')
            .map_or((path_and_query, None), |(path, query)| (path, Some(query)));
        let mut key = Self::unhashed(scheme, authority, path)?;
        if let Some(query) = query {
            rules.query.write(query, &mut key.bytes);
        }
        key.hash = xxh3_128_with_seed(&key.bytes, seed);
        Ok(key)
    }

    /// The key of another target at the same host.
    pub(crate) fn sibling(
        &self,
        path_and_query: &str,
        rules: &KeyRules,
        seed: u64,
    ) -> Option<Self> {
        let (path, query) = path_and_query
            .split_once('?')
            .map_or((path_and_query, None), |(path, query)| (path, Some(query)));
        let scheme =
            std::str::from_utf8(&self.bytes[..usize::from(self.authority.start).checked_sub(3)?])
                .ok()?;
        let mut key = Self::unhashed(scheme, self.authority(), path).ok()?;
        if let Some(query) = query {
            rules.query.write(query, &mut key.bytes);
        }
        key.hash = xxh3_128_with_seed(&key.bytes, seed);
        Some(key)
    }

    fn unhashed(scheme: &str, authority: &[u8], path: &str) -> Result<Self, BadTarget> {
        let mut bytes = SmallVec::new();
        bytes.extend_from_slice(scheme.as_bytes());
        bytes.extend_from_slice(b"://");
        let from = bytes.len();
        let is_host = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
        };
        if !authority.iter().all(is_host) {
            return Err(BadTarget::MalformedHost);
        }
        bytes.extend_from_slice(authority);
        bytes[from..].make_ascii_lowercase();
        // The default port is no port.
        let default: &[u8] = if scheme == "https" { b":443" } else { b":80" };
        if bytes[from..].ends_with(default) {
            bytes.truncate(bytes.len() - default.len());
        }
        let to = bytes.len();
        bytes.extend_from_slice(path.as_bytes());
        let place = |at: usize| u16::try_from(at).map_err(|_| BadTarget::MalformedHost);
        let (authority, path) = (place(from)?..place(to)?, place(to)?..place(bytes.len())?);
        Ok(Self { bytes, authority, path, mark: 0, hash: 0 })
    }

    /// The key with its query as a response's rule reads it.
    ///
    /// The rule's number stands at the end, behind a byte that is in no query.
    fn under(&self, rule: &NoVarySearch, number: u32, seed: u64) -> Self {
        let path = usize::from(self.path.end);
        let query = self.bytes.get(path + 1..self.bytes.len() - usize::from(self.mark));
        let query = query.and_then(|query| std::str::from_utf8(query).ok()).unwrap_or_default();
        let mut form = Vec::with_capacity(query.len());
        rule.canonical(query, &mut form);
        let mut key = Self { bytes: SmallVec::from_slice(&self.bytes[..path]), ..self.clone() };
        if !form.is_empty() {
            key.bytes.push(b'?');
            key.bytes.extend_from_slice(&form);
        }
        key.bytes.push(b'#');
        key.bytes.extend_from_slice(&number.to_be_bytes());
        key.mark = 5;
        key.hash = xxh3_128_with_seed(&key.bytes, seed);
        key
    }

    /// Everything but the query, as a number.
    fn path_hash(&self, seed: u64) -> u128 {
        xxh3_128_with_seed(&self.bytes[..usize::from(self.path.end)], seed)
    }

    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn authority(&self) -> &[u8] {
        &self.bytes[usize::from(self.authority.start)..usize::from(self.authority.end)]
    }

    /// Authority and path, without the query: the same for all versions of an image.
    pub(crate) fn without_query(&self) -> &[u8] {
        &self.bytes[usize::from(self.authority.start)..usize::from(self.path.end)]
    }

    /// Scheme and authority: an origin (RFC 6454).
    pub(crate) fn origin(&self) -> &[u8] {
        &self.bytes[..usize::from(self.authority.end)]
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &[u8] {
        &self.bytes[usize::from(self.path.start)..self.bytes.len() - usize::from(self.mark)]
    }
}

#[cfg(test)]
mod tests;
