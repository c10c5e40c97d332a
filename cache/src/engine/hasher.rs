use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// The hasher of the standard library, started from a seed.
///
/// The seed is hashed before each key, so who does not know it cannot choose keys that collide.
#[derive(Clone, Debug)]
pub(super) struct Seeded {
    start: DefaultHasher,
}

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        let mut start = DefaultHasher::new();
        start.write_u64(seed);
        Self { start }
    }
}

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.start.clone()
    }
}
