//! HTTP requests that are legal for the `http` crate and unusual enough to break careless code.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, RANGE};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::body::ProbeBody;

pub(super) fn plain_request(n: usize) -> Request<ProbeBody> {
    let mut request = Request::new(ProbeBody::default());
    *request.uri_mut() = uri(&format!("/{n}"));
    request.headers_mut().insert(HOST, HeaderValue::from_static("probe.test"));
    request
}

fn uri(text: &str) -> Uri {
    text.parse().expect("the suite's own URIs parse")
}

type Make = Arc<dyn Fn() -> Request<ProbeBody> + Send + Sync>;

pub(super) fn requests() -> Vec<(String, Make)> {
    let mut all = Vec::new();
    let mut add = |what: &str, change: fn(&mut Request<ProbeBody>)| {
        let make: Make = Arc::new(move || {
            let mut request = plain_request(0);
            change(&mut request);
            request
        });
        all.push((what.to_owned(), make));
    };
    add("OPTIONS *", |r| {
        *r.method_mut() = Method::OPTIONS;
        *r.uri_mut() = uri("*");
    });
    add("CONNECT with an authority only", |r| {
        *r.method_mut() = Method::CONNECT;
        *r.uri_mut() = uri("probe.test:443");
    });
    add("an absolute URI with user and IPv6 host", |r| {
        *r.uri_mut() = uri("http://user:pass@[::1]:65535/a?b");
    });
    add("a URI of 60 KiB", |r| {
        *r.uri_mut() = uri(&format!("/{}", "a/".repeat(30_000)));
    });
    add("a query of separators", |r| {
        *r.uri_mut() = uri("/?&&==&%&%zz&%00=%ff&a=%e2%82");
    });
    add("a path that climbs", |r| {
        *r.uri_mut() = uri("/../..//%2e%2e/%00");
    });
    add("an unknown method of 200 letters", |r| {
        *r.method_mut() = Method::from_bytes(&[b'X'; 200]).expect("a token");
    });
    add("no headers at all", |r| {
        *r.headers_mut() = HeaderMap::new();
    });
    add("HTTP/0.9", |r| *r.version_mut() = Version::HTTP_09);
    add("HTTP/3", |r| *r.version_mut() = Version::HTTP_3);
    add("every common header with bytes that are no UTF-8", |r| {
        for name in COMMON {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_bytes(b"\xff\xfe=\x80;\t\",q=\xf0").expect("opaque");
            r.headers_mut().insert(name, value);
        }
    });
    add("every common header empty", |r| {
        for name in COMMON {
            r.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(""));
        }
    });
    add("every common header twice, as a huge number", |r| {
        for name in COMMON {
            for value in ["99999999999999999999999999", "-1"] {
                let value = HeaderValue::from_static(value);
                r.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
    });
    add("a content-length that lies", |r| {
        r.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("18446744073709551615"));
        *r.method_mut() = Method::POST;
    });
    add("ranges without end", |r| {
        let many = format!("bytes={}", "0-,-0,".repeat(500));
        r.headers_mut().insert(RANGE, many.parse().expect("visible ASCII"));
    });
    add("preferences that do not parse", |r| {
        let value = HeaderValue::from_static(";;q=,*;q=9e999,gzip;q=-1,,");
        r.headers_mut().insert(ACCEPT_ENCODING, value);
    });
    add("a thousand cookies", |r| {
        for _ in 0..1_000 {
            let cookie = HeaderValue::from_static("=;a;=b;\"c=\"d");
            r.headers_mut().append(HeaderName::from_static("cookie"), cookie);
        }
    });
    add("a host that is none", |r| {
        r.headers_mut().insert(HOST, HeaderValue::from_static("a b:99999@[::"));
    });
    add("a body that fails at its start", |r| {
        *r.method_mut() = Method::PUT;
        *r.body_mut() = ProbeBody::default().failing("the client went away");
    });
    add("a body that fails in the middle", |r| {
        *r.method_mut() = Method::PUT;
        *r.body_mut() = ProbeBody::new(["half"]).failing("the client went away");
    });
    all
}

const COMMON: [&str; 26] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "max-forwards",
    "pragma",
    "te",
    "upgrade",
    "vary",
    "x-forwarded-for",
    "x-forwarded-proto",
];
