//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Breaker: one probe is under way, not more.
    OneProbe,
    /// Breaker: what began before the last change of state changes nothing.
    OldTerm,
    /// Breaker: a probe that does not come back is given up.
    LostProbe,
    /// Breaker: the backoff grows while probes fail.
    LongerBackoff,
    /// Guard: who would be refused does not queue.
    LookFirst,
    /// Guard: who has queued asks the breaker then.
    AskLast,
    /// Guard: a call that is dropped is reported.
    ReportDropped,
    /// Guard: a body that breaks off is reported.
    ReportBody,
    /// Client: what met the end of an old connection is sent once more.
    #[cfg(feature = "origin")]
    Again,
    /// Client: on a connection that has never answered, nothing is.
    #[cfg(feature = "origin")]
    OnlyOld,
    /// Client: what may have done something is not.
    #[cfg(feature = "origin")]
    OnlyIdempotent,
    /// Fallback: what cannot be asked twice is not.
    OnlyReads,
    /// Fallback: that a copy lacks a page is no answer.
    OnlyGood,
}

#[cfg(not(test))]
#[inline]
pub(super) const fn on(_: Rule) -> bool {
    true
}

#[cfg(test)]
std::thread_local! {
    static OFF: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
pub(super) fn on(rule: Rule) -> bool {
    OFF.get() != Some(rule)
}

/// A safeguard is off, on this thread, until this is dropped.
#[cfg(test)]
#[must_use]
pub(super) struct Off(());

#[cfg(test)]
impl Drop for Off {
    fn drop(&mut self) {
        OFF.set(None);
    }
}

/// Turns a safeguard off; `None` turns off nothing, for tests that do the same with and without.
#[cfg(test)]
pub(super) fn off(rule: impl Into<Option<Rule>>) -> Off {
    OFF.set(rule.into());
    Off(())
}
