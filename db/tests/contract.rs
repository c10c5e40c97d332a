//! The tower laws, held against the layer that carries tokens.

#![allow(clippy::unwrap_used, missing_docs)]

use http::{HeaderValue, Request};
use terrace_db::{CausalLayer, KeyError, Position, SystemId, Token, TokenKey};
use terrace_testkit::contract::{ProbeBody, Subject};

fn key() -> TokenKey {
    TokenKey::new([7; 32]).unwrap()
}

/// Every header that the layer reads, full of `value`.
fn request(value: &HeaderValue) -> Request<ProbeBody> {
    let mut request = Request::new(ProbeBody::default());
    request.headers_mut().insert("terrace-token", value.clone());
    request.headers_mut().append("cookie", value.clone());
    let cookie = [b"terrace-token=", value.as_bytes()].concat();
    request.headers_mut().append("cookie", HeaderValue::from_bytes(&cookie).unwrap());
    request
}

fn check(name: &str, layer: fn(TokenKey) -> CausalLayer) {
    let position = Position::new(1, u64::MAX);
    let extreme = Token { system: SystemId(u64::MAX), position, seen: u32::MAX, issued: u32::MAX };
    let mut subject = Subject::http(name, move || layer(key()));
    for (what, value) in [
        ("a token of the farthest future", key().sign(&extreme)),
        ("a token of the dawn of time", key().sign(&Token { issued: 0, ..extreme })),
        ("an empty token", String::new()),
        ("a token of 60 letters that are none", "=".repeat(60)),
        ("a token of 60 bytes that are no letters", "\u{e9}".repeat(30)),
        ("ten thousand tokens", ",;terrace-token=".repeat(10_000)),
    ] {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        subject = subject.hostile(what, move || request(&value));
    }
    subject
        .refuses("a short key", "31", || TokenKey::new([7; 31]))
        .refuses::<_, KeyError>("a key file in no directory", "/nowhere/key", || {
            TokenKey::from_file("/nowhere/key")
        })
        .check()
        .assert();
}

#[test]
fn a_layer_with_cookies_keeps_the_laws() {
    check("CausalLayer::cookie", CausalLayer::cookie);
}

#[test]
fn a_layer_with_headers_keeps_the_laws() {
    check("CausalLayer::header", CausalLayer::header);
}
