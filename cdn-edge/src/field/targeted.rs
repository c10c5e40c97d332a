//! `CDN-Cache-Control`, and every other field that targets a class of caches (RFC 9213).
//!
//! It has the directives of `Cache-Control` and another syntax: a structured dictionary. Names are
//! in lower case, numbers are integers, and one error makes the whole field count as absent. So it
//! must not be read with the parser of `Cache-Control`, which forgives.
//!
//! The RFC says that a value of the wrong type should not be used, and leaves open whether the rest
//! of the field counts. Here it does not: what is left of a field without its lifetime would
//! overrule a `Cache-Control` that is whole.

use http::HeaderValue;
use sfv::BareItemFromInput;

use super::{
    delta,
    directives::{Qualified, ResponseDirectives, Seconds},
    structured::{self, Member},
};

const FLAGS: [&str; 7] = [
    "no-store",
    "public",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "no-transform",
    "immutable",
];

/// Reads all lines of the field. `None` says to go on as if it was absent: it is empty, it is no
/// dictionary, or a directive has a value of the wrong type. Parameters do not count.
///
/// A field with nothing but unknown members is there, and says nothing.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<ResponseDirectives> {
    let text = structured::whole(values)?;
    if text.iter().all(|byte| *byte == b' ') {
        return None;
    }
    let [max_age, s_maxage, while_revalidate, if_error, no_cache, private, flags @ ..] =
        structured::dictionary(
            &text,
            [
                "max-age",
                "s-maxage",
                "stale-while-revalidate",
                "stale-if-error",
                "no-cache",
                "private",
                FLAGS[0],
                FLAGS[1],
                FLAGS[2],
                FLAGS[3],
                FLAGS[4],
                FLAGS[5],
                FLAGS[6],
            ],
        )?
        .found;

    let mut read = ResponseDirectives {
        max_age: seconds(max_age.as_ref())?,
        s_maxage: seconds(s_maxage.as_ref())?,
        stale_while_revalidate: seconds(while_revalidate.as_ref())?.valid(),
        stale_if_error: seconds(if_error.as_ref())?.valid(),
        no_cache: qualified(no_cache)?,
        private: qualified(private)?,
        ..ResponseDirectives::default()
    };
    for (name, member) in FLAGS.iter().zip(flags) {
        match member {
            None => {}
            Some(Member::Item(BareItemFromInput::Boolean(value))) => {
                read.flag(name.as_bytes(), value);
            }
            Some(_) => return None,
        }
    }
    Some(read)
}

fn seconds(member: Option<&Member<'_>>) -> Option<Seconds> {
    match member {
        None => Some(Seconds::Absent),
        Some(Member::Item(BareItemFromInput::Integer(number))) => {
            let seconds = u64::try_from(*number).ok()?;
            Some(Seconds::Valid(u32::try_from(seconds).unwrap_or(delta::MAX).min(delta::MAX)))
        }
        Some(_) => None,
    }
}

fn qualified(member: Option<Member<'_>>) -> Option<Qualified> {
    match member {
        None | Some(Member::Item(BareItemFromInput::Boolean(false))) => Some(Qualified::Absent),
        Some(Member::Item(BareItemFromInput::Boolean(true))) => Some(Qualified::All),
        Some(Member::Item(BareItemFromInput::String(names))) => {
            Some(Qualified::named(names.as_str().as_bytes()))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use http::header::SET_COOKIE;
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, line_of, lines};

    fn read(line: &str) -> Option<ResponseDirectives> {
        parse(&lines(&[line]))
    }

    #[test]
    fn every_directive_is_read_from_any_line_and_parameters_do_not_count() {
        let directives = parse(&lines(&[
            "no-store, public=?1, must-revalidate;a=b, proxy-revalidate",
            "must-understand, no-transform, immutable, max-age=1;foo, s-maxage=2, other=(a b)",
            "",
            "stale-while-revalidate=3, stale-if-error=4, no-cache=\"Set-Cookie\", private",
        ]))
        .unwrap();
        assert_eq!(
            directives,
            ResponseDirectives {
                no_store: true,
                no_cache: Qualified::Fields(vec![SET_COOKIE]),
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
    }

    #[test]
    fn what_is_no_dictionary_or_has_a_wrong_type_is_absent() {
        for line in [
            "",
            " ",
            "max-age=10000, &&&&&",
            "max-age=10000,",
            "max-age=\"10000\"",
            "max-age=10000.0",
            "max-age=-1",
            "max-age",
            "max-age=?1",
            "max-age=(1)",
            "max-age=9999999999999999",
            "MaX-aGe=3600",
            "max-age =100",
            "max-age= 100",
            "max-age=a100",
            "no-store=1",
            "no-store=\"x\"",
            "no-cache=set-cookie",
            "private=(\"a\")",
            "no-store, max-age=\"60\"",
            "no-store, \u{e9}",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
        assert_eq!(parse(&lines(&[])), None);
    }

    #[test]
    fn a_number_that_is_too_large_is_the_largest() {
        for line in ["max-age=2147483648", "max-age=99999999999", "max-age=999999999999999"] {
            assert_eq!(read(line).unwrap().max_age, Seconds::Valid(delta::MAX), "{line:?}");
        }
    }

    #[test]
    fn the_last_of_a_name_counts_and_false_takes_a_directive_back() {
        assert_eq!(read("max-age=1, max-age=2").unwrap().max_age, Seconds::Valid(2));
        assert_eq!(read("max-age=\"1\", max-age=2").unwrap().max_age, Seconds::Valid(2));
        assert!(!read("no-store, no-store=?0").unwrap().no_store);
        assert_eq!(read("no-cache, no-cache=?0").unwrap().no_cache, Qualified::Absent);
    }

    #[test]
    fn unknown_members_make_a_field_that_says_nothing() {
        assert_eq!(read("foo"), Some(ResponseDirectives::default()));
        assert_eq!(read("foo=(a b), bar=\"no-store\""), Some(ResponseDirectives::default()));
    }

    proptest! {
        #[test]
        fn no_lines_panic(values in prop::collection::vec(any_line(), 0..4)) {
            let _ = parse(&values);
        }

        /// Where this reads a field, the forgiving parser reads the same numbers from it.
        #[test]
        fn it_is_stricter_than_cache_control_and_never_different(line in line_of(&[
            "max-age=60, ", "max-age=7, ", "no-store, ", "no-store=1, ", "x=\"no-store\", ",
            "max-age=x, ", "public;a=\"b\", ", "private, ", "MAX-AGE=5, ", "=", " ",
        ])) {
            let text = format!("{}z", line.to_str().unwrap());
            let line = HeaderValue::from_str(&text).unwrap();
            if let Some(strict) = parse([&line]) {
                let lax = ResponseDirectives::parse([&line]);
                prop_assert_eq!(strict.no_store, lax.no_store);
                prop_assert_eq!(strict.private, lax.private);
                if let Seconds::Valid(_) = lax.max_age {
                    prop_assert_eq!(strict.max_age, lax.max_age);
                }
            }
        }
    }
}
