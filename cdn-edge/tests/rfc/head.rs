//! RFC 9110, 9.3.2 and RFC 9111, 4.3.5: HEAD, answered from what is stored for GET, and what its own answer does.

use crate::support::{Reply, Site, date, pass};

fn page() -> Reply {
    Reply::ok("page")
        .control("max-age=60")
        .field("etag", "\"a\"")
        .field("last-modified", date(-3600))
        .field("content-length", "4")
        .field("x", "old")
}

/// The answer to a HEAD.
fn about(status: u16) -> Reply {
    Reply::status(status).control("max-age=60")
}

/// A site with a stale page and the origin's next answer, asked for by HEAD.
async fn asked_by_head(reply: Reply) -> Site {
    let site = Site::secure();
    site.origin.next(page());
    site.page().await;
    pass(60).await;
    site.origin.next(reply);
    site.ask("HEAD", "/", &[]).await;
    assert_eq!(site.origin.last().method, "HEAD");
    site.origin.always(page().body("new!"));
    site
}

// RFC 9111, 4
#[tokio::test(start_paused = true)]
async fn a_stored_get_answers_a_head_with_its_header_and_no_body() {
    let site = Site::secure().saying(page());
    site.page().await;
    let served = site.ask("HEAD", "/", &[]).await;
    assert_eq!((served.status, served.body.as_str(), served.is_hit()), (200, "", true));
    assert_eq!(served.field("content-length").as_deref(), Some("4"));
    assert_eq!(served.field("etag").as_deref(), Some("\"a\""));
    assert_eq!(site.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conditional_head_is_answered_304() {
    let site = Site::secure().saying(page());
    site.page().await;
    let served = site.ask("HEAD", "/", &[("if-none-match", "\"a\"")]).await;
    assert_eq!((served.status, site.asked()), (304, 1));
}

// RFC 9111, 2: the answer to a HEAD has no body that a GET could be answered with.
#[tokio::test(start_paused = true)]
async fn a_head_that_misses_is_passed_on_and_stores_nothing() {
    let site = Site::rfc().saying(page());
    for _ in 0..2 {
        assert_eq!(site.ask("HEAD", "/", &[]).await.status, 200);
    }
    assert_eq!(site.asked(), 2);
    assert_eq!(site.page().await.body, "page");
    assert_eq!(site.asked(), 3);
}

// RFC 9111, 4.3.5
#[tokio::test(start_paused = true)]
async fn a_head_of_the_same_page_freshens_it_and_updates_its_fields() {
    let same = about(200)
        .field("etag", "\"a\"")
        .field("last-modified", date(-3600))
        .field("content-length", "4")
        .field("x", "new");
    let site = asked_by_head(same).await;
    let served = site.page().await;
    assert_eq!((served.body.as_str(), served.is_hit(), served.age()), ("page", true, Some(0)));
    assert_eq!(served.field("x").as_deref(), Some("new"));
    assert_eq!(site.asked(), 2);
}

// RFC 9111, 4.3.5
#[tokio::test(start_paused = true)]
async fn a_head_with_another_tag_date_or_length_makes_it_of_the_past() {
    for (name, value) in [
        ("etag", "\"b\"".to_owned()),
        ("last-modified", date(-60)),
        ("content-length", "5".to_owned()),
    ] {
        let site = asked_by_head(about(200).field(name, value)).await;
        let served = site.page().await;
        assert_eq!((served.body.as_str(), served.is_hit()), ("new!", false), "{name}");
        assert_eq!(site.origin.last().field("if-none-match"), None, "{name}");
    }
}

// RFC 9111, 4.3.5: of a 200 alone.
#[tokio::test(start_paused = true)]
async fn a_head_that_fails_changes_nothing() {
    for status in [404, 500, 503, 302] {
        let site = asked_by_head(about(status).field("etag", "\"b\"")).await;
        site.origin.next(Reply::status(304).control("max-age=60").field("etag", "\"a\""));
        assert_eq!(site.page().await.body, "page", "{status}");
        assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""));
    }
}

// RFC 9111, 4.1 with 4.3.5: only the variant that was asked about.
#[tokio::test(start_paused = true)]
async fn a_head_concerns_the_variant_that_its_request_selects() {
    let site = Site::secure();
    for x in ["1", "2"] {
        site.origin
            .next(Reply::ok(x).control("max-age=60").field("etag", "\"a\"").field("vary", "x"));
        site.get(&[("x", x)]).await;
    }
    pass(60).await;
    site.origin.next(about(200).field("etag", "\"a\"").field("vary", "x"));
    site.ask("HEAD", "/", &[("x", "1")]).await;
    assert!(site.get(&[("x", "1")]).await.is_hit());
    assert_eq!(site.asked(), 3);
    site.get(&[("x", "2")]).await;
    assert_eq!(site.asked(), 4);
}

// What cannot be stored because of who asked says nothing of what is stored.
#[tokio::test(start_paused = true)]
async fn a_head_with_credentials_or_a_cookie_takes_nothing_away() {
    for (site, name, value) in [
        (Site::secure(), "authorization", "Basic eA=="),
        (Site::secure(), "cookie", "id=1"),
        (Site::rfc(), "cache-control", "no-store"),
    ] {
        site.origin.next(page());
        site.page().await;
        pass(60).await;
        site.origin.next(about(200).field("etag", "\"a\""));
        site.ask("HEAD", "/", &[(name, value)]).await;
        site.origin.next(Reply::status(304).control("max-age=60"));
        assert_eq!(site.page().await.body, "page", "{name}");
        assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""), "{name}");
    }
}

// A HEAD may change what everybody gets, so nothing goes along that could change its answer and is in no key.
#[tokio::test(start_paused = true)]
async fn a_head_reaches_the_origin_without_unkeyed_fields() {
    let fields = [("x-forwarded-host", "evil.example"), ("x-original-url", "/evil"), ("x", "y")];
    for (site, kept) in [(Site::secure(), None), (Site::rfc(), Some("evil.example"))] {
        let site = site.saying(page());
        site.ask("HEAD", "/", &fields).await;
        let asked = site.origin.last();
        assert_eq!(asked.field("x-forwarded-host").as_deref(), kept);
        assert_eq!(asked.field("x").as_deref(), Some("y"));
    }
}
