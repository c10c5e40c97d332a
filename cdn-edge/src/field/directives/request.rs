use http::HeaderValue;

use super::{Argument, LONGEST, directive, lower};
use crate::field::list::elements;

/// How stale a response may be for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxStale {
    /// There is no such directive, or it cannot be read.
    #[default]
    Absent,
    /// By any number of seconds.
    Any,
    /// By this number of seconds.
    Seconds(u32),
}

/// The directives of a request.
///
/// Where a number is given twice, the one that asks for more is taken. One that cannot be read asks
/// for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestDirectives {
    /// `no-cache`
    pub no_cache: bool,
    /// `no-store`
    pub no_store: bool,
    /// `only-if-cached`
    pub only_if_cached: bool,
    /// `no-transform`
    pub no_transform: bool,
    /// `max-age`
    pub max_age: Option<u32>,
    /// `min-fresh`
    pub min_fresh: Option<u32>,
    /// `max-stale`
    pub max_stale: MaxStale,
    /// `stale-if-error` (RFC 5861)
    pub stale_if_error: Option<u32>,
}

impl RequestDirectives {
    /// Reads all lines of `Cache-Control`.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let mut read = Self::default();
        let mut buffer = [0; LONGEST];
        for (name, argument) in elements(values).filter_map(directive) {
            match lower(name, &mut buffer).unwrap_or_default() {
                b"no-cache" => read.no_cache = true,
                b"no-store" => read.no_store = true,
                b"only-if-cached" => read.only_if_cached = true,
                b"no-transform" => read.no_transform = true,
                b"max-age" => least(&mut read.max_age, argument),
                b"stale-if-error" => least(&mut read.stale_if_error, argument),
                b"min-fresh" => read.min_fresh = read.min_fresh.max(argument.seconds()),
                b"max-stale" => read.max_stale.also(argument),
                _ => {}
            }
        }
        read
    }
}

impl MaxStale {
    fn also(&mut self, argument: Argument<'_>) {
        *self = match (*self, argument.seconds()) {
            (Self::Seconds(before), Some(seconds)) => Self::Seconds(before.min(seconds)),
            (_, Some(seconds)) => Self::Seconds(seconds),
            (Self::Absent, None) if matches!(argument, Argument::None) => Self::Any,
            (before, None) => before,
        };
    }
}

fn least(limit: &mut Option<u32>, argument: Argument<'_>) {
    if let Some(seconds) = argument.seconds() {
        *limit = Some(limit.map_or(seconds, |before| before.min(seconds)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn read(line: &str) -> RequestDirectives {
        RequestDirectives::parse(&lines(&[line]))
    }

    #[test]
    fn every_directive_counts_in_any_case_and_on_any_line() {
        let directives = RequestDirectives::parse(&lines(&[
            "No-Cache, no-STORE,only-if-cached",
            "no-transform, Max-Age=1, min-fresh=\"2\"",
            "max-stale=3, stale-if-error=4",
        ]));
        assert_eq!(
            directives,
            RequestDirectives {
                no_cache: true,
                no_store: true,
                only_if_cached: true,
                no_transform: true,
                max_age: Some(1),
                min_fresh: Some(2),
                max_stale: MaxStale::Seconds(3),
                stale_if_error: Some(4),
            }
        );
    }

    #[test]
    fn of_two_numbers_the_one_that_asks_for_more_counts() {
        assert_eq!(read("max-age=9, max-age=1, max-age=5").max_age, Some(1));
        assert_eq!(read("min-fresh=1, min-fresh=9, min-fresh=5").min_fresh, Some(9));
        assert_eq!(read("max-stale=9, max-stale=1").max_stale, MaxStale::Seconds(1));
        assert_eq!(read("max-stale, max-stale=9").max_stale, MaxStale::Seconds(9));
        assert_eq!(read("max-stale=9, max-stale").max_stale, MaxStale::Seconds(9));
        assert_eq!(read("stale-if-error=9, stale-if-error=1").stale_if_error, Some(1));
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        assert_eq!(
            read("max-age=x, min-fresh=-1, max-stale=\"\", stale-if-error"),
            RequestDirectives::default()
        );
        assert_eq!(read("max-stale =5").max_stale, MaxStale::Absent);
        assert_eq!(read("max-stale").max_stale, MaxStale::Any);
    }

    proptest! {
        #[test]
        fn no_lines_panic_or_allocate(values in prop::collection::vec(any_line(), 0..4)) {
            let allocated = allocation_counter::measure(|| {
                let _ = std::hint::black_box(RequestDirectives::parse(&values));
            });
            prop_assert_eq!(allocated.count_total, 0);
        }
    }
}
