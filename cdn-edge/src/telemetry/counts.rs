use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::semantics::Reason;

/// What became of a request, or of the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Answered from the store.
    Hit,
    /// Answered by the origin.
    Miss,
    /// Answered by what the origin said to another request.
    Collapsed,
    /// Answered by the edge itself, or not at all, because there was nothing else.
    Failure,
    /// Of the misses: the answer was not stored.
    Unstored,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Hit, Self::Miss, Self::Collapsed, Self::Failure, Self::Unstored];

    /// One word for it, from a closed set.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Collapsed => "collapsed",
            Self::Failure => "failure",
            Self::Unstored => "unstored",
        }
    }
}

/// How often one decision was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// What became of the request.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// How often.
    pub count: u64,
}

/// What a purge named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PurgeKind {
    Url,
    Path,
    Tag,
    Group,
    Host,
    Prefix,
    All,
}

impl PurgeKind {
    pub(super) const ALL: [Self; 7] =
        [Self::Url, Self::Path, Self::Tag, Self::Group, Self::Host, Self::Prefix, Self::All];

    #[cfg_attr(
        not(any(feature = "metrics", feature = "tracing")),
        expect(dead_code, reason = "a label of metrics and events")
    )]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Path => "path",
            Self::Tag => "tag",
            Self::Group => "group",
            Self::Host => "host",
            Self::Prefix => "prefix",
            Self::All => "all",
        }
    }
}

/// As many as keep the threads of one machine out of each other's way.
const STRIPES: usize = 16;

/// A count for each reason, in the order of [`Reason::ALL`].
#[derive(Debug)]
struct ByReason([AtomicU64; Reason::ALL.len()]);

impl ByReason {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Reason::ALL.len()])
    }

    #[inline]
    fn of(&self, reason: Reason) -> &AtomicU64 {
        &self.0[reason as usize]
    }
}

/// What one thread adds to on a hit. It shares its cache lines, and the neighbours that are fetched along, with no
/// other; the bytes and the most frequent reasons lie in the first.
#[derive(Debug)]
#[repr(C, align(128))]
struct Stripe {
    served: AtomicU64,
    hits: ByReason,
}

/// What [`Stats`](super::Stats) are made of.
#[derive(Debug)]
pub(super) struct Counts {
    stripes: [Stripe; STRIPES],
    misses: ByReason,
    collapsed: ByReason,
    failures: ByReason,
    unstored: ByReason,
    purges: [AtomicU64; PurgeKind::ALL.len()],
    pub(super) origin_requests: AtomicU64,
    pub(super) origin_failures: AtomicU64,
    pub(super) origin_bytes: AtomicU64,
    pub(super) stored: AtomicU64,
}

impl Counts {
    pub(super) const fn new() -> Self {
        Self {
            stripes: [const { Stripe { served: AtomicU64::new(0), hits: ByReason::new() } };
                STRIPES],
            misses: ByReason::new(),
            collapsed: ByReason::new(),
            failures: ByReason::new(),
            unstored: ByReason::new(),
            purges: [const { AtomicU64::new(0) }; PurgeKind::ALL.len()],
            origin_requests: AtomicU64::new(0),
            origin_failures: AtomicU64::new(0),
            origin_bytes: AtomicU64::new(0),
            stored: AtomicU64::new(0),
        }
    }

    /// Two additions in one cache line that no other thread writes.
    #[inline]
    pub(super) fn hit(&self, reason: Reason, bytes: u64) {
        let stripe = self.stripe();
        stripe.hits.of(reason).fetch_add(1, Relaxed);
        stripe.served.fetch_add(bytes, Relaxed);
    }

    #[inline]
    pub(super) fn served(&self, bytes: u64) {
        self.stripe().served.fetch_add(bytes, Relaxed);
    }

    pub(super) fn count(&self, outcome: Outcome, reason: Reason) {
        let table = match outcome {
            Outcome::Hit => &self.stripe().hits,
            Outcome::Miss => &self.misses,
            Outcome::Collapsed => &self.collapsed,
            Outcome::Failure => &self.failures,
            Outcome::Unstored => &self.unstored,
        };
        table.of(reason).fetch_add(1, Relaxed);
    }

    pub(super) fn purged(&self, kind: PurgeKind) {
        self.purges[kind as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn decided(&self, outcome: Outcome, reason: Reason) -> u64 {
        let table = match outcome {
            Outcome::Hit => {
                return self.stripes.iter().map(|it| it.hits.of(reason).load(Relaxed)).sum();
            }
            Outcome::Miss => &self.misses,
            Outcome::Collapsed => &self.collapsed,
            Outcome::Failure => &self.failures,
            Outcome::Unstored => &self.unstored,
        };
        table.of(reason).load(Relaxed)
    }

    pub(super) fn total(&self, outcome: Outcome) -> u64 {
        Reason::ALL.iter().map(|reason| self.decided(outcome, *reason)).sum()
    }

    pub(super) fn served_bytes(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.served.load(Relaxed)).sum()
    }

    pub(super) fn purges(&self, kind: PurgeKind) -> u64 {
        self.purges[kind as usize].load(Relaxed)
    }

    #[inline]
    fn stripe(&self) -> &Stripe {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            // By turns, so that as many threads as there are stripes never meet. By the key instead, all threads
            // would meet at whatever everybody asks for.
            static PLACE: usize = NEXT.fetch_add(1, Relaxed) % STRIPES;
        }
        // A thread that is ending has no place any more.
        &self.stripes[PLACE.try_with(|place| *place).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Outcome, PurgeKind};
    use crate::semantics::Reason;

    #[test]
    fn every_reason_and_kind_has_the_place_that_its_list_gives_it() {
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{reason}");
        }
        for (at, kind) in PurgeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at, "{kind:?}");
        }
    }

    #[test]
    fn every_decision_is_counted_in_a_place_of_its_own() {
        let counts = Counts::new();
        let all = || {
            Outcome::ALL
                .into_iter()
                .flat_map(|outcome| Reason::ALL.into_iter().map(move |reason| (outcome, reason)))
        };
        for (n, (outcome, reason)) in all().enumerate() {
            (0..=n).for_each(|_| counts.count(outcome, reason));
        }
        for (n, (outcome, reason)) in all().enumerate() {
            assert_eq!(counts.decided(outcome, reason), n as u64 + 1, "{outcome:?} {reason}");
        }
    }

    #[test]
    fn hits_of_many_threads_are_all_there() {
        let counts = Counts::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1000).for_each(|_| counts.hit(Reason::Fresh, 3)));
            }
        });
        assert_eq!(counts.total(Outcome::Hit), 20_000);
        assert_eq!(counts.served_bytes(), 60_000);
    }

    #[test]
    fn two_stripes_share_no_pair_of_cache_lines() {
        assert_eq!(align_of::<super::Stripe>(), 128);
        assert_eq!(size_of::<super::Stripe>() % 128, 0);
    }
}
