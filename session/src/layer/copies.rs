//! Copies of what was loaded, for reads while the store is away.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use crate::record::size;
use crate::store::Loaded;
use crate::token::SessionKey;

/// Bytes that all copies together may take. Two thousand sessions of 16 KiB, or a hundred thousand small ones.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// What a copy takes beside its values.
const BESIDE: usize = 256;

/// The sessions that this process loaded last.
#[derive(Debug)]
pub(crate) struct Copies(Cache<SessionKey, Arc<Copied>>);

#[derive(Debug)]
struct Copied {
    loaded: Loaded,
    at: Instant,
}

impl Copies {
    pub(crate) fn new() -> Self {
        let weight = |_: &SessionKey, copied: &Arc<Copied>| {
            u32::try_from(size(&copied.loaded.record.values) + BESIDE).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weight).build())
    }

    pub(crate) fn keep(&self, key: SessionKey, loaded: &Loaded) {
        let copied = Copied { loaded: loaded.clone(), at: Instant::now() };
        self.0.insert(key, Arc::new(copied));
    }

    /// What was loaded under this key less than `younger` ago, if it is not over by now.
    pub(crate) fn find(&self, key: &SessionKey, younger: Duration) -> Option<Loaded> {
        let copied = self.0.get(key)?;
        let age = Instant::now().saturating_duration_since(copied.at);
        still_good(&copied.loaded, age, younger)
    }

    pub(crate) fn forget(&self, key: &SessionKey) {
        self.0.invalidate(key);
    }

    pub(crate) fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// A copy of this age, as it is now. It goes by the store's clock as it was then, and by this machine's since.
fn still_good(loaded: &Loaded, age: Duration, younger: Duration) -> Option<Loaded> {
    let now = loaded.now.after(age);
    let good = age < younger && !loaded.record.is_expired(now);
    good.then(|| Loaded { now, touched: false, ..loaded.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::UnixMillis;
    use crate::record::{Device, Record};

    fn loaded(expires: u64) -> Loaded {
        let at = UnixMillis(1_000);
        let record = Record {
            version: 1,
            created: at,
            last_seen: at,
            expires: UnixMillis(expires),
            absolute: UnixMillis(expires),
            subject: None,
            authenticated: None,
            renewed: at,
            device: Device::default(),
            values: Arc::default(),
        };
        Loaded { record: Arc::new(record), now: at, touched: true, moved: false }
    }

    #[test]
    fn a_copy_is_used_while_it_is_young_and_its_session_is_not_over() {
        let (ms, min) = (Duration::from_millis, Duration::from_secs(60));
        let good = |age, younger| still_good(&loaded(11_000), age, younger);
        assert!(good(ms(9_999), min).is_some());
        assert!(good(ms(10_000), min).is_none(), "over");
        assert!(good(ms(4_999), ms(5_000)).is_some());
        assert!(good(ms(5_000), ms(5_000)).is_none(), "old");
        let copy = good(ms(500), min).unwrap();
        assert_eq!((copy.now, copy.touched), (UnixMillis(1_500), false));
    }

    proptest! {
        #[test]
        fn no_copy_is_older_than_allowed(age in 0u64..20_000, younger in 0u64..20_000) {
            let (age, younger) = (Duration::from_millis(age), Duration::from_millis(younger));
            let found = still_good(&loaded(11_000), age, younger);
            prop_assert!(found.is_none() || age < younger);
        }
    }
}
