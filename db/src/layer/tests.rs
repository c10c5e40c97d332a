#![expect(clippy::disallowed_types, reason = "tests choose the wall time")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tokio::time::Instant;

use super::outgoing::{News, is_private, news, write};
use super::{Carrier, NAME, incoming};
use crate::cluster::Seen;
use crate::position::{Position, SystemId};
use crate::token::{CausalContext, Token, TokenKey};

const COOKIES: Carrier = Carrier::Cookie { secure: true };
const HOUR: Duration = Duration::from_secs(3600);

fn read_from(context: &CausalContext, incarnation: u32) {
    let before = context.requirement().seen.map(|(_, seen)| seen);
    context.read_from(SystemId(7), Seen { incarnation, at: Instant::now() }, before);
}

fn headers(name: &str, values: &[&str]) -> HeaderMap {
    let name: HeaderName = name.parse().unwrap();
    values
        .iter()
        .map(|value| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        .collect()
}

fn found(name: &str, values: &[&str], carrier: Carrier) -> Vec<String> {
    let headers = headers(name, values);
    let tokens = incoming::tokens(&headers, carrier);
    tokens.map(|token| String::from_utf8_lossy(token).into_owned()).collect()
}

fn token(system: u64, offset: u64, issued: u32) -> Token {
    Token { system: SystemId(system), position: Position::new(1, offset), seen: 0, issued }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn cookies_are_found_among_others_and_in_several_headers() {
    for (values, expected) in [
        (&["terrace-token=A"][..], &["A"][..]),
        (&["a=b; terrace-token=A; c=d"], &["A"]),
        (&["a=b;terrace-token=A;c"], &["A"]),
        (&["a=b", "terrace-token=A", "terrace-token=B; terrace-token=C"], &["A", "B", "C"]),
        (&["terrace-token=A=B"], &["A=B"]),
        (&["terrace-token="], &[]),
        (&["terrace-token"], &[]),
        (&["terrace-token =A"], &[]),
        (&["Terrace-Token=A", "xterrace-token=A", "terrace-tokens=A"], &[]),
        (&["", ";", ";;=;", "="], &[]),
        (&["a=\"terrace-token=A\""], &[]),
        (&["terrace-token=\u{e9}"], &["\u{e9}"]),
    ] {
        assert_eq!(found("cookie", values, COOKIES), expected, "{values:?}");
    }
}

#[test]
fn headers_are_found_joined_and_in_several() {
    for (values, expected) in
        [(&["A"][..], &["A"][..]), (&["A, B", " C "], &["A", "B", "C"]), (&["", ",", " , "], &[])]
    {
        assert_eq!(found(NAME, values, Carrier::Header), expected, "{values:?}");
    }
    assert!(found("cookie", &["terrace-token=A"], Carrier::Header).is_empty());
    assert!(found(NAME, &["A"], COOKIES).is_empty());
}

#[test]
fn of_thousands_of_tokens_only_some_are_looked_at() {
    let many = "terrace-token=A;".repeat(5000);
    assert_eq!(found("cookie", &[&many], COOKIES).len(), 32);
}

#[test]
fn the_highest_position_of_the_youngest_ones_cluster_is_chosen() {
    let tokens = [token(1, 5, 100), token(1, 9, 50), token(1, 7, 200), token(2, 99, 150)];
    for turned in 0..tokens.len() {
        let mut tokens = tokens;
        tokens.rotate_left(turned);
        assert_eq!(incoming::choose(&tokens), Some(token(1, 9, 50)));
    }
    assert_eq!(incoming::choose(&[]), None);
}

#[test]
fn news_is_what_the_client_does_not_know() {
    let context = CausalContext::new();
    let came = token(7, 5, 1000);
    assert_eq!(news(None, &context, HOUR, at(1000)), News::None);
    context.observe(came, Instant::now());
    assert_eq!(news(Some(&came), &context, HOUR, at(1001)), News::None);
    assert_eq!(news(None, &context, HOUR, at(1001)), News::Token(token(7, 5, 1001)));
    context.wrote(SystemId(7), Position::new(1, 6));
    assert_eq!(news(Some(&came), &context, HOUR, at(1001)), News::Token(token(7, 6, 1001)));
    context.mark_lost(Position::new(1, 6), None);
    assert_eq!(news(Some(&came), &context, HOUR, at(1001)), News::Forget);
}

#[test]
fn a_read_from_another_node_is_news_and_from_the_same_is_not() {
    let came = Token { seen: 3, ..token(7, 5, 1000) };
    let context = CausalContext::from_token(came, Instant::now());
    read_from(&context, 3);
    assert_eq!(news(Some(&came), &context, HOUR, at(1001)), News::None);
    read_from(&context, 4);
    let expected = Token { seen: 4, issued: 1001, ..came };
    assert_eq!(news(Some(&came), &context, HOUR, at(1001)), News::Token(expected));
}

#[test]
fn a_token_in_use_is_renewed_at_half_its_age_and_an_idle_one_is_not() {
    let came = Token { seen: 3, ..token(7, 5, 1000) };
    let context = CausalContext::from_token(came, Instant::now());
    assert_eq!(news(Some(&came), &context, HOUR, at(1000 + 1801)), News::None);
    read_from(&context, 3);
    assert_eq!(news(Some(&came), &context, HOUR, at(1000 + 1800)), News::None);
    let expected = Token { issued: 1000 + 1801, ..came };
    assert_eq!(news(Some(&came), &context, HOUR, at(1000 + 1801)), News::Token(expected));
}

#[test]
fn a_cookie_is_for_this_host_and_not_for_scripts() {
    let mut headers = headers("set-cookie", &["theirs=1"]);
    write(&mut headers, COOKIES, "A", HOUR);
    write(&mut headers, Carrier::Cookie { secure: false }, "", Duration::ZERO);
    let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
    assert_eq!(
        cookies,
        [
            "theirs=1",
            "terrace-token=A; Max-Age=3600; Path=/; HttpOnly; SameSite=Lax; Secure",
            "terrace-token=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
        ]
    );
    assert!(cookies[1].is_sensitive());
}

#[test]
fn a_header_replaces_what_stood_there() {
    let mut headers = headers(NAME, &["from the inner service", "twice"]);
    write(&mut headers, Carrier::Header, "A", HOUR);
    assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), ["A"]);
}

#[test]
fn shared_caches_are_kept_from_tokens() {
    for (before, added) in [
        (&[][..], Some("private")),
        (&["private"][..], None),
        (&["no-cache, No-Store"], None),
        (&["max-age=5", "x , PRIVATE"], None),
        (&["public, max-age=60"], Some("private=\"set-cookie\"")),
        (&["no-cache"], Some("private=\"set-cookie\"")),
        (&["private=\"x\""], Some("private=\"set-cookie\"")),
        (&["x=\"a, private, b\""], Some("private=\"set-cookie\"")),
        (&["privately"], Some("private=\"set-cookie\"")),
    ] {
        let mut headers = headers("cache-control", before);
        write(&mut headers, COOKIES, "A", HOUR);
        let expected: Vec<_> = before.iter().copied().chain(added).collect();
        assert_eq!(headers.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), expected);
    }
    let mut headers = headers("cache-control", &["public"]);
    write(&mut headers, Carrier::Header, "A", HOUR);
    let last = headers.get_all(CACHE_CONTROL).iter().next_back().unwrap();
    assert_eq!(last, "private=\"terrace-token\"");
}

#[test]
fn full_headers_are_no_panic() {
    let mut headers = HeaderMap::new();
    let name = |n: usize| HeaderName::try_from(format!("x-{n}")).unwrap();
    let full =
        (0..100_000).find(|n| headers.try_insert(name(*n), HeaderValue::from_static("")).is_err());
    assert!(full.is_some());
    write(&mut headers, COOKIES, "A", HOUR);
    write(&mut headers, Carrier::Header, "A", HOUR);
}

fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let names = prop_oneof![Just(COOKIE), Just(HeaderName::from_static(NAME)), Just(CACHE_CONTROL)];
    let pieces = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::sample::select(vec!["terrace-token", "=", ";", ",", " ", "\"", "private"])
            .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    let values = proptest::collection::vec(pieces, 0..10)
        .prop_filter_map("no bytes of a header", |all| HeaderValue::from_bytes(&all.concat()).ok());
    proptest::collection::vec((names, values), 0..5).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #[test]
    fn any_headers_are_read_and_written_without_a_panic(mut headers in any_headers()) {
        for carrier in [COOKIES, Carrier::Header] {
            let key = TokenKey::new([7; 32]).unwrap();
            for token in incoming::tokens(&headers, carrier) {
                prop_assert!(key.verify_bytes(token, at(1000)).is_err());
            }
            write(&mut headers, carrier, "A", HOUR);
        }
    }

    #[test]
    fn any_cache_control_is_read_without_a_panic(value: Vec<u8>) {
        let _ = is_private(&value);
    }
}

/// Adds up what is counted, by the label `result`.
#[cfg(feature = "metrics")]
mod counted {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::super::telemetry::Telemetry;
    use super::token;
    use crate::token::TokenError;

    const RESULTS: [&str; 5] = ["accepted", "malformed", "forged", "expired", "issued"];

    #[derive(Default)]
    struct Counts([Arc<AtomicU64>; 5]);

    impl Counts {
        fn read(&self) -> [u64; 5] {
            std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed))
        }
    }

    impl Recorder for Counts {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            assert_eq!(key.name(), "terrace.db.tokens");
            let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
            let place = RESULTS.iter().position(|result| labels == [("result", *result)]);
            Counter::from_arc(Arc::clone(&self.0[place.unwrap()]))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn each_token_is_counted_by_what_became_of_it() {
        let counts = Counts::default();
        metrics::with_local_recorder(&counts, || {
            let telemetry = Telemetry::default();
            assert_eq!(telemetry.verified(Ok(token(7, 5, 1000))), Some(token(7, 5, 1000)));
            assert_eq!(counts.read(), [1, 0, 0, 0, 0]);
            let refusals = [TokenError::Malformed, TokenError::Forged, TokenError::Expired];
            for (times, error) in (2..).zip(refusals) {
                for _ in 0..times {
                    assert_eq!(telemetry.verified(Err(error)), None);
                }
            }
            telemetry.issued();
            assert_eq!(counts.read(), [1, 2, 3, 4, 1]);
        });
    }
}
