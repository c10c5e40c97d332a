//! RFC 9875: groups of responses that a write makes stale.

use crate::support::{Reply, Site};

fn page(groups: &str) -> Reply {
    Reply::ok("page").control("max-age=60").field("cache-groups", groups)
}

/// A site with two pages in the group, and one in another.
async fn grouped() -> Site {
    let site = Site::secure();
    for (path, groups) in [("/a", "\"news\""), ("/b", "\"x\", \"news\""), ("/c", "\"News\"")] {
        site.origin.next(page(groups));
        site.ask("GET", path, &[]).await;
    }
    site.origin.always(page("\"other\"").body("new"));
    site
}

async fn hits(site: &Site) -> [bool; 3] {
    [
        site.ask("GET", "/a", &[]).await.is_hit(),
        site.ask("GET", "/b", &[]).await.is_hit(),
        site.ask("GET", "/c", &[]).await.is_hit(),
    ]
}

fn invalidates(status: u16, groups: &str) -> Reply {
    Reply::status(status).field("cache-group-invalidation", groups)
}

// 3
#[tokio::test(start_paused = true)]
async fn a_write_that_succeeds_invalidates_the_groups_that_it_names() {
    for status in [200, 201, 204, 302] {
        let site = grouped().await;
        site.origin.next(invalidates(status, "\"news\""));
        site.ask("POST", "/write", &[]).await;
        // Names are compared byte for byte (2.1).
        assert_eq!(hits(&site).await, [false, false, true], "{status}");
    }
}

// 3: "a successful response to an unsafe request"
#[tokio::test(start_paused = true)]
async fn a_write_that_fails_invalidates_nothing() {
    for status in [400, 403, 404, 500, 503] {
        let site = grouped().await;
        site.origin.next(invalidates(status, "\"news\""));
        site.ask("POST", "/write", &[]).await;
        assert_eq!(hits(&site).await, [true; 3], "{status}");
    }
}

// 3: "MUST be ignored" on safe methods.
#[tokio::test(start_paused = true)]
async fn a_safe_method_invalidates_nothing() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"] {
        let site = grouped().await;
        site.origin.next(invalidates(200, "\"news\""));
        site.ask(method, "/write", &[]).await;
        assert_eq!(hits(&site).await, [true; 3], "{method}");
    }
}

// 2: groups are of one origin.
#[tokio::test(start_paused = true)]
async fn a_write_to_another_origin_invalidates_nothing_here() {
    for uri in ["http://other.example/write", "https://example.com/write", "http://example.com:81/"]
    {
        let site = grouped().await;
        site.origin.next(invalidates(200, "\"news\""));
        let request = http::Request::post(uri).body(crate::support::NoBody::new()).unwrap();
        site.send(request).await.unwrap();
        assert_eq!(hits(&site).await, [true; 3], "{uri}");
    }
    let site = grouped().await;
    site.origin.next(invalidates(200, "\"news\""));
    let uri = "http://example.com/write";
    let request = http::Request::post(uri).body(crate::support::NoBody::new()).unwrap();
    site.send(request).await.unwrap();
    assert_eq!(hits(&site).await, [false, false, true], "the control");
}

// 2: a list of strings; anything else in it is no list of groups.
#[tokio::test(start_paused = true)]
async fn what_is_no_list_of_strings_invalidates_nothing() {
    for groups in ["news", "\"news\", 1", "\"news", "(\"news\")", ""] {
        let site = grouped().await;
        site.origin.next(invalidates(200, groups));
        site.ask("POST", "/write", &[]).await;
        assert_eq!(hits(&site).await, [true; 3], "{groups}");
    }
}

// 2 and 3: parameters do not count, and lines are one list.
#[tokio::test(start_paused = true)]
async fn parameters_and_lines_do_not_matter() {
    let site = grouped().await;
    site.origin.next(invalidates(200, "\"x\";a=1").field("cache-group-invalidation", "\"News\""));
    site.ask("DELETE", "/write", &[]).await;
    assert_eq!(hits(&site).await, [true, false, false]);
}

// 2: for those who come after, too.
#[tokio::test(start_paused = true)]
async fn the_groups_of_a_page_go_on_to_the_client() {
    let site = grouped().await;
    let served = site.ask("GET", "/b", &[]).await;
    assert_eq!(served.field("cache-groups").as_deref(), Some("\"x\", \"news\""));
}
