//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The MAC is compared.
    Mac,
    /// The MAC is over the body too.
    MacOfBody,
    /// A request is of this minute.
    Window,
    /// A request is done once.
    Nonce,
    /// What was forgotten to be seen is too old, whatever the clock says now.
    Backwards,
    /// No more is remembered than there is room for.
    Room,
    /// A key does so much and no more.
    Rate,
    /// A key does what its scopes say.
    Scope,
    /// A body ends.
    BodyLimit,
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
