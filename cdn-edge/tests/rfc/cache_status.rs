//! RFC 9211: what Cache-Status says about each way that an answer can take.

use crate::support::{Reply, Site, pass, settle};

fn page(control: &str) -> Reply {
    Reply::ok("page").control(control).field("etag", "\"a\"")
}

// 2.1 and 2.4
#[tokio::test(start_paused = true)]
async fn a_hit_says_how_long_it_is_fresh() {
    let site = Site::secure().saying(page("max-age=60"));
    site.page().await;
    assert_eq!(site.page().await.cache_status(), "terrace; hit; ttl=60");
    pass(25).await;
    assert_eq!(site.page().await.cache_status(), "terrace; hit; ttl=35");
}

// 2.4: negative once it is stale.
#[tokio::test(start_paused = true)]
async fn a_stale_hit_says_since_when_and_by_which_right() {
    let site = Site::secure();
    site.origin.next(page("max-age=10, stale-while-revalidate=60"));
    site.page().await;
    pass(15).await;
    let status = "terrace; hit; ttl=-5; detail=stale-while-revalidate";
    assert_eq!(site.page().await.cache_status(), status);
}

// 2.2, 2.3, 2.5
#[tokio::test(start_paused = true)]
async fn a_miss_says_that_it_was_forwarded_and_stored() {
    let site = Site::secure().saying(page("max-age=60"));
    let status = site.page().await.cache_status();
    for part in ["terrace; fwd=uri-miss; ", "fwd-status=200", "; stored", "ttl=60"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(!status.contains("hit"), "{status}");
}

// 2.5 and 2.8
#[tokio::test(start_paused = true)]
async fn what_is_not_stored_says_why() {
    for (control, detail) in [
        ("no-store, max-age=60", "no-store"),
        ("private", "private"),
        ("max-age=60, must-understand", "stored"),
    ] {
        let site = Site::secure().saying(page(control));
        let status = site.page().await.cache_status();
        assert!(status.contains(detail), "{status}");
        assert_eq!(status.contains("; stored"), detail == "stored", "{status}");
    }
}

// 2.2
#[tokio::test(start_paused = true)]
async fn each_reason_to_go_forward_has_its_word() {
    let site = Site::rfc().saying(page("max-age=10").field("vary", "x"));
    site.get(&[("x", "1")]).await;
    let says = |served: crate::support::Served| served.cache_status();
    assert!(says(site.get(&[("x", "2")]).await).contains("fwd=vary-miss"));
    let reload = [("x", "1"), ("cache-control", "no-cache")];
    assert!(says(site.get(&reload).await).contains("fwd=request"));
    assert!(says(site.ask("POST", "/post", &[]).await).contains("fwd=method"));
    let with_user = [("x", "1"), ("authorization", "Basic eA==")];
    assert!(says(site.get(&with_user).await).contains("fwd=bypass"));
    pass(10).await;
    site.origin.next(Reply::status(304).control("max-age=10"));
    let stale = says(site.get(&[("x", "1")]).await);
    assert!(stale.contains("fwd=stale") && stale.contains("fwd-status=304"), "{stale}");
    let part = Reply::status(206).body("a").control("max-age=10").field("etag", "\"a\"");
    site.origin.next(part.clone().field("content-range", "bytes 0-0/9"));
    site.ask("GET", "/part", &[("range", "bytes=0-0")]).await;
    site.origin.next(part.field("content-range", "bytes 2-2/9"));
    let missed = says(site.ask("GET", "/part", &[("range", "bytes=2-2")]).await);
    assert!(missed.contains("fwd=partial"), "{missed}");
}

// 2.6
#[tokio::test(start_paused = true)]
async fn who_waits_for_anothers_answer_says_collapsed() {
    let site = Site::secure().saying(page("max-age=60").after(1));
    let (first, second) = tokio::join!(site.page(), site.page());
    settle().await;
    assert_eq!(site.asked(), 1);
    let collapsed = [&first, &second].map(|it| it.cache_status().contains("; collapsed"));
    assert_eq!(collapsed, [false, true]);
}

// 2: appended by each cache, the one nearest to the client last.
#[tokio::test(start_paused = true)]
async fn it_stands_behind_what_caches_before_it_said() {
    let site = Site::secure().saying(page("max-age=60").field("cache-status", "Shield; hit"));
    for served in [site.page().await, site.page().await] {
        let lines: Vec<_> = served.headers.get_all("cache-status").iter().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], "Shield; hit");
        assert!(lines[1].to_str().unwrap().starts_with("terrace; "));
    }
}

#[tokio::test(start_paused = true)]
async fn the_name_is_the_configured_one() {
    let site = Site::with(|edge| edge.name("edge-7")).saying(page("max-age=60"));
    assert!(site.page().await.cache_status().starts_with("edge-7; "));
}

// 2.1 and 2.2: an answer of the cache itself was neither found nor fetched.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_never_forwarded_does_not_say_so() {
    let site = Site::rfc();
    let only = site.get(&[("cache-control", "only-if-cached")]).await.cache_status();
    assert_eq!(only, "terrace; detail=only-if-cached");
    let circle = site.get(&[("cdn-loop", "terrace, terrace")]).await.cache_status();
    assert_eq!(circle, "terrace; detail=loop");
    assert_eq!(site.asked(), 0);
}
