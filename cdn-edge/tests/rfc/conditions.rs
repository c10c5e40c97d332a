//! RFC 9110, 13 and RFC 9111, 4.3.2: a client's own conditions, and those of the cache.

use crate::support::{Reply, Site, date, pass};

fn page() -> Reply {
    Reply::ok("page")
        .control("max-age=60")
        .field("etag", "\"a\"")
        .field("last-modified", date(-3600))
        .field("content-type", "text/plain")
        .field("content-location", "/page.txt")
        .field("vary", "x")
}

async fn stored(reply: Reply) -> Site {
    let site = Site::secure();
    site.origin.next(reply);
    site.page().await;
    site
}

// RFC 9110, 13.1.2: weak comparison, in a list, on several lines.
#[tokio::test(start_paused = true)]
async fn if_none_match_of_the_stored_tag_is_304() {
    let site = stored(page()).await;
    for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", "\"b,\", W/\"a\""] {
        let served = site.get(&[("if-none-match", tags)]).await;
        assert_eq!((served.status, served.body.as_str()), (304, ""), "{tags}");
        assert!(served.is_hit());
    }
    assert_eq!(
        site.get(&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")]).await.status,
        304
    );
    for tags in ["\"b\"", "a", "\"A\"", "", "W/\"b\", \"c\"", "\"a"] {
        assert_eq!(site.get(&[("if-none-match", tags)]).await.status, 200, "{tags}");
    }
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 13.1.2: any current representation.
#[tokio::test(start_paused = true)]
async fn a_star_matches_a_stored_response_without_a_tag() {
    let site = stored(Reply::ok("page").control("max-age=60")).await;
    assert_eq!(site.get(&[("if-none-match", "*")]).await.status, 304);
    assert_eq!(site.get(&[("if-none-match", "\"a\"")]).await.status, 200);
}

// RFC 9110, 15.4.5
#[tokio::test(start_paused = true)]
async fn a_304_has_what_a_cache_needs_and_no_description_of_a_body() {
    let site = stored(page()).await;
    pass(5).await;
    let served = site.get(&[("if-none-match", "\"a\"")]).await;
    for name in ["cache-control", "content-location", "date", "etag", "vary"] {
        assert!(served.field(name).is_some(), "{name}");
    }
    for name in ["content-length", "content-type"] {
        assert_eq!(served.field(name), None, "{name}");
    }
    assert_eq!(served.age(), Some(5));
}

// RFC 9110, 13.1.3
#[tokio::test(start_paused = true)]
async fn if_modified_since_is_304_from_the_date_of_the_page_on() {
    let site = stored(page()).await;
    for (since, status) in [(-3601, 200), (-3600, 304), (-3599, 304), (0, 304)] {
        let since = date(since);
        assert_eq!(site.get(&[("if-modified-since", &since)]).await.status, status, "{since}");
    }
    for since in ["0", "yesterday", ""] {
        assert_eq!(site.get(&[("if-modified-since", since)]).await.status, 200, "{since}");
    }
    assert_eq!(site.asked(), 1);
}

// RFC 9111, 4.3.2: without Last-Modified the Date stands in.
#[tokio::test(start_paused = true)]
async fn without_last_modified_the_date_counts() {
    let site = stored(Reply::ok("page").control("max-age=60")).await;
    for (since, status) in [(-1, 200), (0, 304)] {
        assert_eq!(site.get(&[("if-modified-since", &date(since))]).await.status, status);
    }
}

// RFC 9110, 13.1.3
#[tokio::test(start_paused = true)]
async fn if_modified_since_does_not_count_beside_if_none_match() {
    let site = stored(page()).await;
    let fields = [("if-none-match", "\"b\""), ("if-modified-since", &date(0))];
    assert_eq!(site.get(&fields).await.status, 200);
}

// RFC 9110, 13.2.2: conditions before the range.
#[tokio::test(start_paused = true)]
async fn a_304_comes_before_a_range() {
    let site = stored(page()).await;
    let range = ("range", "bytes=0-1");
    assert_eq!(site.get(&[("if-none-match", "\"a\""), range]).await.status, 304);
    assert_eq!(site.get(&[("if-none-match", "\"b\""), range]).await.body, "pa");
}

// RFC 9110, 13.2.1: of a response that would be a success.
#[tokio::test(start_paused = true)]
async fn a_stored_404_is_no_304() {
    let site = stored(Reply::status(404).control("max-age=5").field("etag", "\"a\"")).await;
    assert_eq!(site.get(&[("if-none-match", "\"a\"")]).await.status, 404);
    assert_eq!(site.asked(), 1);
}

// RFC 9111, 4.3.2: the cache does not judge these.
#[tokio::test(start_paused = true)]
async fn if_match_and_if_unmodified_since_go_to_the_origin_though_a_page_is_fresh() {
    for (name, value) in [("if-match", "\"a\"".to_owned()), ("if-unmodified-since", date(0))] {
        let site = stored(page()).await;
        site.origin.next(Reply::status(412).control("max-age=60"));
        assert_eq!(site.get(&[(name, &value)]).await.status, 412, "{name}");
        assert_eq!(site.origin.last().field(name), Some(value));
        let served = site.page().await;
        assert_eq!((served.status, served.is_hit()), (200, true), "and it changes nothing");
    }
}

// RFC 9111, 4.3.1: what is stored becomes everybody's, so a client's copy is not what is asked about.
#[tokio::test(start_paused = true)]
async fn on_a_miss_a_clients_condition_stays_here_and_is_answered_from_the_whole() {
    let site = Site::secure().saying(page());
    let served = site.get(&[("if-none-match", "\"a\""), ("if-modified-since", &date(0))]).await;
    assert_eq!(served.status, 304);
    assert_eq!(site.origin.last().field("if-none-match"), None);
    assert_eq!(site.origin.last().field("if-modified-since"), None);
    assert_eq!(site.page().await.body, "page");
    assert_eq!(site.asked(), 1);
}

// RFC 9111, 4.3.1
#[tokio::test(start_paused = true)]
async fn a_stale_page_is_asked_about_by_all_its_validators() {
    let site = stored(page()).await;
    pass(60).await;
    site.origin.next(Reply::status(304).control("max-age=60"));
    // The client's own tag is another.
    let served = site.get(&[("if-none-match", "\"b\"")]).await;
    assert_eq!((served.status, served.body.as_str()), (200, "page"));
    let asked = site.origin.last();
    assert_eq!(asked.field("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!(asked.field("if-modified-since"), Some(date(-3600)));
}

// RFC 9111, 4.3.3: its client has the same, so it gets its 304 from the validated page.
#[tokio::test(start_paused = true)]
async fn a_client_with_the_validated_tag_gets_304() {
    let site = stored(page()).await;
    pass(60).await;
    site.origin.next(Reply::status(304).control("max-age=60"));
    assert_eq!(site.get(&[("if-none-match", "\"a\"")]).await.status, 304);
    assert!(site.page().await.is_hit());
}

// RFC 9111, 4.3.3
#[tokio::test(start_paused = true)]
async fn a_200_takes_the_place_of_the_stale_page() {
    let site = stored(page()).await;
    pass(60).await;
    site.origin.next(page().body("new").field("x", "y"));
    assert_eq!(site.page().await.body, "new");
    let served = site.page().await;
    assert_eq!((served.body.as_str(), served.is_hit(), site.asked()), ("new", true, 2));
}

// RFC 9111, 4.3.3: a server error is passed on, and what is stored stays.
#[tokio::test(start_paused = true)]
async fn an_error_does_not_take_the_place_of_the_stale_page() {
    let site = stored(page()).await;
    pass(60).await;
    site.origin.next(Reply::status(500));
    assert_eq!(site.page().await.status, 500);
    pass(20).await;
    site.origin.next(Reply::status(304).control("max-age=60"));
    assert_eq!(site.page().await.body, "page");
    assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""));
}
