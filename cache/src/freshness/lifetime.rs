use std::time::Duration;

use super::moment::nanos;
use super::{Freshness, Moment, Ttl};

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// A value.
    Value,
    /// The knowledge that there is none.
    Absence,
}

/// A load that has ended well.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// When it started to read.
    pub began: Moment,
    /// When it had its value.
    pub ended: Moment,
    /// What it found.
    pub kept: Kept,
    /// What its value says of itself, instead of [`Freshness::ttl`] or
    /// [`Freshness::negative_ttl`]. A ttl of 0 means that it is not to be kept.
    pub ttl: Option<Ttl>,
}

/// How long an entry lives, computed once when it is stored. 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// From here on it is stale.
    pub fresh_until: Moment,
    /// From here on nobody gets it without waiting for a load.
    pub stale_until: Moment,
    /// From here on nobody gets it at all.
    pub error_until: Moment,
    /// From here on it is not in this process any more, however long it lives elsewhere.
    pub l1_until: Moment,
    /// How early a refresh starts, on average, if somebody reads all the time: the time that the
    /// load took, times beta, in nanoseconds.
    pub early: u64,
}

/// How an entry may be served.
///
/// In this order: as time passes, a verdict only moves down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// As it is.
    Fresh,
    /// As it is, and this reader starts a load in the background.
    FreshRefreshEarly,
    /// As it is, though stale, with a load in the background.
    StaleRevalidate,
    /// Only if a load fails or takes too long.
    StaleOnlyOnError,
    /// Not at all.
    Gone,
}

impl Freshness {
    /// The lifetime of what a load found. `draw` is any number, by chance.
    ///
    /// The ttl counts from the end of the load, so that a slow load is worth keeping too.
    #[must_use]
    pub fn lifetime(&self, load: &Load, draw: u64) -> Lifetime {
        let ttl = load.ttl.or(match load.kept {
            Kept::Value => Some(self.ttl),
            Kept::Absence => self.negative_ttl.map(Ttl::For),
        });
        let fresh_until = match ttl {
            None | Some(Ttl::For(Duration::ZERO)) => return Lifetime::over(load.ended),
            Some(Ttl::ForEver) => Moment::NEVER,
            Some(Ttl::For(ttl)) => load.ended.plus(self.jittered(ttl, draw)),
        };
        let l1_until = self.l1_until(load.began);
        if load.kept == Kept::Absence {
            // A stale "there is none" would hide what was created since.
            return Lifetime {
                fresh_until,
                stale_until: fresh_until,
                error_until: fresh_until,
                l1_until,
                early: 0,
            };
        }
        let stale_until = fresh_until.plus(self.stale_while_revalidate);
        let took = load.ended.since(load.began);
        Lifetime {
            fresh_until,
            stale_until,
            error_until: fresh_until.plus(self.stale_if_error).max(stale_until),
            l1_until,
            early: Duration::try_from_secs_f64(took.as_secs_f64() * self.beta)
                .map_or(u64::MAX, nanos),
        }
    }

    /// The lifetime, in this process, of an entry that came from a shared store. `asked` is when
    /// the store was asked, not when it answered: the answer may have been overtaken on its way.
    #[must_use]
    pub fn filled(&self, shared: Lifetime, asked: Moment) -> Lifetime {
        Lifetime { l1_until: shared.l1_until.min(self.l1_until(asked)), ..shared }
    }

    /// Counted from before the read: what another process wrote during it may be missing.
    fn l1_until(&self, read: Moment) -> Moment {
        self.l1_max_age.map_or(Moment::NEVER, |age| read.plus(age))
    }

    fn jittered(&self, ttl: Duration, draw: u64) -> Duration {
        let part = self.jitter * (1.0 - chance(draw));
        let less = Duration::try_from_secs_f64(ttl.as_secs_f64() * part).unwrap_or_default();
        ttl.saturating_sub(less)
    }
}

impl Lifetime {
    /// Of what is not to be kept.
    fn over(now: Moment) -> Self {
        Self { fresh_until: now, stale_until: now, error_until: now, l1_until: now, early: 0 }
    }

    /// How the entry may be served now. `draw` makes any number, by chance, a new one for each reader:
    /// it decides who refreshes early. It is not asked where nothing depends on it.
    #[inline]
    #[must_use]
    pub fn judge(&self, now: Moment, draw: impl FnOnce() -> u64) -> Verdict {
        if now >= self.l1_until {
            return Verdict::Gone;
        }
        if now < self.fresh_until {
            return match self.is_early(now, draw) {
                true => Verdict::FreshRefreshEarly,
                false => Verdict::Fresh,
            };
        }
        if now < self.stale_until {
            Verdict::StaleRevalidate
        } else if now < self.error_until {
            Verdict::StaleOnlyOnError
        } else {
            Verdict::Gone
        }
    }

    /// Until then it is [`Fresh`](Verdict::Fresh) whatever is drawn: one look at the clock says all.
    #[must_use]
    pub fn plainly_fresh_until(&self) -> Moment {
        let early = Duration::from_nanos(self.early.saturating_mul(FURTHEST));
        self.fresh_until.minus(early).min(self.l1_until)
    }

    /// When nothing may serve the entry here any more, so that its memory may be freed.
    #[must_use]
    pub fn gone_at(&self) -> Moment {
        self.error_until.min(self.l1_until)
    }

    /// The rule of Vattani, Chierichetti and Lowenstein ("Optimal Probabilistic Cache Stampede
    /// Prevention", 2015): early by an exponentially distributed time whose mean is `early`.
    #[inline]
    fn is_early(&self, now: Moment, draw: impl FnOnce() -> u64) -> bool {
        // Most hits need no logarithm.
        let left = self.fresh_until.nanos_since(now);
        if left > self.early.saturating_mul(FURTHEST) || self.early == 0 {
            return false;
        }
        left as f64 <= self.early as f64 * -chance(draw()).ln()
    }

    /// What is left of `fresh_until`, `stale_until` and `error_until`, for the bytes of a shared
    /// store. `None` never ends.
    #[must_use]
    pub fn left(&self, now: Moment) -> [Option<Duration>; 3] {
        [self.fresh_until, self.stale_until, self.error_until]
            .map(|until| (until != Moment::NEVER).then(|| until.since(now)))
    }

    /// The lifetime of which this much is left, in the same order. Whoever keeps it in memory bounds
    /// it by [`Freshness::filled`].
    ///
    /// What contradicts itself lives shorter: nothing is fresh for longer than it is kept.
    #[must_use]
    pub fn of_left(left: [Option<Duration>; 3], early: u64, now: Moment) -> Self {
        let [fresh, stale, error] =
            left.map(|left| left.map_or(Moment::NEVER, |left| now.plus(left)));
        let stale = stale.min(error);
        Self {
            fresh_until: fresh.min(stale),
            stale_until: stale,
            error_until: error,
            l1_until: Moment::NEVER,
            early,
        }
    }
}

/// No draw reaches further than -ln(2^-53) = 36.7 times.
const FURTHEST: u64 = 37;

/// A number above 0 and up to 1, evenly spread, of all 53 bits that fit.
#[inline]
fn chance(draw: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    ((draw >> 11) + 1) as f64 / STEPS
}

const _: () = assert!(size_of::<Moment>() == 8 && size_of::<Lifetime>() == 40);
