//! `Connection`, and the fields that are about one connection only (RFC 9110 section 7.6.1).
//!
//! They are neither forwarded nor stored. `Connection` may name further ones, and that is an old
//! way to make a proxy drop what the origin relies on: `Connection: X-Forwarded-For` hides a client,
//! `Connection: Cookie` poisons a cache with the page of somebody who is not logged in. So it cannot
//! name fields that are end to end: those stay, whatever it says.

use http::{
    HeaderMap, HeaderName,
    header::{
        CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use smallvec::SmallVec;

use super::list::elements;

/// What is about one connection, named or not.
const ALWAYS: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
];

/// What `Connection` names and may name.
pub fn listed(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    named(headers).filter(|name| !is_end_to_end(name))
}

/// Removes what is about one connection.
pub fn strip(headers: &mut HeaderMap) {
    remove(headers, is_end_to_end);
}

fn remove(headers: &mut HeaderMap, stays: fn(&HeaderName) -> bool) {
    let named: SmallVec<[HeaderName; 4]> = named(headers).filter(|name| !stays(name)).collect();
    for name in named.iter().chain(&ALWAYS) {
        headers.remove(name);
    }
}

fn named(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    elements(headers.get_all(CONNECTION)).filter_map(|name| HeaderName::from_bytes(name).ok())
}

/// Whether a field means something to the other end, or to this cache, that a client must not be
/// able to take away.
#[must_use]
pub fn is_end_to_end(name: &HeaderName) -> bool {
    const PREFIXES: [&str; 9] = [
        "accept",
        "access-control-",
        "cdn-",
        "content-",
        "if-",
        "sec-",
        "surrogate-",
        "x-forwarded-",
        "x-content-",
    ];
    const NAMES: [&str; 38] = [
        "age",
        "allow",
        "alt-svc",
        "authorization",
        "cache-control",
        "cache-group-invalidation",
        "cache-groups",
        "cache-status",
        "cache-tag",
        "cookie",
        "date",
        "etag",
        "expect",
        "expires",
        "forwarded",
        "host",
        "last-modified",
        "link",
        "location",
        "no-vary-search",
        "origin",
        "pragma",
        "range",
        "referer",
        "referrer-policy",
        "retry-after",
        "server",
        "set-cookie",
        "strict-transport-security",
        "traceparent",
        "true-client-ip",
        "user-agent",
        "vary",
        "via",
        "www-authenticate",
        "x-frame-options",
        "x-real-ip",
        "x-request-id",
    ];
    let name = name.as_str();
    NAMES.binary_search(&name).is_ok() || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::COOKIE};
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn what_is_about_a_connection_goes_named_or_not() {
        let mut fields: Vec<_> =
            ALWAYS.iter().map(|name| (name.as_str().to_owned(), "x")).collect();
        fields.push(("stays".into(), "1"));
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_static(value));
        }
        strip(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("stays"));
    }

    #[test]
    fn what_connection_names_goes_with_all_its_lines() {
        let mut headers = headers(&[
            ("connection", "A, close,, b c"),
            ("connection", "\"q\", D"),
            ("a", "1"),
            ("a", "2"),
            ("b", "1"),
            ("d", "1"),
        ]);
        assert_eq!(listed(&headers).collect::<Vec<_>>(), ["a", "close", "d"]);
        strip(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn connection_cannot_take_a_field_away_that_is_end_to_end() {
        for name in [
            "cookie",
            "authorization",
            "host",
            "x-forwarded-for",
            "x-forwarded-proto",
            "forwarded",
            "cache-control",
            "content-length",
            "content-type",
            "content-encoding",
            "set-cookie",
            "vary",
            "date",
            "age",
            "expires",
            "etag",
            "last-modified",
            "if-none-match",
            "range",
            "accept-encoding",
            "cdn-loop",
            "cdn-cache-control",
            "surrogate-key",
            "via",
        ] {
            let sent = headers(&[("connection", &format!("close, {name}")), (name, "1")]);
            let mut kept = sent.clone();
            strip(&mut kept);
            assert!(kept.contains_key(name), "{name}");
            // The control: without the safeguard it is gone.
            let mut lost = sent;
            remove(&mut lost, |_| false);
            assert!(lost.is_empty(), "{name}");
        }
    }

    #[test]
    fn nothing_is_both_always_removed_and_end_to_end() {
        assert!(!ALWAYS.iter().any(is_end_to_end));
    }

    proptest! {
        #[test]
        fn no_lines_panic_and_a_cookie_stays(values in prop::collection::vec(any_line(), 0..4)) {
            let mut headers = HeaderMap::new();
            for value in values.into_iter().chain(lines(&["cookie"])) {
                headers.append(CONNECTION, value);
            }
            headers.insert(COOKIE, HeaderValue::from_static("a=b"));
            strip(&mut headers);
            prop_assert_eq!(headers.len(), 1);
        }
    }
}
