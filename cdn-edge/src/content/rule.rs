//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// What is kept is a copy, never a slice of a buffer that somebody else made.
    Copy,
    /// Many small pushes are joined to few parts.
    Join,
    /// Who waits is woken by every push.
    Wake,
    /// A reader that ends or is dropped leaves nothing behind.
    Leave,
    /// The filler waits for the fastest reader, not for the slowest.
    Fastest,
    /// The filler of a window waits for its readers.
    Pace,
    /// What is behind the window is forgotten.
    Forget,
    /// What was read on the way is still there for readers half a window behind.
    Behind,
    /// A body that ends must be as long as it was announced.
    Length,
    /// A filler that is dropped unfinished has failed.
    Abort,
    /// Bytes in flight are bounded for all fills together.
    Budget,
    /// A body that a reader goes on with must be exactly as long as what is missing.
    Resumed,
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
