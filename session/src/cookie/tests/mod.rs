//! Cookies: what is written, and what a browser makes of it.

mod browser;
mod corpus;
mod scan;
mod shared_caches;

use std::time::Duration;

use browser::{Stored, receive};
use proptest::prelude::*;

use super::*;
use crate::expiry::Remaining;
use crate::token::tests::{gives_away, keys, token};

const HOUR: Duration = Duration::from_secs(3600);
const HOST: &str = "app.example.com";

/// In any case twice as long as unused.
fn remaining(unused: Duration) -> Remaining {
    Remaining { unused, at_most: unused.saturating_mul(2) }
}

fn set(cookie: &Cookie, unused: Duration) -> String {
    let value = cookie.check().unwrap().set(&token(1), remaining(unused));
    value.to_str().unwrap().to_owned()
}

fn removal(cookie: &Cookie) -> String {
    cookie.check().unwrap().removal().to_str().unwrap().to_owned()
}

#[test]
fn each_profile_writes_what_it_promises() {
    let text = token(1).text();
    let written = [
        (Cookie::lax(), "__Host-id", "Path=/; SameSite=Lax; Secure; HttpOnly"),
        (Cookie::strict(), "__Host-id", "Path=/; SameSite=Strict; Secure; HttpOnly"),
        (Cookie::cross_site(), "__Host-id", "Path=/; SameSite=None; Secure; HttpOnly; Partitioned"),
        (Cookie::dev(), "id", "Path=/; SameSite=Lax; HttpOnly"),
        (
            Cookie::lax().without_host_prefix().domain("example.com").path("/app"),
            "__Secure-id",
            "Path=/app; Domain=example.com; SameSite=Lax; Secure; HttpOnly",
        ),
    ];
    for (cookie, name, attributes) in written {
        assert_eq!(cookie.check().unwrap().name(), name);
        assert_eq!(set(&cookie, HOUR), format!("{name}={text}; Max-Age=3600; {attributes}"));
        let gone = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(removal(&cookie), format!("{name}=; {gone}; {attributes}"));
        let session = cookie.clone().browser_session();
        assert_eq!(set(&session, HOUR), format!("{name}={text}; {attributes}"));
        assert!(removal(&session).contains(gone));
        let once = set(&cookie.sent_once(), HOUR);
        assert_eq!(once, format!("{name}={text}; Max-Age=7200; {attributes}"));
    }
    assert_eq!(Cookie::default(), Cookie::lax());
}

#[test]
fn a_session_in_its_last_second_does_not_remove_its_cookie() {
    for (lives, age) in [
        (Duration::ZERO, "Max-Age=1;"),
        (Duration::from_millis(999), "Max-Age=1;"),
        (Duration::from_millis(1999), "Max-Age=1;"),
        (Duration::from_secs(10), "Max-Age=10;"),
        (Duration::MAX, "Max-Age=34560000;"),
    ] {
        assert!(set(&Cookie::lax(), lives).contains(age), "{lives:?}");
    }
    // The control: this is what would.
    assert!(receive(HOST, "id=x; Max-Age=0; Path=/").unwrap().is_over());
    assert!(!receive(HOST, &set(&Cookie::lax(), Duration::ZERO)).unwrap().is_over());
}

#[test]
fn what_contradicts_itself_is_refused_by_name_and_reason() {
    let long = "n".repeat(4096 - 46 - "__Host-".len() + 1);
    let refused = [
        (Cookie::lax().domain("example.com"), "\"example.com\" contradicts the __Host- prefix"),
        (Cookie::strict().path("/app"), "\"/app\" contradicts the __Host- prefix"),
        (Cookie::cross_site().path("/app").domain("a.b"), "\"a.b\" contradicts"),
        (Cookie::lax().name(""), "\"\" is no name"),
        (Cookie::lax().name("my id"), "\"my id\" is no name"),
        (Cookie::lax().name("id=1"), "\"id=1\" is no name"),
        (Cookie::lax().name("id;"), "\"id;\" is no name"),
        (Cookie::lax().name("säge"), "\"säge\" is no name"),
        (Cookie::lax().name("__Host-id"), "\"__Host-id\" has a prefix"),
        (Cookie::dev().name("__hOST-id"), "\"__hOST-id\" has a prefix"),
        (Cookie::lax().name("__Secure-id"), "\"__Secure-id\" has a prefix"),
        (Cookie::dev().name("__http-id"), "\"__http-id\" has a prefix"),
        (Cookie::dev().path(""), "\"\" is no path"),
        (Cookie::dev().path("app"), "\"app\" is no path"),
        (Cookie::dev().path("/a; Domain=b"), "\"/a; Domain=b\" is no path"),
        (Cookie::dev().path("/a\r\nx: y"), "\"/a\\r\\nx: y\" is no path"),
        (Cookie::dev().path("/".repeat(1025)), "is no path"),
        (Cookie::dev().domain(""), "\"\" is no domain"),
        (Cookie::dev().domain(".example.com"), "\".example.com\" is no domain"),
        (Cookie::dev().domain("example.com; Path=/"), "is no domain"),
        (Cookie::dev().domain("a".repeat(64)), "is no domain"),
        (Cookie::lax().name(long.clone()), "4097 bytes"),
    ];
    for (cookie, reason) in refused {
        let error = cookie.check().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(Cookie::lax().name(long[1..].to_owned()).check().is_ok(), "4096 bytes are allowed");
    assert!(Cookie::dev().name(long).check().is_ok(), "without a prefix there is room for it");
    assert!(Cookie::dev().path("/".repeat(1024)).check().is_ok());
}

#[test]
fn a_browser_refuses_what_the_check_refuses() {
    for line in [
        "__Host-id=x; Path=/; Domain=example.com; Secure",
        "__Host-id=x; Path=/app; Secure",
        "__Host-id=x; Secure",
        "__host-id=x; Path=/",
        "__Secure-id=x; Path=/",
        "id=x; SameSite=None",
        "id=x; Partitioned",
        "id=x; Domain=other.org",
        "",
    ] {
        assert_eq!(receive(HOST, line), None, "{line}");
    }
    // Their attributes are not read at all.
    let stored = receive(HOST, &format!("id=x; Path={}", "/".repeat(1025))).unwrap();
    assert_eq!(stored.path, None);
    assert!(receive(HOST, "__Host-id=x; Path=/; Secure").is_some());
}

#[test]
fn neither_the_header_nor_what_was_found_shows_the_token() {
    let (cookie, token) = (Cookie::lax().check().unwrap(), token(200));
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::SET_COOKIE, cookie.set(&token, remaining(HOUR)));
    let text = headers[http::header::SET_COOKIE].clone();
    headers.insert(http::header::COOKIE, text.clone());
    let found = find(&headers, cookie.name(), &keys());
    assert!(matches!(found, Found::One(_)));
    for printed in [format!("{headers:?}"), format!("{found:?} {found:#?}"), format!("{cookie:?}")]
    {
        assert!(!gives_away(&token, &printed), "{printed}");
    }
    // The control: one that is not marked.
    let mut plain = text;
    plain.set_sensitive(false);
    assert!(gives_away(&token, &format!("{plain:?}")));
}

#[test]
fn a_cookie_costs_one_allocation() {
    let cookie = Cookie::lax().check().unwrap();
    let token = token(1);
    for lives in [Duration::ZERO, Duration::from_secs(99), HOUR, Duration::MAX] {
        let info = allocation_counter::measure(|| drop(cookie.set(&token, remaining(lives))));
        assert_eq!(info.count_total, 1, "{lives:?}");
    }
}

fn any_cookie() -> impl Strategy<Value = Cookie> {
    let profile = prop_oneof![
        Just(Cookie::lax()),
        Just(Cookie::strict()),
        Just(Cookie::cross_site()),
        Just(Cookie::dev())
    ];
    let name = prop_oneof![
        Just("id".to_owned()),
        "[!-~]{0,10}",
        "(__)?(Host|SECURE|Http)?-?[a-z]{1,3}",
        "\\PC{0,5}"
    ];
    let path =
        prop_oneof![Just("/".to_owned()), "/[ -~]{0,10}", "(/?[a-z;]{0,3}){0,3}", "\\PC{0,5}"];
    let domain = prop_oneof![
        Just(None),
        "[a-z-]{1,5}(\\.[a-z0-9]{1,3}){0,2}".prop_map(Some),
        "\\PC{0,5}".prop_map(Some)
    ];
    let kept = prop_oneof![Just(Kept::WhileUsed), Just(Kept::ToTheEnd), Just(Kept::UntilClosed)];
    (profile, name, path, domain, any::<bool>(), kept).prop_map(
        |(cookie, name, path, domain, prefixed, kept)| {
            let cookie = cookie.name(name).path(path);
            let cookie = domain.into_iter().fold(cookie, Cookie::domain);
            let cookie = if prefixed { cookie } else { cookie.without_host_prefix() };
            Cookie { kept, ..cookie }
        },
    )
}

proptest! {
    #[test]
    fn a_browser_keeps_what_was_checked_and_removes_it_again(cookie in any_cookie(), seconds in 1..100_000_u64) {
        if let Ok(checked) = cookie.check() {
            let host = cookie.domain.as_deref().unwrap_or(HOST).to_ascii_lowercase();
            let line = set(&cookie, Duration::from_secs(seconds));
            let Stored { name, value, path, domain, .. } = receive(&host, &line).unwrap();
            prop_assert_eq!(name, checked.name());
            prop_assert_eq!(value, token(1).text());
            prop_assert_eq!(path.as_deref(), Some(&*cookie.path));
            prop_assert_eq!(domain, cookie.domain.as_ref().map(|domain| domain.to_ascii_lowercase()));
            let (kept, gone) = (receive(&host, &line).unwrap(), receive(&host, &removal(&cookie)).unwrap());
            let age = match cookie.kept {
                Kept::WhileUsed => Some(seconds.cast_signed()),
                Kept::ToTheEnd => Some(2 * seconds.cast_signed()),
                Kept::UntilClosed => None,
            };
            prop_assert_eq!(kept.max_age, age);
            prop_assert!(kept.http_only && kept.secure == (cookie.profile != Profile::Dev));
            prop_assert!(!kept.is_over() && gone.is_over());
            prop_assert_eq!(kept.identity(), gone.identity());
        }
    }
}
