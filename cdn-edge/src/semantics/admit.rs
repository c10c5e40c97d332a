use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::freshness::{self, Lifetime};
use super::{Exchange, Facts, Reason, Rules, Selecting, SetCookie, Span, Stored, Verb};
use crate::field::directives::{Qualified, ResponseDirectives, Seconds};
use crate::field::etag::EntityTag;
use crate::field::range::ContentRange;
use crate::field::vary::Vary;
use crate::field::{connection, date, targeted};

/// Whether a response is stored.
#[derive(Debug)]
pub enum Admission {
    /// Yes.
    Store(Box<Admitted>),
    /// No, and why.
    Refuse(Reason),
}

/// A response that may be stored.
#[derive(Debug)]
pub struct Admitted {
    /// What decisions need of it.
    pub stored: Stored,
    /// Its header as it is stored: without connection fields, without `Age`, without what
    /// `no-cache="…"` and `private="…"` name.
    pub headers: HeaderMap,
    /// Who named its lifetime.
    pub lifetime: Lifetime,
}

/// Judges the answer to a GET (3).
///
/// The answer may be a whole response or a part of one (3.3). A 304 is judged by
/// [`freshen`](super::freshen()), the answer to a HEAD by [`head`](super::head()).
#[must_use]
pub fn admit(
    exchange: &Exchange<'_>,
    status: StatusCode,
    response: &HeaderMap,
    rules: &Rules,
) -> Admission {
    match judge(exchange, status, response, rules) {
        Ok(admitted) => Admission::Store(Box::new(admitted)),
        Err(reason) => Admission::Refuse(reason),
    }
}

fn judge(
    exchange: &Exchange<'_>,
    status: StatusCode,
    response: &HeaderMap,
    rules: &Rules,
) -> Result<Admitted, Reason> {
    let Exchange { facts, request, asked, now } = *exchange;
    let (directives, is_targeted) = directives(response, rules);
    let span = permitted(facts, status, response, &directives)?;
    shareable(facts, response, &directives, is_targeted, rules)?;
    let names = match Vary::parse(response.get_all(header::VARY)) {
        Vary::None => None,
        Vary::Any => return Err(Reason::VaryAny),
        Vary::Fields(names) if !names.iter().all(|name| rules.may_vary_on(name)) => {
            return Err(Reason::VaryUnbounded);
        }
        Vary::Fields(names) => Some(names),
    };

    let origin = freshness::origination(response, asked, now);
    let mut lifetime =
        freshness::lifetime(status, response, &directives, is_targeted, origin, rules);
    if !lifetime.source.is_explicit() && !directives.public && !freshness::is_heuristic(status) {
        return Err(Reason::Status);
    }
    let mut stale_while_revalidate =
        directives.stale_while_revalidate.unwrap_or(rules.stale_while_revalidate);
    let mut stale_if_error = directives.stale_if_error.unwrap_or(rules.stale_if_error);
    if let (Some(cap), true) = (rules.error_lifetime, status.as_u16() >= 400) {
        lifetime.seconds = lifetime.seconds.min(cap);
        stale_while_revalidate = stale_while_revalidate.min(cap);
        stale_if_error = stale_if_error.min(cap);
    }
    let etag = EntityTag::of(response.get_all(header::ETAG));
    let last_modified = freshness::single(response, &header::LAST_MODIFIED)
        .and_then(|value| date::parse(value, now.unix));
    let no_cache = matches!(directives.no_cache, Qualified::All);
    let has_validator = etag.is_some() || last_modified.is_some();
    // Fresh for a while, or stale for a while, or able to become fresh again: else it is of no use.
    let of_use = has_validator
        || !no_cache
            && (u64::from(lifetime.seconds) * 1000 > origin.age
                || stale_while_revalidate > 0
                || stale_if_error > 0);
    if !of_use {
        return Err(if no_cache { Reason::NoCache } else { Reason::NoLifetime });
    }

    let born =
        i64::try_from(now.tick).unwrap_or(i64::MAX) - i64::try_from(origin.age).unwrap_or(i64::MAX);
    let stored = Stored {
        status,
        born,
        lifetime: lifetime.seconds,
        stale_while_revalidate,
        stale_if_error,
        date: origin.date,
        last_modified,
        etag,
        selecting: names.map(|names| Box::new(Selecting::of(&names, request, response, rules))),
        span,
        never_stale: directives.must_revalidate
            || directives.proxy_revalidate
            || directives.s_maxage != Seconds::Absent,
        no_cache,
        leave: has_leave(&directives),
        immutable: directives.immutable,
    };
    let headers = stored_header(response, &directives, origin.date, rules);
    Ok(Admitted { stored, headers, lifetime })
}

/// The directives that count for this cache, and whether they come from a targeted field.
pub(super) fn directives(response: &HeaderMap, rules: &Rules) -> (ResponseDirectives, bool) {
    for name in &rules.targeted {
        if let Some(directives) = targeted::parse(response.get_all(name)) {
            return (directives, true);
        }
    }
    (ResponseDirectives::parse(response.get_all(header::CACHE_CONTROL)), false)
}

/// Whether storing is forbidden (3), and what part of the representation this is.
fn permitted(
    facts: &Facts,
    status: StatusCode,
    response: &HeaderMap,
    directives: &ResponseDirectives,
) -> Result<Option<Span>, Reason> {
    if facts.verb != Verb::Get {
        return Err(Reason::Method);
    }
    if facts.directives.as_ref().is_some_and(|directives| directives.no_store) {
        return Err(Reason::RequestNoStore);
    }
    if status.as_u16() < 200 || status == StatusCode::NOT_MODIFIED {
        return Err(Reason::Status);
    }
    // Where it is present, no-store is for caches that do not know the directive (5.2.2.3).
    if directives.must_understand && !freshness::is_understood(status) {
        return Err(Reason::MustUnderstand);
    }
    if directives.no_store && !directives.must_understand {
        return Err(Reason::NoStore);
    }
    if matches!(directives.private, Qualified::All) {
        return Err(Reason::Private);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        return part(facts, response).map(Some).ok_or(Reason::BadPart);
    }
    // An answer to a range that cannot be had says nothing about the whole.
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(Reason::BadPart);
    }
    Ok(None)
}

fn part(facts: &Facts, response: &HeaderMap) -> Option<Span> {
    if !facts.range {
        return None;
    }
    let range = ContentRange::parse(freshness::single(response, &header::CONTENT_RANGE)?)?;
    let (range, total) = (range.range()?, range.length()?);
    Some(Span { start: range.start, end: range.end, total })
}

/// Whether others may see it: credentials (3.5), cookies.
fn shareable(
    facts: &Facts,
    response: &HeaderMap,
    directives: &ResponseDirectives,
    is_targeted: bool,
    rules: &Rules,
) -> Result<(), Reason> {
    let leave = has_leave(directives);
    if facts.authorization && !leave {
        return Err(Reason::Authorization);
    }
    if facts.cookie && rules.cookies_need_leave && !leave && !is_targeted {
        return Err(Reason::Cookie);
    }
    if rules.set_cookie == SetCookie::Refuse && response.contains_key(header::SET_COOKIE) {
        return Err(Reason::SetCookie);
    }
    Ok(())
}

fn has_leave(directives: &ResponseDirectives) -> bool {
    directives.public
        || directives.must_revalidate
        || matches!(directives.s_maxage, Seconds::Valid(_))
}

/// The header as it is stored (3.1).
fn stored_header(
    response: &HeaderMap,
    directives: &ResponseDirectives,
    date: u64,
    rules: &Rules,
) -> HeaderMap {
    let mut headers = response.clone();
    connection::strip(&mut headers);
    for qualified in [&directives.no_cache, &directives.private] {
        if let Qualified::Fields(names) = qualified {
            for name in names {
                headers.remove(name);
            }
        }
    }
    // Made anew for each answer.
    headers.remove(header::AGE);
    if rules.set_cookie == SetCookie::Strip {
        headers.remove(header::SET_COOKIE);
    }
    // For caches like this one, not for those who come after (Surrogate-Key, Cache-Tag).
    for name in INTERNAL {
        headers.remove(name);
    }
    if !headers.contains_key(header::DATE) {
        headers.insert(header::DATE, date::format(date));
    }
    headers
}

/// Fields that speak to this cache alone.
pub(crate) const INTERNAL: [HeaderName; 2] =
    [HeaderName::from_static("surrogate-key"), HeaderName::from_static("cache-tag")];
