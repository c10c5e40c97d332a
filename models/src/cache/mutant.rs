//! The design with one safeguard less.

/// A safeguard that is left out, or done wrong. Some make no difference to the promises, and say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// A load is kept in memory whatever has moved since its capture.
    NoVersionCheck,
    /// Other steps come between the check of a capture and the insert.
    CheckThenInsert,
    /// What an entry in memory was stamped with is not looked at on a hit.
    NoStampCheck,
    /// A value from the store is kept in memory without a look at the capture.
    SharedWithoutCapture,
    /// The tags' number is captured when the load has ended.
    TagsCapturedLate,
    /// Readers join loads that are superseded already. Harmless: it costs them a wait.
    JoinsSuperseded,
    /// Who joined a load gets its value even if it was superseded.
    JoinersAlwaysServed,
    /// A writer's value is kept in memory whatever has moved since its capture.
    PutWithoutCheck,
    /// What was written to memory by a writer does not make loads lose.
    PutMovesNothing,
    /// The invalidation comes before the commit.
    InvalidateBeforeCommit,
    /// Memory is invalidated before the store, and not again after it.
    NotAgainAfterTheStore,
    /// Memory is invalidated after the store, and not before it. Harmless: it keeps those from the
    /// old value who come while the store is being told.
    NotBeforeTheStore,
    /// The store keeps values whatever became of the lease.
    FillWithoutLease,
    /// Removing a value leaves the lease alive.
    RemoveKeepsLease,
    /// The store's lease tokens start at 0 again when it does. Harmless, since the epoch is another
    /// one then: each of the two is enough.
    TokensStartAgain,
    /// The store's tokens and numbers start at 0 again when it does.
    AllStartsAgain,
    /// The store's epoch starts at 0 again when it was lost.
    EpochStartsAgain,
    /// The store's number of the last bump starts at 0 again when it was lost.
    SequenceStartsAgain,
    /// The store does not know where its count of bumps began, and compares numbers of this one
    /// with those of one that was lost.
    CountsMixed,
    /// The store keeps a value under the epoch of now, whatever the lease's was.
    FillUnderEpochOfNow,
    /// A tag's version in the store is not compared.
    SharedTagsUnchecked,
    /// A tag that the store has no version of fits every value.
    MissingTagFits,
    /// A tag that the store has no version of is held, whatever was bumped since the lease.
    MissingTagHeld,
    /// The store holds tags whatever was bumped since the lease.
    HoldWithoutSequence,
    /// Of two writers at once both may fill, one after the other.
    BothWritersFill,
    /// Of two writers at once the second may fill. Harmless, since the first finds its lease gone
    /// and removes.
    SecondWriterFills,
    /// A writer that may not fill leaves the store as it is.
    RefusedWriterLeaves,
    /// A gap in another's messages is passed over.
    NoFlushOnGap,
    /// A publisher is silent after its last message.
    NoHeartbeat,
    /// A loaded entry's age counts from when it was kept, and not from when its load began.
    LoadAgeFromTheEnd,
    /// A written entry's age counts from when it was kept, and not from before the write.
    PutAgeFromTheEnd,
}
