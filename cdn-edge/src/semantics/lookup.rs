use http::header::HeaderMap;

use super::{Facts, Now, Reason, Rules, Stored, Verb};
use crate::field::directives::MaxStale;
use crate::field::range::{self, Resolved};
use http::header;

/// One stored response under the key of a request. What was purged hard is not among them.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The response.
    pub stored: &'a Stored,
    /// It was purged softly.
    pub purged: bool,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Candidate `at` is the answer.
    Serve {
        /// Its place in the list.
        at: usize,
        /// Fresh, or why stale.
        reason: Reason,
        /// It is asked for again while it is served.
        behind: bool,
    },
    /// The origin is asked whether candidate `at` still holds.
    Revalidate {
        /// Its place in the list.
        at: usize,
        /// Why.
        reason: Reason,
    },
    /// The origin is asked for the response, which may then be stored.
    Fetch(Reason),
    /// The request goes to the origin as it is, and nothing is stored.
    Pass(Reason),
    /// 504: the client wants nothing from the origin (5.2.1.7).
    Unavailable,
}

/// What happens to a request, given all that is stored under its key.
///
/// Of several responses that match, the one with the latest `Date` is chosen (4.1), of those the last in the
/// list; a whole one before a part.
#[must_use]
pub fn lookup(
    candidates: &[Candidate<'_>],
    facts: &Facts,
    request: &HeaderMap,
    now: Now,
    rules: &Rules,
) -> Lookup {
    match facts.verb {
        Verb::Get | Verb::Head => {}
        Verb::Safe | Verb::Unsafe => return Lookup::Pass(Reason::Method),
    }
    if facts.precondition {
        return Lookup::Pass(Reason::Precondition);
    }
    let offline = facts.directives.as_ref().is_some_and(|directives| directives.only_if_cached);
    let found = match choose(candidates, facts, request, now, rules) {
        Ok(at) => decide(at, candidates[at], facts, now),
        Err(reason) => Lookup::Fetch(reason),
    };
    match found {
        Lookup::Serve { behind: false, .. } => found,
        Lookup::Serve { at, reason, .. } if offline => Lookup::Serve { at, reason, behind: false },
        _ if offline => Lookup::Unavailable,
        Lookup::Fetch(_) | Lookup::Revalidate { .. }
            if facts.directives.as_ref().is_some_and(|it| it.no_store) =>
        {
            Lookup::Pass(Reason::RequestNoStore)
        }
        // Only GET fills the cache; the answer to a HEAD may still freshen what is stored.
        Lookup::Fetch(reason) | Lookup::Revalidate { reason, .. } if facts.verb == Verb::Head => {
            Lookup::Pass(reason)
        }
        other => other,
    }
}

fn choose(
    candidates: &[Candidate<'_>],
    facts: &Facts,
    request: &HeaderMap,
    now: Now,
    rules: &Rules,
) -> Result<usize, Reason> {
    let mut best: Option<usize> = None;
    let mut varied = false;
    let mut missed_part = false;
    for (at, candidate) in candidates.iter().enumerate() {
        let stored = candidate.stored;
        if stored.selecting.as_ref().is_some_and(|selecting| !selecting.matches(request, rules)) {
            varied = true;
            continue;
        }
        if stored.span.is_some() && !covers(stored, facts, request, now) {
            missed_part = true;
            continue;
        }
        let better = best.is_none_or(|best| {
            let best = candidates[best].stored;
            (stored.span.is_none(), stored.date) >= (best.span.is_none(), best.date)
        });
        if better {
            best = Some(at);
        }
    }
    best.ok_or(if missed_part {
        Reason::PartMiss
    } else if varied {
        Reason::VaryMiss
    } else {
        Reason::Miss
    })
}

/// Whether a stored part holds all that a request's range wants.
fn covers(stored: &Stored, facts: &Facts, request: &HeaderMap, now: Now) -> bool {
    let Some(span) = stored.span else { return true };
    if !facts.range || !super::answer::in_range(request, stored, now) {
        return false;
    }
    let specs = super::freshness::single(request, &header::RANGE).and_then(range::parse);
    match specs.map(|specs| specs.resolve(span.total)) {
        Some(Resolved::One(range)) => span.start <= range.start && range.end <= span.end,
        _ => false,
    }
}

fn decide(at: usize, candidate: Candidate<'_>, facts: &Facts, now: Now) -> Lookup {
    let stored = candidate.stored;
    if facts.authorization && !stored.leave {
        return Lookup::Pass(Reason::Authorization);
    }
    if stored.no_cache {
        return Lookup::Revalidate { at, reason: Reason::NoCache };
    }
    let fresh = !candidate.purged && stored.is_fresh(now);
    let mut takes_stale = false;
    if let Some(directives) = &facts.directives {
        let age = stored.age(now);
        // A reload asks for nothing new where the response says that there can be nothing (RFC 8246).
        let settled = stored.immutable && fresh;
        let too_old =
            directives.max_age.is_some_and(|max| !settled && (max == 0 || age > u64::from(max)));
        let too_short = directives.min_fresh.is_some_and(|min| stored.ttl(now) < i64::from(min));
        if directives.no_cache || too_old || too_short {
            return Lookup::Revalidate { at, reason: Reason::RequestDirective };
        }
        takes_stale = match directives.max_stale {
            MaxStale::Absent => false,
            MaxStale::Any => true,
            MaxStale::Seconds(seconds) => stored.staleness(now) <= u64::from(seconds),
        };
    }
    if fresh {
        return Lookup::Serve { at, reason: Reason::Fresh, behind: false };
    }
    if !stored.never_stale {
        if takes_stale && !candidate.purged {
            return Lookup::Serve { at, reason: Reason::MaxStale, behind: false };
        }
        if stored.staleness(now) < u64::from(stored.stale_while_revalidate) {
            return Lookup::Serve { at, reason: Reason::StaleWhileRevalidate, behind: true };
        }
    }
    Lookup::Revalidate { at, reason: if candidate.purged { Reason::Purged } else { Reason::Stale } }
}
