//! RFC 9111, 5.2.1 and 5.4: what a client may ask of the cache, where the profile lets it.

use crate::support::{Reply, Site, pass};

fn page(control: &str) -> Reply {
    Reply::ok("page").control(control).field("etag", "\"a\"")
}

/// A site with one stored answer, this old. The origin is away from then on.
async fn aged(site: Site, control: &str, seconds: u64) -> Site {
    site.origin.next(page(control));
    site.page().await;
    pass(seconds).await;
    site
}

// 5.2.1.7
#[tokio::test(start_paused = true)]
async fn only_if_cached_is_served_what_is_fresh_and_else_504_without_asking() {
    let only = [("cache-control", "only-if-cached")];
    let site = Site::rfc();
    let missed = site.get(&only).await;
    assert_eq!((missed.status, site.asked()), (504, 0));
    let site = aged(site, "max-age=10", 9).await;
    assert_eq!(site.get(&only).await.status, 200);
    pass(1).await;
    assert_eq!(site.get(&only).await.status, 504);
    assert_eq!(site.asked(), 1);
}

// 5.2.1.7 with 5.2.1.2
#[tokio::test(start_paused = true)]
async fn only_if_cached_takes_what_max_stale_allows() {
    let site = aged(Site::rfc(), "max-age=10", 15).await;
    for (control, status) in [
        ("only-if-cached, max-stale=5", 200),
        ("only-if-cached, max-stale", 200),
        ("only-if-cached, max-stale=4", 504),
    ] {
        assert_eq!(site.get(&[("cache-control", control)]).await.status, status, "{control}");
    }
    assert_eq!(site.asked(), 1);
}

// 5.2.1.7 with RFC 5861, 3: nothing is asked behind it either.
#[tokio::test(start_paused = true)]
async fn only_if_cached_asks_nothing_behind_a_stale_answer() {
    let site = aged(Site::rfc(), "max-age=10, stale-while-revalidate=10", 15).await;
    assert_eq!(site.get(&[("cache-control", "only-if-cached")]).await.status, 200);
    assert_eq!(site.asked(), 1);
    site.page().await;
    assert_eq!(site.asked(), 2, "the control: others cause one request");
}

// 5.2.1.7 with 4.1: another variant is no answer.
#[tokio::test(start_paused = true)]
async fn only_if_cached_is_not_served_another_variant() {
    let site = Site::rfc();
    site.origin.next(page("max-age=60").field("vary", "x"));
    site.get(&[("x", "1")]).await;
    let only = |x| [("cache-control", "only-if-cached"), ("x", x)];
    assert_eq!(site.get(&only("1")).await.status, 200);
    assert_eq!(site.get(&only("2")).await.status, 504);
}

// 5.2.1.2: "not more than the specified number of seconds".
#[tokio::test(start_paused = true)]
async fn max_stale_counts_to_its_very_second() {
    let site = aged(Site::rfc(), "max-age=10", 15).await;
    let stale = |limit: u64| format!("max-stale={limit}");
    let served = site.get(&[("cache-control", &stale(5))]).await;
    assert_eq!((served.status, served.is_hit(), site.asked()), (200, true, 1));
    site.get(&[("cache-control", &stale(4))]).await;
    assert_eq!(site.asked(), 2);
}

// 5.2.1.2
#[tokio::test(start_paused = true)]
async fn max_stale_without_a_number_takes_any_age() {
    let site = aged(Site::rfc(), "max-age=10", 1_000_000).await;
    assert!(site.get(&[("cache-control", "max-stale")]).await.is_hit());
    assert_eq!(site.asked(), 1);
}

// 5.2.2.2, 5.2.2.4, 5.2.2.8, 5.2.2.10
#[tokio::test(start_paused = true)]
async fn max_stale_is_nothing_against_what_forbids_stale_use() {
    for control in [
        "max-age=10, must-revalidate",
        "max-age=10, proxy-revalidate",
        "s-maxage=10",
        "max-age=10, no-cache",
    ] {
        let site = aged(Site::rfc(), control, 15).await;
        let served = site.get(&[("cache-control", "max-stale")]).await;
        assert_eq!((served.status, site.asked()), (504, 2), "{control}");
    }
}

// A purge means that the answer is wrong, not old.
#[tokio::test(start_paused = true)]
async fn max_stale_does_not_bring_back_what_was_purged() {
    use terrace_cdn_edge::purge::Mode;
    for mode in [Mode::Soft, Mode::Hard] {
        let site = aged(Site::rfc(), "max-age=60", 1).await;
        site.edge.handle().purge_all(mode);
        site.origin.next(page("max-age=60").body("new"));
        assert_eq!(site.get(&[("cache-control", "max-stale")]).await.body, "new");
    }
}

// 5.2.1.3
#[tokio::test(start_paused = true)]
async fn min_fresh_wants_at_least_so_much_left() {
    let site = aged(Site::rfc(), "max-age=10", 4).await;
    assert!(site.get(&[("cache-control", "min-fresh=6")]).await.is_hit());
    assert_eq!(site.asked(), 1);
    site.get(&[("cache-control", "min-fresh=7")]).await;
    assert_eq!(site.asked(), 2);
}

// 5.2.1.1
#[tokio::test(start_paused = true)]
async fn max_age_wants_no_older_and_zero_wants_a_new_one() {
    let site = aged(Site::rfc(), "max-age=60", 5).await;
    assert!(site.get(&[("cache-control", "max-age=5")]).await.is_hit());
    assert_eq!(site.asked(), 1);
    for control in ["max-age=4", "max-age=0"] {
        let before = site.asked();
        site.get(&[("cache-control", control)]).await;
        assert_eq!(site.asked(), before + 1, "{control}");
    }
}

// 5.2.1.1 with 5.2.1.2: each limits on its own.
#[tokio::test(start_paused = true)]
async fn max_age_limits_what_max_stale_allows() {
    let site = aged(Site::rfc(), "max-age=10", 15).await;
    assert!(site.get(&[("cache-control", "max-age=15, max-stale=5")]).await.is_hit());
    assert_eq!(site.asked(), 1);
    site.get(&[("cache-control", "max-age=14, max-stale=5")]).await;
    assert_eq!(site.asked(), 2);
}

// 5.2.1.4
#[tokio::test(start_paused = true)]
async fn no_cache_asks_with_a_condition_and_the_304_serves_everybody() {
    let site = aged(Site::rfc(), "max-age=60", 5).await;
    site.origin.next(Reply::status(304).control("max-age=60").field("etag", "\"a\""));
    let served = site.get(&[("cache-control", "no-cache")]).await;
    assert_eq!((served.status, served.body.as_str()), (200, "page"));
    assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!(site.page().await.age(), Some(0));
    assert_eq!(site.asked(), 2);
}

// 5.2.1.5: neither this answer is stored, nor does it touch what is.
#[tokio::test(start_paused = true)]
async fn no_store_goes_past_what_is_not_there_and_leaves_nothing() {
    let site = Site::rfc().saying(page("max-age=60"));
    let no_store = [("cache-control", "no-store")];
    site.get(&no_store).await;
    site.get(&no_store).await;
    assert_eq!(site.asked(), 2);
    site.page().await;
    assert!(site.page().await.is_hit());
    assert_eq!(site.asked(), 3);
}

// 5.4
#[tokio::test(start_paused = true)]
async fn pragma_counts_where_there_is_no_cache_control() {
    let site = aged(Site::rfc(), "max-age=60", 5).await;
    site.origin.always(Reply::status(304).control("max-age=60"));
    site.get(&[("pragma", "x, No-Cache")]).await;
    assert_eq!(site.asked(), 2);
    site.get(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]).await;
    site.get(&[("pragma", "other")]).await;
    assert_eq!(site.asked(), 2);
}

// 5.4: in a response it means nothing.
#[tokio::test(start_paused = true)]
async fn pragma_of_a_response_means_nothing() {
    let site = Site::rfc().saying(page("max-age=60").field("pragma", "no-cache"));
    site.page().await;
    assert!(site.page().await.is_hit());
}

// The default profile: a stranger's header causes no load, and refuses nobody.
#[tokio::test(start_paused = true)]
async fn as_it_comes_no_directive_of_a_client_reaches_the_origin() {
    let controls = [
        "no-cache",
        "no-store",
        "max-age=0",
        "max-age=1",
        "min-fresh=100",
        "only-if-cached",
        "max-stale",
        "no-cache, no-store, max-age=0",
    ];
    let mut asked = Vec::new();
    for site in [Site::secure(), Site::rfc()] {
        let site = aged(site, "max-age=60", 5).await;
        site.origin.always(page("max-age=60"));
        for control in controls {
            assert_eq!(site.get(&[("cache-control", control)]).await.status, 200, "{control}");
        }
        site.get(&[("pragma", "no-cache")]).await;
        asked.push(site.asked());
    }
    assert_eq!(asked[0], 1);
    assert!(asked[1] > 1, "the control: the other profile listens");
}

#[tokio::test(start_paused = true)]
async fn as_it_comes_only_if_cached_is_fetched_and_max_stale_is_no_leave() {
    let site = Site::secure();
    site.origin.next(page("max-age=10"));
    assert_eq!(site.get(&[("cache-control", "only-if-cached")]).await.status, 200);
    assert_eq!(site.origin.last().field("cache-control"), None);
    pass(10).await;
    site.origin.next(page("max-age=10").body("new"));
    assert_eq!(site.get(&[("cache-control", "max-stale")]).await.body, "new");
}
