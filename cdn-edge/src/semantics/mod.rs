//! RFC 9111 as decisions: what a request asks, what a response allows, what happens when they meet.
//!
//! Nothing here waits, locks, allocates a body or knows a clock: facts and a [`Now`] come in, a value comes
//! out, and every value says why ([`Reason`]). The shells in `edge` carry them out.
//!
//! - [`Facts`]: what of a request matters to a cache.
//! - [`Stored`]: what of a response matters once it is stored: numbers, flags, validators and what it was selected by.
//! - [`lookup`]: serve, revalidate, fetch, pass or refuse, over all variants of one key.
//! - [`admit`]: may this response be stored, for how long, and without which fields.
//! - [`freshen()`] and [`head()`]: what a 304 or the answer to a HEAD changes.
//! - [`answer`]: the client's own preconditions and ranges against what is served.
//! - [`rescue`]: may a stale response stand in for an origin that failed.
//! - [`invalidates`]: what a successful write invalidates.
//!
//! A decision is a function and not a state machine of one request: the same stored response meets many
//! requests at once, and a request may meet several stored responses. Crates that judge one pair at a time
//! cannot say "the newest of the variants that match" or "all with this validator".
//!
//! Sections in parentheses are those of RFC 9111 unless another is named.

mod admit;
mod answer;
mod facts;
mod freshen;
mod freshness;
mod invalidate;
mod lookup;
mod reason;
mod rescue;
mod rules;
mod selecting;
mod stored;

pub(crate) use admit::INTERNAL;
pub use admit::{Admission, Admitted, admit};
pub use answer::{Answer, answer};
pub use facts::{Facts, Verb};
pub use freshen::{Freshened, Head, freshen, head};
pub use freshness::{Lifetime, Source};
pub(crate) use invalidate::names_itself;
pub use invalidate::{Invalidates, invalidates};
pub use lookup::{Candidate, Lookup, lookup};
pub use reason::Reason;
pub use rescue::{Failure, rescue};
pub use rules::{Heuristic, Profile, Rules, SetCookie};
pub use selecting::Selecting;
pub(crate) use selecting::write as write_selecting;
pub use stored::{Span, Stored};

#[cfg(test)]
mod tests;

use http::HeaderMap;

/// The time of a decision, from two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Seconds since 1970, for dates in header fields.
    pub unix: u64,
    /// Milliseconds on a clock that only goes forward, for how long something has been here.
    pub tick: u64,
}

/// A request that was answered by the origin: what the decisions about the answer need of it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// What of the request matters.
    pub facts: &'a Facts,
    /// Its header.
    pub request: &'a HeaderMap,
    /// When it left for the origin.
    pub asked: Now,
    /// When the header of the answer was here.
    pub now: Now,
}
