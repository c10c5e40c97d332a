//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A number is published when the table says what was purged, not before.
    PublishLast,
    /// What is forgotten raises the floor.
    Floor,
    /// A soft purge leaves a hard one as it is.
    HardStays,
    /// Only what is valid is remembered.
    OnlyValid,
    /// A prefix is dropped for a wider one only if that one is as hard.
    CoveredAsHard,
    /// A tag that is purged again is the newest.
    PurgedAgain,
    /// A change is marked for the fetches that are going on.
    Mark,
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

/// Does this with one safeguard off, on this thread.
#[cfg(test)]
pub(super) fn without<T>(rule: Rule, work: impl FnOnce() -> T) -> T {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            OFF.set(None);
        }
    }
    OFF.set(Some(rule));
    let _back = Back;
    work()
}
