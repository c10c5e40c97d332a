use http::StatusCode;
use http::header::{self, HeaderMap};

use super::{Now, Rules};
use crate::field::age::{self, Age};
use crate::field::date;
use crate::field::directives::{ResponseDirectives, Seconds};

/// The largest age or lifetime, in seconds: 2^31 (1.2.2).
pub(super) const FOREVER: u32 = 1 << 31;

/// How long a response is fresh, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Seconds.
    pub seconds: u32,
    /// Where they come from.
    pub source: Source,
}

/// Where a lifetime comes from, the first that there is (4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `s-maxage`.
    SharedMaxAge,
    /// `max-age`.
    MaxAge,
    /// `Expires`, counted from `Date`.
    Expires,
    /// The rules' guess.
    Heuristic,
    /// Nobody.
    None,
}

impl Source {
    /// Whether the response itself named a lifetime.
    #[must_use]
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::SharedMaxAge | Self::MaxAge | Self::Expires)
    }
}

/// A response's own clock: when it was made and how old it was on arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origination {
    /// `Date`, or the time of arrival where there is none that can be read.
    pub(super) date: u64,
    /// Age on arrival, in milliseconds.
    pub(super) age: u64,
}

/// Reads `Date` and `Age` (4.2.3). `asked` is when the request left, `now` when the header was here.
pub(super) fn origination(headers: &HeaderMap, asked: Now, now: Now) -> Origination {
    let date = single(headers, &header::DATE).and_then(|value| date::parse(value, now.unix));
    let apparent = now.unix.saturating_sub(date.unwrap_or(now.unix)).saturating_mul(1000);
    let delay = now.tick.saturating_sub(asked.tick);
    let corrected = match age::parse(headers.get_all(header::AGE)) {
        Age::Absent => delay,
        Age::Seconds(seconds) => (u64::from(seconds) * 1000).saturating_add(delay),
        // Nobody knows how old it is, so it is as old as can be.
        Age::Invalid => u64::from(FOREVER) * 1000,
    };
    let age = apparent.max(corrected).min(u64::from(FOREVER) * 1000);
    Origination { date: date.unwrap_or(now.unix), age }
}

/// The lifetime of a response.
pub(super) fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    targeted: bool,
    origin: Origination,
    rules: &Rules,
) -> Lifetime {
    for (seconds, source) in
        [(directives.s_maxage, Source::SharedMaxAge), (directives.max_age, Source::MaxAge)]
    {
        match seconds {
            Seconds::Absent => {}
            Seconds::Valid(seconds) => return Lifetime { seconds, source },
            // Encouraged by 4.2.1: what cannot be read is stale.
            Seconds::Invalid => return Lifetime { seconds: 0, source },
        }
    }
    // A targeted field stands in for Expires too (RFC 9213, 2.2).
    if !targeted && headers.contains_key(header::EXPIRES) {
        let expires =
            single(headers, &header::EXPIRES).and_then(|value| date::parse(value, origin.date));
        let seconds = expires.map_or(0, |expires| expires.saturating_sub(origin.date));
        let seconds = u32::try_from(seconds).unwrap_or(FOREVER).min(FOREVER);
        return Lifetime { seconds, source: Source::Expires };
    }
    match rules.heuristic {
        Some(heuristic) if is_heuristic(status) || directives.public => {
            let modified = single(headers, &header::LAST_MODIFIED)
                .and_then(|value| date::parse(value, origin.date));
            match modified {
                Some(modified) => {
                    let since = origin.date.saturating_sub(modified);
                    let share = since.saturating_mul(u64::from(heuristic.percent)) / 100;
                    let seconds = u32::try_from(share).unwrap_or(FOREVER).min(heuristic.at_most);
                    Lifetime { seconds, source: Source::Heuristic }
                }
                None => Lifetime { seconds: 0, source: Source::None },
            }
        }
        _ => Lifetime { seconds: 0, source: Source::None },
    }
}

/// The one value of a field; several are none.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// Status codes that may be stored without being told (RFC 9110, 15.1).
pub(super) fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Status codes whose meaning for caches is known here: the final ones of RFC 9110.
pub(super) fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=206 | 300..=305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 428 | 429 | 431 | 451 | 500..=505 | 511
    )
}
