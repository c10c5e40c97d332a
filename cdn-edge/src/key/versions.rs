use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Mutex;

use smallvec::SmallVec;

use super::{Key, VersionParam, query};

/// Paths whose versions are remembered; beyond it the bound of each path is forgotten, not the memory's.
const PATHS: usize = 65_536;

/// Which versions of a path are stored, by the order in which they came.
#[derive(Debug)]
pub(crate) struct Versions {
    rule: VersionParam,
    paths: Mutex<HashMap<u64, SmallVec<[u128; 4]>, BuildHasherDefault<Same>>>,
}

impl Versions {
    pub(crate) fn new(rule: VersionParam) -> Self {
        Self { rule, paths: Mutex::default() }
    }

    /// Notes that a version is stored, and says which stored ones are now too many.
    pub(crate) fn stored(&self, key: &Key, seed: u64) -> SmallVec<[u128; 2]> {
        let mut over = SmallVec::new();
        let target = std::str::from_utf8(key.target()).unwrap_or_default();
        let Some((_, query)) = target.split_once('?') else { return over };
        if query::value(query, &self.rule.name).is_none() {
            return over;
        }
        let path = xxhash_rust::xxh3::xxh3_64_with_seed(key.without_query(), seed);
        let Ok(mut paths) = self.paths.lock() else { return over };
        if paths.len() >= PATHS && !paths.contains_key(&path) {
            paths.clear();
        }
        let versions = paths.entry(path).or_default();
        versions.retain(|version| *version != key.hash());
        versions.push(key.hash());
        while versions.len() > self.rule.keep {
            over.push(versions.remove(0));
        }
        over
    }
}

/// Keys of the map are hashes already.
#[derive(Default)]
pub(crate) struct Same(u64);

impl std::hash::Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half of a hash is a hash")]
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}
