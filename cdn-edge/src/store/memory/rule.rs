//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Looking and changing are one step.
    OneAtATime,
    /// Clearing waits for updates, and updates for clearing.
    ClearWaits,
    /// A value whose successor is too heavy goes.
    ForgetOutdated,
    /// An engine that counts and forgets later is made to do it with every write.
    #[cfg(feature = "moka")]
    Settle,
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

/// Does this with one safeguard off, or none, on this thread.
#[cfg(test)]
pub(super) fn without<T>(rule: Option<Rule>, work: impl FnOnce() -> T) -> T {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            OFF.set(None);
        }
    }
    OFF.set(rule);
    let _back = Back;
    work()
}
