//! When a session ends: decisions, without a clock of their own.

use std::time::Duration;

use crate::clock::UnixMillis;

/// How long sessions live.
///
/// Three ends, each for a reason of its own (OWASP, Session Management Cheat Sheet): unused for too long
/// (idle), old (absolute), and an id that was in use for too long
/// ([`renewal`](Self::renewal)), which ends the id and not the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    idle: Duration,
    absolute: Duration,
    renewal: Option<Duration>,
}

impl Expiry {
    /// Two ends: unused for `idle`, and `absolute` after the login.
    #[must_use]
    pub const fn new(idle: Duration, absolute: Duration) -> Self {
        Self { idle, absolute, renewal: None }
    }

    /// A new id every so often, while the session is in use. Off by default.
    #[must_use]
    pub const fn renewal(self, every: Duration) -> Self {
        Self { renewal: Some(every), ..self }
    }

    /// The two durations that a store needs.
    #[must_use]
    pub const fn lifetime(&self) -> Lifetime {
        Lifetime { idle: self.idle, absolute: self.absolute }
    }

    /// How old a session's last use has to be before it is noted again: an eighth of the idle time, at least 30 seconds
    /// and at most an hour. A session ends that much early in the worst case, and a busy one is written 8 times in
    /// its idle time instead of with every request.
    #[must_use]
    pub fn touch_after(&self) -> Duration {
        touch_after(self.idle)
    }

    /// Whether a session whose id is from `renewed` needs a new one.
    #[must_use]
    pub fn is_renewal_due(&self, renewed: UnixMillis, now: UnixMillis) -> bool {
        self.renewal.is_some_and(|every| now.since(renewed) >= every)
    }
}

/// Idle 30 minutes, absolute 12 hours: what NIST SP 800-63B asks of a site with some risk (AAL2), and within the range
/// that the OWASP cheat sheet gives for a site with little.
impl Default for Expiry {
    fn default() -> Self {
        Self::new(Duration::from_secs(30 * 60), Duration::from_secs(12 * 60 * 60))
    }
}

fn touch_after(idle: Duration) -> Duration {
    let (shortest, longest) = (Duration::from_secs(30), Duration::from_secs(60 * 60));
    // With an idle time under four minutes, 30 seconds would be more than an eighth, and could be all of it.
    (idle / 8).clamp(shortest.min(idle / 2), longest)
}

/// How long a session lives, as a store is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Until it ends unused.
    pub idle: Duration,
    /// Until it ends in any case.
    pub absolute: Duration,
}

/// What is left of a session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remaining {
    /// If nobody uses it.
    pub(crate) unused: Duration,
    /// However much it is used.
    pub(crate) at_most: Duration,
}

/// Whether loading counts as use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It does not.
    Never,
    /// It does: the session ends `idle` from now, if its last use is at least `after` ago. Never later than its
    /// absolute deadline.
    Use {
        /// How long it may be unused.
        idle: Duration,
        /// How old the last noted use has to be.
        after: Duration,
    },
}

impl Touch {
    /// When the session ends now, if this is to be noted. A clock that went backwards changes nothing.
    #[must_use]
    pub fn deadline(
        self,
        last_seen: UnixMillis,
        expires: UnixMillis,
        absolute: UnixMillis,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        let Self::Use { idle, after } = self else { return None };
        let due = now > last_seen && now.since(last_seen) >= after;
        due.then(|| now.after(idle).min(absolute)).filter(|deadline| *deadline != expires)
    }
}
