//! Each safeguard of the bus has a switch that only tests can turn, as those of
//! [`version`](crate::version) have: to show what it guards against.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A number that was skipped is a loss.
    Gap,
    /// A heartbeat's number counts, and not only those of changes.
    Beat,
    /// Who is heard of for the first time and has said something before, has said it unheard.
    FirstContact,
    /// A heartbeat with a number from before shows that the last one was not the publisher's.
    Behind,
    /// Who falls silent may have said something last.
    Silence,
    /// What cannot be read may have been a change.
    Damage,
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
