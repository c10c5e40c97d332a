//! How things are called on a node.
//!
//! A value has its wire key for a name. All else has braces in its name, which no wire key has, and
//! begins with the space's prefix, so that a server's access rules need one pattern a cache.

use std::fmt::Write;

use bytes::Bytes;

use crate::store::{KEEP_AT_MOST, TagId};

/// What is remembered of a tag outlives all entries that carry it, by a day.
const TAG_KEEP: u64 = KEEP_AT_MOST + 24 * 60 * 60 * 1_000;

/// The names in one space.
#[derive(Debug)]
pub(super) struct Cells {
    prefix: String,
}

impl Cells {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// Who fills a key.
    pub(super) fn lease(key: &str) -> Bytes {
        format!("{key}{{lease}}").into()
    }

    /// Of which run of the server the other cells are.
    pub(super) fn run(&self) -> Bytes {
        self.cell("run")
    }

    /// Eight bytes with which each value begins that was kept since the last clear.
    pub(super) fn epoch(&self) -> Bytes {
        self.cell("epoch")
    }

    /// The number of the last bump, and the one from which bumps were counted.
    pub(super) fn count(&self) -> Vec<Bytes> {
        vec![self.cell("bumps"), self.cell("first")]
    }

    /// The number of the last bump of one tag.
    fn tag(&self, tag: &TagId) -> Bytes {
        let mut name = String::from("tag:");
        for byte in tag {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.cell(&name)
    }

    /// The count, and the cells of these tags.
    pub(super) fn of_tags(&self, tags: &[TagId]) -> Vec<Bytes> {
        let mut cells = self.count();
        cells.extend(tags.iter().map(|tag| self.tag(tag)));
        cells
    }

    pub(super) fn tag_keep() -> Bytes {
        TAG_KEEP.to_string().into()
    }

    fn cell(&self, name: &str) -> Bytes {
        format!("{}{{{name}}}", self.prefix).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Cells;
    use crate::key::{KeyBuf, Space};

    proptest! {
        #[test]
        fn no_wire_key_is_the_name_of_a_cell_or_of_a_lease(
            text in "[a-z{}:,.]{0,12}",
            raw: Vec<u8>,
            other: String,
        ) {
            let space = Space::new("users", 3).unwrap();
            let cells = Cells::new(space.prefix().to_owned());
            for key in [KeyBuf::of(&text), KeyBuf::of(&raw), KeyBuf::of(&other)] {
                let wire = space.wire(&key);
                let strange = wire.as_str().contains(['{', '}', '\r', '\n', '\0', ' ']);
                prop_assert!(!strange, "{wire}");
                let lease = Cells::lease(wire.as_str());
                let all = [cells.of_tags(&[[7; 16]]), vec![cells.run(), cells.epoch()]].concat();
                for cell in all {
                    let apart = cell.ends_with(b"}") && cell != lease;
                    prop_assert!(apart, "{cell:?} and {lease:?}");
                }
            }
        }
    }
}
