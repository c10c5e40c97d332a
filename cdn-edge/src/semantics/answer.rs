use std::ops::Range;

use http::StatusCode;
use http::header::{self, HeaderMap};
use smallvec::SmallVec;

use super::{Facts, Now, Stored, Verb};
use crate::field::range::{self, Resolved};
use crate::field::{date, etag};

/// What of a response the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it.
    Full,
    /// 304: the client has it (4.3.2).
    NotModified,
    /// 206 with one range, of a representation of this length.
    Part(Range<u64>, u64),
    /// 206 with several ranges.
    Parts(SmallVec<[Range<u64>; 4]>, u64),
    /// 416: nothing of what it wants exists in this length.
    Unsatisfiable(u64),
}

/// Applies the client's preconditions, then its range (RFC 9110, 13.2.2).
///
/// `length` is that of the whole representation, where it is known: a body that is still on its way without a
/// `Content-Length` is served whole, as RFC 9110 (14.2) allows.
#[must_use]
pub fn answer(
    facts: &Facts,
    request: &HeaderMap,
    stored: &Stored,
    length: Option<u64>,
    now: Now,
) -> Answer {
    let is_success = matches!(stored.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    if facts.conditional && is_success && not_modified(request, stored, now) {
        return Answer::NotModified;
    }
    let whole = stored.span.map_or(length, |span| Some(span.total));
    let ranged = is_success && facts.range && facts.verb == Verb::Get;
    let (true, Some(length)) = (ranged, whole) else {
        return Answer::Full;
    };
    if !in_range(request, stored, now) {
        return Answer::Full;
    }
    let specs = super::freshness::single(request, &header::RANGE).and_then(range::parse);
    match specs.map(|specs| specs.resolve(length)) {
        None | Some(Resolved::Whole) => Answer::Full,
        Some(Resolved::One(range)) => Answer::Part(range, length),
        Some(Resolved::Many(ranges)) => Answer::Parts(ranges, length),
        Some(Resolved::Unsatisfiable) => Answer::Unsatisfiable(length),
    }
}

/// Whether the client's range counts for this response, as far as `If-Range` has a say.
pub(super) fn in_range(request: &HeaderMap, stored: &Stored, now: Now) -> bool {
    let condition = request.get_all(header::IF_RANGE);
    range::if_range(
        condition,
        stored.etag.as_ref(),
        stored.last_modified,
        Some(stored.date),
        now.unix,
    )
}

fn not_modified(request: &HeaderMap, stored: &Stored, now: Now) -> bool {
    // If-None-Match alone counts where it is present (RFC 9110, 13.1.3).
    if request.contains_key(header::IF_NONE_MATCH) {
        return etag::matches_none(request.get_all(header::IF_NONE_MATCH), stored.etag.as_ref());
    }
    let since = super::freshness::single(request, &header::IF_MODIFIED_SINCE);
    since
        .and_then(|value| date::parse(value, now.unix))
        // Without Last-Modified its Date stands in (4.3.2).
        .is_some_and(|since| stored.last_modified.unwrap_or(stored.date) <= since)
}
