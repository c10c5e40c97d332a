//! Invalidation by sequence number: what was purged, and whether an object is older than that.
//!
//! Every purge has a number, one higher than that of the purge before it. A fetch takes the number
//! of the last purge *before* it asks the origin, and the object keeps it with its tags: its
//! [`Marks`]. An object is purged if one of its tags has a number above its own. So a purge is one
//! write, however many objects it concerns, nobody keeps a list of the objects of a tag, and an
//! object whose fetch began before the purge is stale when it arrives. When it was put into the
//! store does not matter.
//!
//! ```
//! use terrace_cdn_edge::purge::{Invalidations, Limits, Marks, Mode, Target, Verdict};
//!
//! let invalidations = Invalidations::new(Limits::default(), 7);
//! let tags = invalidations.tags();
//!
//! let began = invalidations.now();
//! // The origin is asked, and meanwhile somebody purges the tag that its answer will carry.
//! invalidations.purge(&Target::Tag(tags.surrogate(b"front page")), Mode::Hard);
//! let marks = Marks::new(began, b"example.org/", [tags.surrogate(b"front page")]);
//! assert_eq!(invalidations.verdict(&marks), Verdict::Hard);
//!
//! // The next fetch is of the new page.
//! assert_eq!(invalidations.verdict(&marks.renewed(invalidations.now())), Verdict::Valid);
//! ```
//!
//! Who purges does so *after* the origin answers with what is new. A purge before that may be
//! followed by a fetch of what is old, and nothing here can know.
//!
//! - **Exact, within bounds.** The last 65,536 purged tags and 256 purged prefixes are remembered
//!   one by one. The oldest of more is forgotten, and everything fetched before *it* counts as
//!   purged as it was. Too much may be purged, too little never: [`Counts`] says how often it
//!   happened, [`Limits`] moves the bound.
//! - **Hard and soft.** A hard purge means that the object must not be served any more, a soft one
//!   that it is stale: it may be served while a new one is fetched, or when the origin is down. A
//!   hard purge is not softened by a later soft one.
//! - **Only operators purge.** What anybody may cause, the invalidation by an unsafe request, does
//!   not come here, or it would push out what is remembered: see [`Changes`].
//! - **Automatic tags.** [`Tags`] keeps kinds apart: what the origin names (surrogate keys, cache
//!   groups of one origin), and what the edge gives to every object (its host, its path without the
//!   query, its URL).
//!
//! Use a tag where you can and a prefix where you must: a tag is looked up, while each prefix
//! purged since an object was last asked for is compared with its URL.

mod changes;
mod invalidations;
mod marks;
mod prefix;
mod rule;
mod table;
mod tag;

#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::changes::Changes;
pub use self::invalidations::{Counts, Invalidations, Limits};
pub use self::marks::Marks;
pub(crate) use self::prefix::Prefix;
pub use self::tag::{Tag, Tags};

/// The number of a purge; zero is before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub(crate) u64);

impl Sequence {
    /// The plain number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a purge concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Every object that carries this tag.
    Tag(Tag),
    /// Every object whose authority and path begin with this, for example `example.org/img/`.
    ///
    /// What has no slash is a whole authority: `example.org` is `example.org/`, and does not reach
    /// `example.org.evil.test`. Nothing at all is everything.
    Prefix(String),
    /// Every object.
    All,
}

/// What becomes of a purged object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is not served any more.
    Hard,
    /// It is stale from now on, whatever its lifetime says.
    Soft,
}

/// What the purges say about an object, from the mildest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing that concerns it was purged since its fetch began.
    Valid,
    /// It is stale.
    Soft,
    /// It must not be served.
    Hard,
}
