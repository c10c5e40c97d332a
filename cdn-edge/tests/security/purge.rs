//! Rule 13: nothing that can be said on the public path purges. (Signatures, scopes and nonces are tested with
//! the admin service.)

use http::{Response, StatusCode};
use terrace_cdn_edge::purge::Mode;

use super::world::{Asked, World, with};

/// An application that has pages, and knows no such methods.
fn pages(asked: &Asked) -> Response<bytes::Bytes> {
    let mut response = with("page", &[("cache-control", "max-age=60"), ("surrogate-key", "all")]);
    if !["GET", "HEAD"].contains(&asked.method.as_str()) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    response
}

const METHODS: [&str; 8] =
    ["PURGE", "BAN", "FASTLYPURGE", "PURGEALL", "SOFTPURGE", "REFRESH", "FLUSH", "INVALIDATE"];

const FIELDS: [(&str, &str); 10] = [
    ("surrogate-key", "all"),
    ("cache-tag", "all"),
    ("xkey", "all"),
    ("x-cache-tags", "all"),
    ("cache-group-invalidation", "\"all\""),
    ("cache-groups", "\"all\""),
    ("x-purge-regex", ".*"),
    ("x-ban", "req.url ~ ."),
    ("fastly-soft-purge", "1"),
    ("clear-site-data", "\"*\""),
];

#[tokio::test(start_paused = true)]
async fn no_method_and_no_field_on_the_public_path_purges() {
    let world = World::edge(pages);
    world.get("/").await;
    world.get("/other").await;
    for method in METHODS {
        let before = world.asked();
        let answer = world.ask(method, "/", &FIELDS).await;
        assert_eq!(answer.status, 405, "{method}: the answer is the origin's");
        assert_eq!((world.asked(), world.last().method.as_str()), (before + 1, method));
        world.ask(method, "/*", &FIELDS).await;
        world.ask(method, "*", &[FIELDS.as_slice(), &[("host", "site.example")]].concat()).await;
    }
    for path in ["/", "/other"] {
        assert!(world.get_with(path, &FIELDS).await.is_hit(), "{path}");
    }
    assert_eq!(world.handle().stats().purges, 0);

    // The control: through the handle it goes at once.
    world.handle().purge_tag("all", Mode::Hard);
    assert!(!world.get("/").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_method_that_the_origin_takes_invalidates_its_own_url_and_no_other() {
    // RFC 9111, 4.4: a method whose safety is unknown counts as a write. That is the origin's consent.
    let world =
        World::edge(|_| with("page", &[("cache-control", "max-age=60"), ("surrogate-key", "all")]));
    for path in ["/", "/other", "/?v=2"] {
        world.get(path).await;
    }
    world.ask("PURGE", "/", &FIELDS).await;
    assert!(!world.get("/").await.is_hit());
    for path in ["/other", "/?v=2"] {
        assert!(world.get(path).await.is_hit(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_cannot_name_another_sites_pages() {
    let app = |asked: &Asked| {
        let there = [("location", "http://bank.example/"), ("content-location", "//bank.example/")];
        let fields = if asked.method == "POST" { &there[..] } else { &[][..] };
        with("page", &[&[("cache-control", "max-age=60")], fields].concat())
    };
    let world = World::edge(app);
    world.get_with("/", &[("host", "bank.example")]).await;
    world.ask("POST", "/", &[("host", "evil.example")]).await;
    assert!(world.get_with("/", &[("host", "bank.example")]).await.is_hit());

    world.ask("POST", "/x", &[("host", "bank.example")]).await;
    assert!(
        !world.get_with("/", &[("host", "bank.example")]).await.is_hit(),
        "the control: its own may"
    );
}
