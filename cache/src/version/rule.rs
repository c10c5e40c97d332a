//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A load loses to an invalidation of its key.
    KeyFloor,
    /// What was captured before a clear is not current after it.
    Epoch,
    /// An entry is not current once one of its tags was bumped.
    TagCell,
    /// A load loses to a bump of a tag that its value turns out to carry.
    TagFloor,
    /// A cell that an entry holds is not forgotten.
    HeldCell,
    /// Loads and other puts lose to a put.
    PutMoves,
    /// Check and insert are one step for an invalidation.
    OneStep,
    /// A value that was superseded goes only to readers from before anything moved.
    Share,
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
