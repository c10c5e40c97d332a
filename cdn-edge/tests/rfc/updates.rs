//! RFC 9111, 4.3.4 and 3.2: what a 304 makes of the stored response.

use crate::support::{Reply, Served, Site, date, pass};

fn page() -> Reply {
    Reply::ok("page").control("max-age=10").field("etag", "\"a\"").field("x", "old")
}

fn holds() -> Reply {
    Reply::status(304).control("max-age=10").field("etag", "\"a\"")
}

/// A stored page, stale, and asked about: the answer to who asked, and the next one.
async fn validated(stored: Reply, update: Reply) -> (Site, Served, Served) {
    let site = Site::secure();
    site.origin.next(stored);
    site.page().await;
    pass(10).await;
    site.origin.next(update);
    site.origin.always(Reply::ok("again").control("max-age=10"));
    let first = site.page().await;
    let second = site.page().await;
    (site, first, second)
}

#[tokio::test(start_paused = true)]
async fn its_fields_take_the_place_of_those_of_the_same_name() {
    let update = holds().field("x", "new").field("y", "added");
    let (site, first, second) = validated(page().field("z", "kept"), update).await;
    for served in [first, second] {
        assert_eq!((served.status, served.body.as_str()), (200, "page"));
        for (name, value) in [("x", "new"), ("y", "added"), ("z", "kept")] {
            assert_eq!(served.field(name).as_deref(), Some(value));
        }
    }
    assert_eq!(site.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn repeated_fields_are_replaced_as_a_whole() {
    let stored = page().field("link", "<a>").field("link", "<b>");
    let (_, _, second) = validated(stored.clone(), holds().field("link", "<c>")).await;
    assert_eq!(second.field("link").as_deref(), Some("<c>"));
    let (_, _, second) =
        validated(stored.clone(), holds().field("link", "<c>").field("link", "<d>")).await;
    assert_eq!(second.field("link").as_deref(), Some("<c>, <d>"));
    let (_, _, second) = validated(stored, holds()).await;
    assert_eq!(second.field("link").as_deref(), Some("<a>, <b>"));
}

// 3.2
#[tokio::test(start_paused = true)]
async fn what_describes_the_stored_bytes_stays() {
    let stored = page()
        .field("content-encoding", "gzip")
        .field("content-length", "4")
        .field("content-md5", "q");
    let update = holds()
        .field("content-encoding", "br")
        .field("content-length", "0")
        .field("content-md5", "r")
        .field("content-range", "bytes 0-0/1");
    let (_, _, second) = validated(stored, update).await;
    for (name, value) in
        [("content-encoding", "gzip"), ("content-length", "4"), ("content-md5", "q")]
    {
        assert_eq!(second.field(name).as_deref(), Some(value));
    }
    assert_eq!(second.field("content-range"), None);
    assert_eq!(second.field("etag").as_deref(), Some("\"a\""));
}

// RFC 9110, 7.6.1
#[tokio::test(start_paused = true)]
async fn what_belongs_to_the_connection_is_not_taken_over() {
    let update =
        holds().field("connection", "x, keep-alive").field("x", "new").field("keep-alive", "1");
    let (_, _, second) = validated(page(), update).await;
    assert_eq!(second.field("x").as_deref(), Some("old"));
    assert_eq!((second.field("connection"), second.field("keep-alive")), (None, None));
}

// 4.3.4: it makes the lifetime, in either direction.
#[tokio::test(start_paused = true)]
async fn its_lifetime_counts_from_now_on() {
    let longer = Reply::status(304).control("max-age=100").field("etag", "\"a\"");
    let site = validated(page(), longer).await.0;
    pass(99).await;
    assert!(site.page().await.is_hit());
    let shorter = Reply::status(304).control("max-age=2").field("etag", "\"a\"");
    let site = validated(page(), shorter).await.0;
    pass(2).await;
    assert!(!site.page().await.is_hit());
}

// 3.2: without a lifetime of its own the stored one holds, from its Date on.
#[tokio::test(start_paused = true)]
async fn a_304_without_a_lifetime_renews_the_stored_one() {
    let (site, _, second) = validated(page(), Reply::status(304)).await;
    assert_eq!((second.is_hit(), second.age()), (true, Some(0)));
    pass(9).await;
    assert!(site.page().await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn its_age_and_date_count() {
    let (site, first, second) = validated(page(), holds().field("age", "4")).await;
    assert_eq!((first.age(), second.age()), (Some(4), Some(4)));
    assert_eq!(second.field("date"), Some(date(10)));
    pass(6).await;
    assert!(!site.page().await.is_hit());
    // An old Date is an age.
    let (_, _, second) = validated(page(), holds().field("date", date(7))).await;
    assert_eq!((second.age(), second.field("date")), (Some(3), Some(date(7))));
}

// RFC 9110, 6.6.1: one without a date is of the moment of its arrival.
#[tokio::test(start_paused = true)]
async fn a_304_without_a_date_is_not_as_old_as_what_it_updates() {
    let (_, _, second) = validated(page(), holds().undated()).await;
    assert_eq!((second.is_hit(), second.age()), (true, Some(0)));
    assert_eq!(second.field("date"), Some(date(10)));
}

#[tokio::test(start_paused = true)]
async fn another_strong_tag_is_another_page_and_it_is_asked_for_without_conditions() {
    for tag in ["\"b\"", "W/\"b\""] {
        let other = Reply::status(304).control("max-age=10").field("etag", tag);
        let (site, first, second) = validated(page(), other).await;
        assert_eq!((first.body.as_str(), second.body.as_str()), ("again", "again"));
        assert_eq!(site.asked(), 3);
        assert_eq!(site.origin.last().field("if-none-match"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_tag_by_weak_comparison_is_the_same_page() {
    let weak = Reply::status(304).control("max-age=10").field("etag", "W/\"a\"");
    let (_, first, second) = validated(page(), weak).await;
    assert_eq!((first.body.as_str(), second.is_hit()), ("page", true));
    // And it does not weaken the stored one.
    assert_eq!(second.field("etag").as_deref(), Some("\"a\""));
}

#[tokio::test(start_paused = true)]
async fn another_date_of_a_page_without_a_tag_is_another_page() {
    let stored = Reply::ok("page").control("max-age=10").field("last-modified", date(-100));
    let update = |at| Reply::status(304).control("max-age=10").field("last-modified", date(at));
    assert_eq!(validated(stored.clone(), update(-100)).await.1.body, "page");
    assert_eq!(validated(stored, update(-50)).await.1.body, "again");
}

// 3 with 4.3.4
#[tokio::test(start_paused = true)]
async fn a_304_that_forbids_storing_serves_this_request_and_no_other() {
    for control in ["no-store", "private"] {
        let update = Reply::status(304).control(control).field("etag", "\"a\"");
        let (site, first, second) = validated(page(), update).await;
        assert_eq!((first.status, first.body.as_str()), (200, "page"), "{control}");
        assert_eq!(second.body, "again", "{control}");
        assert_eq!(site.origin.last().field("if-none-match"), None, "{control}");
    }
}

// 4.1 with 4.3.4: a 304 cannot make a stored answer serve requests that it was not chosen for.
#[tokio::test(start_paused = true)]
async fn a_304_may_add_to_vary_and_takes_nothing_from_it() {
    let site = Site::secure();
    site.origin.next(page().field("vary", "x"));
    site.get(&[("x", "1"), ("y", "1")]).await;
    pass(10).await;
    site.origin.next(holds().field("vary", "x, y"));
    assert_eq!(site.get(&[("x", "1"), ("y", "1")]).await.body, "page");
    site.origin.always(page().body("other").field("vary", "x, y"));
    assert!(site.get(&[("x", "1"), ("y", "1")]).await.is_hit());
    assert_eq!(site.get(&[("x", "1"), ("y", "2")]).await.body, "other");

    let site = Site::secure();
    site.origin.next(page().field("vary", "x"));
    site.get(&[("x", "1")]).await;
    pass(10).await;
    site.origin.next(holds().field("vary", "y"));
    site.get(&[("x", "1")]).await;
    site.origin.always(page().body("other").field("vary", "x"));
    assert_eq!(site.get(&[("x", "2")]).await.body, "other");
}

// RFC 9111, 4.3.3: not for nobody's question.
#[tokio::test(start_paused = true)]
async fn a_304_that_nobody_asked_for_is_not_stored() {
    let site = Site::rfc();
    site.origin.next(Reply::status(304).control("max-age=60").field("etag", "\"a\""));
    site.page().await;
    site.origin.next(page());
    assert_eq!(site.page().await.body, "page");
}
