use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::{Admission, Admitted, Exchange, Facts, Reason, Rules, Selecting, Stored, admit};
use crate::field::date;
use crate::field::etag::EntityTag;

/// What a 304 makes of the stored response that was asked about (4.3.4).
#[derive(Debug)]
pub enum Freshened {
    /// It holds, with this header.
    Updated(Box<Admitted>),
    /// It holds for this request, and may no longer be stored.
    Unstored(Reason, HeaderMap),
    /// The 304 speaks of another response: ask again, without validators.
    Mismatch,
}

/// Updates a stored response by a 304.
///
/// `header` is the stored header, `selecting` what the response was selected by: a 304 is no reason to compare
/// other fields from now on than those that chose the stored body.
#[must_use]
pub fn freshen(
    stored: &Stored,
    header: &HeaderMap,
    exchange: &Exchange<'_>,
    update: &HeaderMap,
    rules: &Rules,
) -> Freshened {
    if !speaks_of(stored, update) {
        return Freshened::Mismatch;
    }
    let merged = merge(header, update, exchange.now.unix);
    // Of a part it is known where it lies; its header no longer says so.
    let status = if stored.span.is_some() { StatusCode::OK } else { stored.status };
    match admit(exchange, status, &merged, rules) {
        Admission::Store(mut admitted) => {
            keep_identity(&mut admitted.stored, stored);
            Freshened::Updated(admitted)
        }
        Admission::Refuse(reason) => Freshened::Unstored(reason, merged),
    }
}

/// What the answer to a HEAD makes of a stored response (4.3.5).
#[derive(Debug)]
pub enum Head {
    /// The fields that tell representations apart agree: the header is updated.
    Updated(Box<Admitted>),
    /// They do not: the stored response is of the past.
    Outdated,
    /// It says nothing about what is stored.
    Unrelated,
}

/// Updates a stored response by the 200 that answered a HEAD.
#[must_use]
pub fn head(
    stored: &Stored,
    header: &HeaderMap,
    exchange: &Exchange<'_>,
    status: StatusCode,
    answer: &HeaderMap,
    rules: &Rules,
) -> Head {
    if status != StatusCode::OK || stored.status != StatusCode::OK || stored.span.is_some() {
        return Head::Unrelated;
    }
    let differs = [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH]
        .iter()
        .any(|name| matches!((header.get(name), answer.get(name)), (Some(ours), Some(theirs)) if ours != theirs));
    if differs {
        return Head::Outdated;
    }
    let merged = merge(header, answer, exchange.now.unix);
    // As if a GET had been answered: the answer to a HEAD is never stored by itself.
    let facts = Facts { verb: super::Verb::Get, ..exchange.facts.clone() };
    match admit(&Exchange { facts: &facts, ..*exchange }, StatusCode::OK, &merged, rules) {
        Admission::Store(mut admitted) => {
            keep_identity(&mut admitted.stored, stored);
            Head::Updated(admitted)
        }
        // Of whoever asked, and not of the response.
        Admission::Refuse(reason) if reason.is_personal() => Head::Unrelated,
        Admission::Refuse(_) => Head::Outdated,
    }
}

fn keep_identity(updated: &mut Stored, stored: &Stored) {
    updated.status = stored.status;
    updated.span = stored.span;
    // The new Vary counts only if it selects no less than the old one did.
    let narrower = match (&updated.selecting, &stored.selecting) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(new), Some(old)) => !covers(new, old),
    };
    if narrower {
        updated.selecting.clone_from(&stored.selecting);
    }
}

fn covers(new: &Selecting, old: &Selecting) -> bool {
    old.names().iter().all(|name| new.names().contains(name))
}

/// A validator in the 304 must be the stored one: a tag but for its strength, a date by equality.
///
/// By the letter of 4.3.4 a strong tag selects only what has the same strong one. The request named one tag, and
/// nginx, which weakens the tags of what it compresses, answers `W/"a"` with a 304 for `"a"`: taking that for
/// another response would fetch each of them anew at every validation.
fn speaks_of(stored: &Stored, update: &HeaderMap) -> bool {
    let tag = EntityTag::of(update.get_all(header::ETAG));
    match (tag, &stored.etag) {
        (Some(theirs), Some(ours)) => return theirs.weak_eq(ours.as_bytes()),
        (Some(theirs), None) if !theirs.is_weak() => return false,
        _ => {}
    }
    let modified = super::freshness::single(update, &header::LAST_MODIFIED);
    match (modified.and_then(|value| date::parse(value, stored.date)), stored.last_modified) {
        (Some(theirs), Some(ours)) if stored.etag.is_none() => theirs == ours,
        _ => true,
    }
}

/// The stored fields, each replaced by what the update says of it (3.2).
fn merge(header: &HeaderMap, update: &HeaderMap, now: u64) -> HeaderMap {
    let mut update = update.clone();
    crate::field::connection::strip(&mut update);
    let mut merged = header.clone();
    // An update without one is of now, and not of when the stored response was made (RFC 9110, 6.6.1).
    merged.insert(header::DATE, date::format(now));
    for name in update.keys().filter(|name| !DESCRIBES_BODY.contains(name)) {
        merged.remove(name);
        for value in update.get_all(name) {
            merged.append(name, value.clone());
        }
    }
    merged
}

/// Fields that describe the stored bytes, which a message without them cannot change (3.2).
const DESCRIBES_BODY: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    HeaderName::from_static("content-md5"),
];
