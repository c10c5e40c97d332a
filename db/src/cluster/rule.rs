//! Each safeguard has a switch that only tests can turn, so that they can show what it guards
//! against. In the library itself every one of them is on, and the compiler knows.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A node of another cluster is asked nothing.
    Identity,
    /// A writable node on a lower timeline gets no writes.
    HighestTimeline,
    /// What a replica says of timelines counts as much as what a primary says.
    ReplicaTimeline,
    /// The highest timeline outlives the process.
    Remember,
    /// Two writable nodes on equal timelines get no writes.
    EqualTimelines,
    /// A silent primary keeps its claim to its timeline.
    SilentClaim,
    /// What was asked earlier than what is known never wins.
    Order,
    /// A node that said it is not the primary must be asked again first.
    NotPrimary,
    /// A position behind the fork is not part of what follows the fork.
    Fork,
    /// A read goes where its reader's writes are.
    Writes,
    /// A read goes where its reader's earlier reads are.
    Monotonic,
    /// A sample speaks only of reads before it.
    SampleAfter,
    /// Nodes with a tag keep to themselves.
    Tags,
    /// What an old primary says after the next timeline began is no measure.
    Began,
    /// A replica serves once it has caught up, and leaves when it lags.
    Lag,
    /// It comes back at half of the bound.
    Hysteresis,
    /// A bound on staleness that the caller set is kept.
    Staleness,
    /// A token of a timeline that nobody has seen is not served by nodes that lack it.
    Ahead,
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

/// Does this with one safeguard off.
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
