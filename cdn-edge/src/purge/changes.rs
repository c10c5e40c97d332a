use std::sync::atomic::{AtomicU64, Ordering};

use super::Sequence;
use super::rule::{self, Rule};

/// How many floors all keys share: a fetch of 50 ms meets one of a thousand changes a second in one
/// case of eighty.
const FLOORS: u16 = 4096;

/// What unsafe requests have changed: for the fetches that are going on while it happens.
///
/// A `POST` that succeeds makes what is stored of its URL invalid (RFC 9111, section 4.4). That is
/// not a purge: anybody can send one, for as many URLs as the origin answers, and the purges that
/// are remembered one by one would be pushed out by them. What is stored is removed, and a fetch
/// that is on its way finds here that its answer may be of before the change, and is not stored.
/// Nothing of this concerns an object that is stored already, so nothing is remembered of one key:
/// 32 KiB, whatever happens. Keys share floors, so now and then a fetch is not stored because of
/// another key's change.
///
/// The order matters. Whoever changes marks first and removes then; whoever fetches takes the
/// number first, asks the origin then, and asks [`since`](Self::since) in the one step in which the
/// store is written:
///
/// ```
/// use std::sync::Mutex;
/// use terrace_cdn_edge::purge::Changes;
///
/// let (changes, stored) = (Changes::new(), Mutex::new(None));
/// let began = changes.now();
/// // The origin answers the fetch, and then a POST to the same URL.
/// changes.mark(7);
/// *stored.lock().unwrap() = None;
/// // Only now the fetch comes to its end.
/// let mut stored = stored.lock().unwrap();
/// if !changes.since(7, began) {
///     *stored = Some("the old page");
/// }
/// assert_eq!(*stored, None);
/// ```
#[derive(Debug)]
pub struct Changes {
    last: AtomicU64,
    floors: Box<[AtomicU64]>,
}

impl Changes {
    /// Nothing has changed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { last: AtomicU64::new(0), floors: (0..FLOORS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The number of the last change. A fetch takes it *before* the origin is asked.
    ///
    /// These are numbers of their own, and none of [`Invalidations`](super::Invalidations).
    #[must_use]
    pub fn now(&self) -> Sequence {
        Sequence(self.last.load(Ordering::SeqCst))
    }

    /// Notes that what this key names has changed, *after* the origin has said so and *before* what
    /// is stored is removed.
    pub fn mark(&self, key: u128) {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        if rule::on(Rule::Mark)
            && let Some(floor) = self.floors.get(place(key))
        {
            floor.fetch_max(number, Ordering::SeqCst);
        }
    }

    /// Whether this key, or one that shares its floor, has changed since a fetch began. Then the
    /// fetch's answer is not stored, and nobody who comes now is made to wait for it.
    #[must_use]
    pub fn since(&self, key: u128, began: Sequence) -> bool {
        let floor = self.floors.get(place(key));
        floor.is_none_or(|floor| began.0 < floor.load(Ordering::SeqCst))
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}

/// Any bits of a hash will do.
fn place(key: u128) -> usize {
    usize::try_from(key % u128::from(FLOORS)).unwrap_or_default()
}
