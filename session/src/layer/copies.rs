//! Copies of what was loaded, for reads while the store is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::Entry;
use moka::ops::compute::Op;
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
///
/// An answer may be on its way here while another request ends the session. Changes are therefore counted, and an answer to a
/// question from before a change is not kept.
#[derive(Debug)]
pub(crate) struct Copies {
    kept: Cache<SessionKey, Kept>,
    changes: AtomicU64,
    /// The change with which all were forgotten.
    all_forgotten: AtomicU64,
}

/// So many changes were there when the store was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u64);

#[derive(Clone, Debug)]
enum Kept {
    Copy(Arc<Copied>),
    /// It was changed then.
    Forgotten(Turn),
}

#[derive(Debug)]
struct Copied {
    loaded: Loaded,
    at: Instant,
    asked: Turn,
}

impl Copies {
    pub(crate) fn new() -> Self {
        let weight = |_: &SessionKey, kept: &Kept| {
            let values = match kept {
                Kept::Copy(copied) => size(&copied.loaded.record.values),
                Kept::Forgotten(_) => 0,
            };
            u32::try_from(values + BESIDE).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(CAPACITY).weigher(weight).build();
        Self { kept, changes: AtomicU64::new(0), all_forgotten: AtomicU64::new(0) }
    }

    /// To be taken before the store is asked.
    pub(crate) fn turn(&self) -> Turn {
        Turn(self.changes.load(Ordering::SeqCst))
    }

    fn next_turn(&self) -> Turn {
        Turn(self.changes.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Keeps what the store said when it was asked then.
    pub(crate) fn keep(&self, key: SessionKey, loaded: &Loaded, asked: Turn) {
        let copied = Copied { loaded: loaded.clone(), at: Instant::now(), asked };
        self.kept.entry(key).and_compute_with(|there| match there.map(Entry::into_value) {
            Some(Kept::Forgotten(then)) if then > asked => Op::Nop,
            _ => Op::Put(Kept::Copy(Arc::new(copied))),
        });
    }

    /// What was loaded under this key less than `younger` ago, if it is not over by now.
    pub(crate) fn find(&self, key: &SessionKey, younger: Duration) -> Option<Loaded> {
        let Some(Kept::Copy(copied)) = self.kept.get(key) else { return None };
        if copied.asked.0 < self.all_forgotten.load(Ordering::SeqCst) {
            return None;
        }
        let age = Instant::now().saturating_duration_since(copied.at);
        still_good(&copied.loaded, age, younger)
    }

    pub(crate) fn forget(&self, key: &SessionKey) {
        self.kept.insert(*key, Kept::Forgotten(self.next_turn()));
    }

    pub(crate) fn forget_all(&self) {
        self.all_forgotten.fetch_max(self.next_turn().0, Ordering::SeqCst);
        self.kept.invalidate_all();
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

    fn key() -> SessionKey {
        SessionKey::new(crate::token::Tag([1; 4]), [2; 32])
    }

    #[tokio::test]
    async fn an_answer_from_before_a_change_is_not_kept() {
        let min = Duration::from_secs(60);
        for all in [false, true] {
            let copies = Copies::new();
            let asked = copies.turn();
            match all {
                true => copies.forget_all(),
                false => copies.forget(&key()),
            }
            copies.keep(key(), &loaded(11_000), asked);
            assert!(copies.find(&key(), min).is_none(), "all: {all}");
            copies.keep(key(), &loaded(11_000), copies.turn());
            assert!(copies.find(&key(), min).is_some(), "control: asked after it");
        }
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
