use http::{HeaderName, HeaderValue};

use super::{Argument, LONGEST, Seconds, directive, lower};
use crate::field::list::{elements, elements_of_line};

/// A directive that is about a whole response, or about some of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Qualified {
    /// There is no such directive.
    #[default]
    Absent,
    /// It is about the whole response.
    All,
    /// It is about these fields: at least one, in the order in which they are named.
    Fields(Vec<HeaderName>),
}

impl Qualified {
    /// Whether the directive is there and about the whole response.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The fields that it is about, if it is about fields.
    #[must_use]
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Absent | Self::All => &[],
        }
    }

    /// Reads a list of names. What cannot be read stands for the whole response.
    pub(in crate::field) fn named(list: &[u8]) -> Self {
        let names: Option<Vec<_>> =
            elements_of_line(list).map(|name| HeaderName::from_bytes(name).ok()).collect();
        names.filter(|names| !names.is_empty()).map_or(Self::All, Self::Fields)
    }

    /// Takes one more occurrence into account: the whole wins, and names add up.
    fn also(&mut self, argument: Argument<'_>) {
        let next = argument.quoted().map_or(Self::All, Self::named);
        match (&mut *self, next) {
            (Self::Fields(names), Self::Fields(more)) => names.extend(more),
            (Self::All, _) => {}
            (_, next) => *self = next,
        }
    }
}

/// The directives of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseDirectives {
    /// `no-store`
    pub no_store: bool,
    /// `no-cache`
    pub no_cache: Qualified,
    /// `private`
    pub private: Qualified,
    /// `public`
    pub public: bool,
    /// `must-revalidate`
    pub must_revalidate: bool,
    /// `proxy-revalidate`
    pub proxy_revalidate: bool,
    /// `must-understand`
    pub must_understand: bool,
    /// `no-transform`
    pub no_transform: bool,
    /// `immutable` (RFC 8246)
    pub immutable: bool,
    /// `max-age`
    pub max_age: Seconds,
    /// `s-maxage`
    pub s_maxage: Seconds,
    /// `stale-while-revalidate` (RFC 5861): 0 if it cannot be read, so that it allows nothing.
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861): 0 if it cannot be read, so that it allows nothing.
    pub stale_if_error: Option<u32>,
}

impl ResponseDirectives {
    /// Reads all lines of `Cache-Control`.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let mut read = Self::default();
        let mut while_revalidate = Seconds::Absent;
        let mut if_error = Seconds::Absent;
        let mut buffer = [0; LONGEST];
        for (name, argument) in elements(values).filter_map(directive) {
            match lower(name, &mut buffer).unwrap_or_default() {
                b"max-age" => read.max_age.also(argument),
                b"s-maxage" => read.s_maxage.also(argument),
                b"stale-while-revalidate" => while_revalidate.also(argument),
                b"stale-if-error" => if_error.also(argument),
                b"no-cache" => read.no_cache.also(argument),
                b"private" => read.private.also(argument),
                name => read.flag(name, true),
            }
        }
        read.stale_while_revalidate = allowance(while_revalidate);
        read.stale_if_error = allowance(if_error);
        read
    }

    /// Sets a directive that has no argument. Unknown ones are ignored.
    pub(in crate::field) fn flag(&mut self, name: &[u8], value: bool) {
        let flag = match name {
            b"no-store" => &mut self.no_store,
            b"public" => &mut self.public,
            b"must-revalidate" => &mut self.must_revalidate,
            b"proxy-revalidate" => &mut self.proxy_revalidate,
            b"must-understand" => &mut self.must_understand,
            b"no-transform" => &mut self.no_transform,
            b"immutable" => &mut self.immutable,
            _ => return,
        };
        *flag = value;
    }
}

/// What was meant and cannot be read is not what was never said: no default stands in for it.
fn allowance(seconds: Seconds) -> Option<u32> {
    match seconds {
        Seconds::Absent => None,
        Seconds::Valid(seconds) => Some(seconds),
        Seconds::Invalid => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, SET_COOKIE};
    use proptest::prelude::*;

    use super::*;
    use crate::field::{
        delta,
        testing::{any_line, line_of, lines},
    };

    fn read(line: &str) -> ResponseDirectives {
        ResponseDirectives::parse(&lines(&[line]))
    }

    #[test]
    fn every_directive_counts_in_any_case_and_on_any_line() {
        let directives = ResponseDirectives::parse(&lines(&[
            "No-Store, PUBLIC,must-revalidate , proxy-Revalidate",
            "",
            "must-understand,No-Transform,,immutable, Max-Age=1, S-MAXAGE=2",
            "stale-While-revalidate=3, STALE-if-error=4, No-Cache, Private, unknown=\"x\"",
        ]));
        assert_eq!(
            directives,
            ResponseDirectives {
                no_store: true,
                no_cache: Qualified::All,
                private: Qualified::All,
                public: true,
                must_revalidate: true,
                proxy_revalidate: true,
                must_understand: true,
                no_transform: true,
                immutable: true,
                max_age: Seconds::Valid(1),
                s_maxage: Seconds::Valid(2),
                stale_while_revalidate: Some(3),
                stale_if_error: Some(4),
            }
        );
        assert_eq!(ResponseDirectives::parse(&lines(&[])), ResponseDirectives::default());
    }

    #[test]
    fn a_lifetime_is_digits_quoted_or_not_and_everything_else_is_invalid() {
        for (line, wanted) in [
            ("max-age=3600", Seconds::Valid(3600)),
            ("max-age=\"3600\"", Seconds::Valid(3600)),
            ("max-age=003600", Seconds::Valid(3600)),
            ("max-age=99999999999", Seconds::Valid(delta::MAX)),
            ("max-age='3600'", Seconds::Invalid),
            ("max-age=3600.0", Seconds::Invalid),
            ("max-age=3600.5", Seconds::Invalid),
            ("max-age=-1", Seconds::Invalid),
            ("max-age=a3600", Seconds::Invalid),
            ("max-age=3600a", Seconds::Invalid),
            ("max-age=3600 a", Seconds::Invalid),
            ("max-age=3600;a=b", Seconds::Invalid),
            ("max-age=\"36\\00\"", Seconds::Invalid),
            ("max-age=\"3600", Seconds::Invalid),
            ("max-age=\" 3600\"", Seconds::Invalid),
            ("max-age =3600", Seconds::Invalid),
            ("max-age= 3600", Seconds::Invalid),
            ("max-age=", Seconds::Invalid),
            ("max-age", Seconds::Invalid),
            ("max-age=1, max-age=1", Seconds::Valid(1)),
            ("max-age=1, max-age=3600", Seconds::Invalid),
            ("max-age=3600, max-age=1, max-age=1", Seconds::Invalid),
            ("max-age=3600, max-age", Seconds::Invalid),
            ("max-age3600", Seconds::Absent),
            ("x-max-age=3600", Seconds::Absent),
            ("max-age:3600", Seconds::Absent),
        ] {
            assert_eq!(read(line).max_age, wanted, "{line:?}");
        }
        assert_eq!(
            ResponseDirectives::parse(&lines(&["max-age=1800", "max-age=1"])).max_age,
            Seconds::Invalid
        );
    }

    #[test]
    fn text_in_a_quoted_string_is_no_directive() {
        for line in [
            "extension=\"max-age=3600\", max-age=1",
            "max-age=1, extension=\"max-age=3600\"",
            "extension=\"a, max-age=3600\", max-age=\"1\"",
            "max-age=\"1\", extension=\"\\\", max-age=3600\"",
        ] {
            assert_eq!(read(line).max_age, Seconds::Valid(1), "{line:?}");
        }
        assert!(!read("extension=\"a, no-store, b\"").no_store);
    }

    #[test]
    fn an_argument_does_not_take_a_prohibition_away() {
        for line in ["no-store=0", "no-store=\"x\"", "no-store =x", "no-store=", "no-store= a b"] {
            assert!(read(line).no_store, "{line:?}");
        }
        assert!(read("x=\"unclosed, no-store").no_store);
    }

    #[test]
    fn a_stale_allowance_that_cannot_be_read_allows_nothing() {
        let directives =
            read("stale-while-revalidate=1, stale-while-revalidate=2, stale-if-error=x");
        assert_eq!(directives.stale_while_revalidate, Some(0));
        assert_eq!(directives.stale_if_error, Some(0));
    }

    #[test]
    fn fields_are_named_in_a_quoted_string_and_everything_else_is_the_whole() {
        let fields = |names: &[HeaderName]| Qualified::Fields(names.to_vec());
        for (line, wanted) in [
            ("no-cache=\"Set-Cookie\"", fields(&[SET_COOKIE])),
            ("no-cache=\" set-cookie ,, cookie\"", fields(&[SET_COOKIE, COOKIE])),
            ("no-cache=\"set-cookie\", no-cache=\"cookie\"", fields(&[SET_COOKIE, COOKIE])),
            ("no-cache=\"set-cookie\", no-cache", Qualified::All),
            ("no-cache, no-cache=\"set-cookie\"", Qualified::All),
            ("no-cache=set-cookie", Qualified::All),
            ("no-cache=\"\"", Qualified::All),
            ("no-cache=\",\"", Qualified::All),
            ("no-cache=\"set cookie\"", Qualified::All),
            ("no-cache=\"set-cookie, c@okie\"", Qualified::All),
            ("no-cache=\"set\\-cookie\"", Qualified::All),
            ("no-cache=\"set-cookie\"x", Qualified::All),
            ("no-cache =\"set-cookie\"", Qualified::All),
            ("no-cache=\"set-cookie", Qualified::All),
            ("no-cachex", Qualified::Absent),
        ] {
            assert_eq!(read(line).no_cache, wanted, "{line:?}");
            let line = line.replace("no-cache", "private");
            assert_eq!(read(&line).private, wanted, "{line:?}");
        }
    }

    #[test]
    fn nothing_is_allocated_unless_fields_are_named() {
        let values = lines(&["public, max-age=60, stale-if-error=\"600\"", "no-cache, private"]);
        let allocated = allocation_counter::measure(|| {
            assert!(ResponseDirectives::parse(&values).public);
        });
        assert_eq!(allocated.count_total, 0);

        let values = lines(&["no-cache=\"set-cookie\""]);
        let allocated = allocation_counter::measure(|| {
            assert_eq!(ResponseDirectives::parse(&values).no_cache.fields(), [SET_COOKIE]);
        });
        assert!(allocated.count_total > 0, "the measure measures");
    }

    proptest! {
        #[test]
        fn no_lines_panic_and_a_plain_no_store_behind_them_counts(
            mut values in prop::collection::vec(any_line(), 0..4),
        ) {
            values.extend(lines(&["no-store"]));
            prop_assert!(ResponseDirectives::parse(&values).no_store);
        }

        /// Whatever else is said, a lifetime that was read is one that was written.
        #[test]
        fn no_lifetime_is_made_up(line in line_of(&[
            "max-age", "MAX-AGE", "s-maxage", "=", "\"", "\\", ",", " ", "60", "7", "x",
        ])) {
            let read = ResponseDirectives::parse([&line]);
            let text = line.to_str().unwrap();
            for seconds in [read.max_age, read.s_maxage].iter().filter_map(|s| s.valid()) {
                let written = text
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|digits| delta::parse(digits.as_bytes()) == Some(seconds));
                prop_assert!(written, "{} of {}", seconds, text);
            }
        }
    }
}
