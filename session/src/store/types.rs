use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::expiry::Lifetime;
use crate::record::{Device, Limits, Patch, Record, Values};
use crate::token::{SessionKey, Tag};

/// Somebody who can be logged in: the application's id of a user, and the tag that their tokens carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// As the application calls them.
    pub id: Arc<str>,
    /// Where their sessions are in a cluster.
    pub tag: Tag,
}

/// Counts how often a subject's sessions were all ended. Only grows, also when a store forgets it: it is a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A session to create.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Who is logged in. The tag is the key's.
    pub authentication: Option<Authentication>,
    /// Its first values. Who creates has looked at their limits.
    pub values: Values,
    /// When it ends.
    pub lifetime: Lifetime,
}

/// A login.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// Who logs in.
    pub subject: Subject,
    /// With what.
    pub device: Device,
    /// The subject's epoch when the proof was looked at: if it is another one now, what was proved is of the past.
    pub epoch: Option<Epoch>,
    /// How many sessions a subject may have.
    pub limit: Option<SubjectLimit>,
}

/// How many sessions a subject may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectLimit {
    /// So many, at least 1.
    pub sessions: usize,
    /// What happens with one more.
    pub when_full: WhenFull,
}

/// What happens with one session more than a subject may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is not created.
    Reject,
    /// The one that was not used for longest ends.
    EvictOldest,
}

/// A session that a store has.
///
/// # Clone
///
/// Cheap: the record is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The session.
    pub record: Arc<Record>,
    /// The time, by the store's clock.
    pub now: UnixMillis,
    /// Whether its use was noted, so that it ends later now.
    pub touched: bool,
    /// Whether the key is the one that it had before a renewal.
    pub moved: bool,
}

/// What a creation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    Created {
        /// The session.
        loaded: Loaded,
        /// How many others of the subject made room for it.
        evicted: usize,
    },
    /// There is one under this key. With 160 random bits this is a broken random source.
    Exists,
    /// The subject has as many as it may have.
    Full,
    /// The subject's epoch is not the one that was given.
    Revoked,
}

/// On what a patch depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// That the session is there.
    Exists,
    /// That it is there and has not changed since this version.
    Version(u64),
}

/// What a patch came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// It is done, and this is the version now.
    Applied {
        /// The version.
        version: u64,
    },
    /// There is no such session any more.
    Gone,
    /// It has changed since: this is how it is now. Only with [`Guard::Version`].
    Conflict(Loaded),
    /// There is no room for it: nothing was changed.
    Full,
}

/// How a session moves to a new key.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Why.
    pub change: Change,
    /// Changes of values on the way. Applied after values were dropped.
    pub patch: Patch,
    /// How much it may hold.
    pub limits: Limits,
    /// How long it lives from now on. A renewal leaves the absolute deadline alone.
    pub lifetime: Lifetime,
}

/// Why a session moves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Somebody logs in. The session begins anew, and the old key is dead at once.
    Login {
        /// Who, and with what.
        authentication: Authentication,
        /// Whether it keeps its values: those of a stranger who turns out to be somebody, and not those of somebody
        /// else.
        keep_values: bool,
    },
    /// Its subject proved once more to be who they say. The session's deadlines begin anew, and the old key is dead at once.
    Elevate,
    /// Its key is old. The old one leads to the new one until the new one was used, and for `grace` after that: an
    /// answer that was lost logs nobody out, and requests that are on their way arrive.
    Renew {
        /// How long the old key works after the new one was seen.
        grace: Duration,
    },
}

/// What a rotation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It has moved.
    Rotated {
        /// The session.
        loaded: Loaded,
        /// How many others of the subject made room for it.
        evicted: usize,
    },
    /// There is no such session any more.
    Gone,
    /// Another request has renewed it: the key is the one from before, and the new one is younger than the grace, or was used.
    /// Only with [`Change::Renew`].
    Moved,
    /// There is one under the new key. With 160 random bits this is a broken random source.
    Exists,
    /// There is no room for its values, and nothing was changed.
    Full,
    /// The subject has as many sessions as it may have.
    TooMany,
    /// The subject's epoch is not the one that was given.
    Revoked,
}

/// A session in a subject's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: SessionKey,
    /// When it began.
    pub created: UnixMillis,
    /// Its last use that was noted.
    pub last_seen: UnixMillis,
    /// When it ends unused.
    pub expires: UnixMillis,
    /// What it is used with.
    pub device: Device,
}

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether other processes see the same sessions.
    pub shared: bool,
    /// Whether sessions outlive the process.
    pub durable: bool,
    /// Whether somebody has to call [`sweep`](super::Store::sweep) from time to time.
    pub needs_sweep: bool,
}

impl Capabilities {
    /// Of a store that is neither shared nor durable, and cleans up by itself.
    #[must_use]
    pub const fn in_process() -> Self {
        Self { shared: false, durable: false, needs_sweep: false }
    }

    /// Whether other processes see the same sessions.
    #[must_use]
    pub const fn shared(self, shared: bool) -> Self {
        Self { shared, ..self }
    }

    /// Whether sessions outlive the process.
    #[must_use]
    pub const fn durable(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// Whether somebody has to sweep.
    #[must_use]
    pub const fn needs_sweep(self, needs_sweep: bool) -> Self {
        Self { needs_sweep, ..self }
    }
}
