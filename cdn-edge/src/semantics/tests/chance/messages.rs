//! Messages by chance, which know what they say: nothing here asks a parser of this crate.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{BASE, rfc, secure};
use crate::field::date;
use crate::semantics::{Heuristic, Rules, SetCookie};

/// A directive: its name, its argument, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    name: &'static str,
    argument: Option<u32>,
    capitals: u32,
    quoted: bool,
    on_its_own_line: bool,
}

impl Directive {
    fn text(&self) -> String {
        let letters = self.name.bytes().enumerate().map(|(at, byte)| {
            let is_named = self.name[..at].contains('=');
            let is_capital = !is_named && self.capitals >> (at % 32) & 1 == 1;
            char::from(if is_capital { byte.to_ascii_uppercase() } else { byte })
        });
        let name: String = letters.collect();
        match self.argument {
            None => name,
            Some(number) if self.quoted => format!("{name}=\"{number}\""),
            Some(number) => format!("{name}={number}"),
        }
    }
}

/// `Cache-Control`, in any order, case and number of lines.
#[derive(Clone, Debug)]
pub(super) struct Control(Vec<Directive>);

impl Control {
    pub(super) fn says(&self, name: &str) -> bool {
        self.0.iter().any(|directive| directive.name == name)
    }

    /// The largest number that is given for a name.
    pub(super) fn most(&self, name: &str) -> Option<u32> {
        self.0.iter().filter(|it| it.name == name).filter_map(|it| it.argument).max()
    }

    /// The number that is given for a name, if there is one and no other.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        let most = self.most(name)?;
        let agrees = |it: &Directive| it.name != name || it.argument == Some(most);
        self.0.iter().all(agrees).then_some(most)
    }

    fn write(&self, headers: &mut HeaderMap) {
        let mut lines = vec![String::new()];
        for directive in &self.0 {
            if directive.on_its_own_line {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(if line.is_empty() { "" } else { " ,, " });
                line.push_str(&directive.text());
            }
        }
        for line in lines {
            headers.append("cache-control", HeaderValue::from_str(&line).unwrap());
        }
    }
}

/// Directives of these names and weights; a number goes with those that take one.
fn control(
    flags: &'static [&'static str],
    numbers: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Control> {
    let name = prop_oneof![
        1 => select(flags).prop_map(|name| (name, false)),
        2 => select(numbers).prop_map(|name| (name, true)),
    ];
    let number = prop_oneof![0u32..3, 0u32..100, Just(u32::MAX)];
    let directive = (name, number, any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
        |((name, has_number), number, capitals, quoted, on_its_own_line)| Directive {
            name,
            argument: has_number.then_some(number),
            capitals,
            quoted,
            on_its_own_line,
        },
    );
    vec(directive, 0..most).prop_map(Control)
}

const RESPONSE_FLAGS: &[&str] = &[
    "no-store",
    "no-cache",
    "no-cache",
    "no-cache",
    "no-cache=\"x-a\"",
    "private",
    "private=\"x-a, x-b\"",
    "public",
    "public",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    // None of these says anything.
    "x=\"no-store, private, max-age=9\"",
    "no-stores",
    "=",
    ";no-store",
];
const RESPONSE_NUMBERS: &[&str] =
    &["max-age", "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
const REQUEST_FLAGS: &[&str] = &["no-cache", "only-if-cached", "max-stale", "x=\"no-cache\""];
const REQUEST_NUMBERS: &[&str] = &["max-age", "min-fresh", "max-stale", "stale-if-error"];

/// Values for one field: what means something, and bytes.
fn value(sensible: &'static [&'static str]) -> impl Strategy<Value = HeaderValue> {
    let bytes = vec(any::<u8>(), 0..12)
        .prop_filter_map("no value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    prop_oneof![5 => select(sensible).prop_map(HeaderValue::from_static), 1 => bytes]
}

/// A date around the beginning, or none.
fn moment() -> impl Strategy<Value = (HeaderValue, Option<u64>)> {
    prop_oneof![
        4 => (-200i64..200).prop_map(|offset| {
            let unix = BASE.saturating_add_signed(offset);
            (date::format(unix), Some(unix))
        }),
        1 => Just((HeaderValue::from_static("Thu, 32 Foo 2026"), None)),
    ]
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) control: Control,
    pub(super) headers: HeaderMap,
}

impl Asked {
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }
}

pub(super) fn asked() -> impl Strategy<Value = Asked> {
    let credentials = (weighted(0.15, Just("Basic eA==")), weighted(0.15, Just("a=b")));
    let ranges = &["bytes=0-3", "bytes=2-", "bytes=-2", "bytes=0-0,2-3,2-9", "bytes=9-1"];
    let range = weighted(0.5, value(ranges));
    let tags = &["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", "a"];
    let conditions =
        (weighted(0.2, value(tags)), weighted(0.2, moment()), weighted(0.1, value(tags)));
    let chosen = (weighted(0.6, select(&["1", "2"][..])), weighted(0.6, select(&["1", "2"][..])));
    let fields = (credentials, range, conditions, chosen, weighted(0.05, Just("\"a\"")));
    let control = control(REQUEST_FLAGS, REQUEST_NUMBERS, 3);
    (prop::bool::weighted(0.1), control, fields).prop_map(|(is_head, control, fields)| {
        let mut headers = HeaderMap::new();
        let ((authorization, cookie), range, (none_match, since, if_range), (a, b), if_match) =
            fields;
        control.write(&mut headers);
        let fixed = [("authorization", authorization), ("cookie", cookie), ("x-a", a), ("x-b", b)];
        for (name, value) in fixed.into_iter().chain([("if-match", if_match)]) {
            put(&mut headers, name, value.map(HeaderValue::from_static));
        }
        put(&mut headers, "range", range);
        put(&mut headers, "if-none-match", none_match);
        put(&mut headers, "if-modified-since", since.map(|(value, _)| value));
        put(&mut headers, "if-range", if_range);
        Asked { is_head, control, headers }
    })
}

fn put(headers: &mut HeaderMap, name: &'static str, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.append(HeaderName::from_static(name), value);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) control: Control,
    pub(super) headers: HeaderMap,
    /// Its age, if it says so in a way that can be read.
    pub(super) age: u64,
    /// Its date, if it can be read.
    pub(super) date: Option<u64>,
    /// The fields in Vary that the tests know, and whether there is a star.
    pub(super) varies: &'static [&'static str],
    pub(super) star: bool,
}

pub(super) fn told() -> impl Strategy<Value = Told> {
    let status = prop_oneof![
        6 => Just(200u16),
        3 => Just(206),
        2 => select(&[203u16, 299, 301, 404, 416, 500, 503][..]),
    ];
    let age = weighted(
        0.4,
        prop_oneof![
            (0u64..50).prop_map(|age| (HeaderValue::from(age), age)),
            Just((HeaderValue::from_static("1, 2"), 2)),
            Just((HeaderValue::from_static("99999999999999999999"), 1 << 31)),
        ],
    );
    let vary = prop_oneof![
        4 => Just(("", &[][..], false)),
        2 => Just(("X-A", &["x-a"][..], false)),
        1 => Just(("x-b ,, x-a", &["x-a", "x-b"][..], false)),
        1 => Just(("x-a, *", &["x-a"][..], true)),
    ];
    let validators =
        (weighted(0.6, value(&["\"a\"", "W/\"a\"", "\"b\"", "a"])), weighted(0.4, moment()));
    let places = &["bytes 0-3/9", "bytes 2-8/9", "bytes 0-8/9", "bytes 0-9/9"];
    let more = (
        weighted(0.4, moment()),
        weighted(0.3, moment()),
        weighted(0.1, Just("a=b")),
        weighted(0.9, value(places)),
    );
    let control = control(RESPONSE_FLAGS, RESPONSE_NUMBERS, 4);
    (status, control, age, vary, validators, more).prop_map(
        |(status, control, age, (vary, varies, star), (etag, modified), more)| {
            let (date, expires, cookie, place) = more;
            let mut headers = HeaderMap::new();
            control.write(&mut headers);
            let read_age = age.as_ref().map_or(0, |(_, age)| *age);
            let read_date = date.as_ref().and_then(|(_, date)| *date);
            put(&mut headers, "age", age.map(|(value, _)| value));
            put(&mut headers, "vary", Some(HeaderValue::from_static(vary)));
            put(&mut headers, "etag", etag);
            put(&mut headers, "last-modified", modified.map(|(value, _)| value));
            put(&mut headers, "date", date.map(|(value, _)| value));
            put(&mut headers, "expires", expires.map(|(value, _)| value));
            put(&mut headers, "set-cookie", cookie.map(HeaderValue::from_static));
            put(&mut headers, "content-range", place);
            let status = StatusCode::from_u16(status).unwrap();
            Told { status, control, headers, age: read_age, date: read_date, varies, star }
        },
    )
}

/// A profile with some of its rules changed.
pub(super) fn any_rules() -> impl Strategy<Value = Rules> {
    let cookies = select(&[SetCookie::Refuse, SetCookie::Strip, SetCookie::Store][..]);
    let numbers = (select(&[0u32, 30][..]), select(&[0u32, 30][..]), select(&[0u32, 20][..]));
    (any::<bool>(), any::<bool>(), weighted(0.3, any::<bool>()), cookies, numbers).prop_map(
        |(is_secure, directives, guess, set_cookie, (behind, on_error, away))| Rules {
            client_directives: directives,
            heuristic: guess.map(|_| Heuristic { percent: 10, at_most: 100 }),
            set_cookie,
            stale_while_revalidate: behind,
            stale_if_error: on_error,
            stale_when_disconnected: away,
            ..if is_secure { secure() } else { rfc() }
        },
    )
}

/// A header of anything: every field that a decision reads, with bytes for values.
pub(super) fn garbage() -> impl Strategy<Value = HeaderMap> {
    let names = select(
        &[
            "age",
            "authorization",
            "cache-control",
            "cdn-cache-control",
            "connection",
            "content-language",
            "content-length",
            "content-location",
            "content-range",
            "cookie",
            "date",
            "etag",
            "expires",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "last-modified",
            "location",
            "pragma",
            "range",
            "set-cookie",
            "vary",
            "accept-encoding",
            "accept-language",
            "x-a",
        ][..],
    );
    let bytes = vec(any::<u8>(), 0..40);
    let pieces = vec(
        select(
            &[
                "max-age=",
                "no-cache=\"",
                "private=",
                "bytes=",
                "bytes ",
                "0-",
                "-9",
                "1",
                "/",
                "99999999999999999999",
                "\"",
                "\\",
                ",",
                ";",
                "=",
                "*",
                "W/",
                "Sun, 06 Nov 1994 ",
                "08:49:37 GMT",
                "Sunday, 06-Nov-94 08:49:60 GMT",
                " ",
                "x-a",
                "\u{e9}",
                "/..//",
                "http://",
                "[::1",
                "@",
                "%2f",
                "?",
                "#",
                "stale-if-error=1",
                "q=0.",
            ][..],
        ),
        0..8,
    );
    let value = prop_oneof![bytes, pieces.prop_map(|pieces| pieces.concat().into_bytes())]
        .prop_filter_map("no value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    vec((names, value), 0..12).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    })
}
