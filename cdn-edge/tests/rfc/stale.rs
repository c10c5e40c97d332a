//! RFC 5861 and RFC 9111, 4.2.4: what may be served stale, and for exactly how long; RFC 8246.

use crate::support::{Reply, Site, pass};

fn page(control: &str) -> Reply {
    Reply::ok("page").control(control).field("etag", "\"a\"")
}

/// A site with one stored answer, this old. The origin is away from then on.
async fn aged(control: &str, seconds: u64) -> Site {
    let site = Site::secure();
    site.origin.next(page(control));
    site.page().await;
    pass(seconds).await;
    site
}

// RFC 5861, 3
#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_holds_for_its_window_and_no_second_longer() {
    let control = "max-age=10, stale-while-revalidate=20";
    for (age, at_once) in [(9, true), (10, true), (29, true), (30, false)] {
        let site = aged(control, age).await;
        // It would be waited for.
        site.origin.always(page(control).body("new").after(5));
        assert_eq!(site.page().await.body == "page", at_once, "{age}");
    }
}

// RFC 5861, 3
#[tokio::test(start_paused = true)]
async fn it_is_asked_for_once_behind_many_answers() {
    let control = "max-age=10, stale-while-revalidate=20";
    let site = aged(control, 15).await;
    site.origin.always(page(control).body("new").after(3));
    for _ in 0..5 {
        assert_eq!(site.page().await.body, "page");
    }
    assert_eq!(site.asked(), 2);
    pass(3).await;
    let served = site.page().await;
    assert_eq!((served.body.as_str(), served.is_hit()), ("new", true));
    assert_eq!(site.asked(), 2);
}

// RFC 5861, 3: a fresh one is not asked for.
#[tokio::test(start_paused = true)]
async fn nothing_is_asked_behind_a_fresh_answer() {
    let site = aged("max-age=10, stale-while-revalidate=20", 9).await;
    site.page().await;
    assert_eq!(site.asked(), 1);
}

// RFC 5861, 3
#[tokio::test(start_paused = true)]
async fn a_304_behind_the_answer_makes_it_fresh() {
    let site = aged("max-age=10, stale-while-revalidate=20", 15).await;
    site.origin.next(Reply::status(304).field("etag", "\"a\""));
    assert_eq!(site.page().await.age(), Some(15));
    assert_eq!(site.page().await.age(), Some(0));
    assert_eq!(site.asked(), 2);
}

// RFC 5861, 3: whether the attempt succeeds or not.
#[tokio::test(start_paused = true)]
async fn a_failure_behind_the_answer_changes_nothing_within_the_window() {
    for failure in [Reply::broken(), Reply::status(500)] {
        let site = aged("max-age=10, stale-while-revalidate=20", 15).await;
        site.origin.always(failure);
        for _ in 0..5 {
            assert_eq!(site.page().await.body, "page");
            pass(2).await;
        }
        assert!(site.asked() > 2, "and it is tried again");
    }
}

// RFC 9111, 5.2.2.2, 5.2.2.8, 5.2.2.10
#[tokio::test(start_paused = true)]
async fn what_must_be_validated_is_not_served_while_it_is() {
    for control in ["max-age=10, must-revalidate", "max-age=10, proxy-revalidate", "s-maxage=10"] {
        let control = format!("{control}, stale-while-revalidate=20, stale-if-error=20");
        let site = aged(&control, 15).await;
        assert_eq!(site.page().await.status, 504, "{control}");
        site.origin.next(page(&control).body("new"));
        assert_eq!(site.page().await.body, "new", "{control}");
    }
}

// RFC 5861, 4
#[tokio::test(start_paused = true)]
async fn stale_if_error_is_for_four_statuses_and_no_others() {
    for status in (200..=599).filter(|status| *status != 304) {
        let site = aged("max-age=10, stale-if-error=20", 15).await;
        site.origin.next(Reply::status(status).control("no-store"));
        let stands_in = site.page().await.status == 200 && status != 200;
        assert_eq!(stands_in, [500, 502, 503, 504].contains(&status), "{status}");
    }
}

// RFC 5861, 4
#[tokio::test(start_paused = true)]
async fn stale_if_error_holds_for_its_window_and_no_second_longer() {
    for (age, status) in [(10, 200), (29, 200), (30, 500)] {
        let site = aged("max-age=10, stale-if-error=20", age).await;
        site.origin.next(Reply::status(500));
        assert_eq!(site.page().await.status, status, "{age}");
    }
}

// Once, whether a stale answer stood in or not.
#[tokio::test(start_paused = true)]
async fn each_error_of_the_origin_is_counted_once() {
    for control in ["max-age=10, stale-if-error=20", "max-age=10"] {
        let site = aged(control, 15).await;
        site.origin.next(Reply::status(500));
        site.page().await;
        assert_eq!(site.edge.handle().stats().origin_failures, 1, "{control}");
    }
}

// RFC 5861, 4: no leave, no stale answer to an error.
#[tokio::test(start_paused = true)]
async fn an_error_is_passed_on_without_stale_if_error() {
    let site = aged("max-age=10", 15).await;
    site.origin.next(Reply::status(503));
    assert_eq!(site.page().await.status, 503);
}

// RFC 5861, 4: in a request, where the profile listens.
#[tokio::test(start_paused = true)]
async fn a_request_may_bring_stale_if_error() {
    for (site, status) in [(Site::rfc(), 200), (Site::secure(), 500)] {
        site.origin.next(page("max-age=10"));
        site.page().await;
        pass(15).await;
        site.origin.next(Reply::status(500));
        let served = site.get(&[("cache-control", "stale-if-error=20")]).await;
        assert_eq!(served.status, status);
    }
}

// RFC 9111, 4.2.4: disconnected is another matter than an error.
#[tokio::test(start_paused = true)]
async fn without_a_connection_a_stale_page_is_served_for_a_day() {
    for (age, status) in [(10, 200), (10 + 86_399, 200), (10 + 86_400, 504)] {
        assert_eq!(aged("max-age=10", age).await.page().await.status, status, "{age}");
    }
    let site = Site::with(|edge| edge.rules(|rules| rules.stale_when_disconnected = 0));
    site.origin.next(page("max-age=10"));
    site.page().await;
    pass(10).await;
    assert_eq!(site.page().await.status, 504, "the control: the rule is off");
}

// RFC 9111, 5.2.2.4
#[tokio::test(start_paused = true)]
async fn no_cache_is_never_served_without_an_answer_of_the_origin() {
    let site = aged("max-age=60, no-cache, stale-if-error=60", 1).await;
    assert_eq!(site.page().await.status, 504);
    site.origin.next(Reply::status(500));
    assert_eq!(site.page().await.status, 500);
    site.origin.next(Reply::status(304));
    assert_eq!(site.page().await.body, "page");
}

// RFC 9111, 5.2.2.2
#[tokio::test(start_paused = true)]
async fn must_revalidate_means_nothing_while_a_page_is_fresh() {
    assert!(aged("max-age=10, must-revalidate", 9).await.page().await.is_hit());
}

// RFC 8246, 2
#[tokio::test(start_paused = true)]
async fn immutable_is_not_asked_about_by_a_reload_while_it_is_fresh() {
    for (control, asked) in [("max-age=60, immutable", 1), ("max-age=60", 2)] {
        let site = Site::rfc().saying(page(control));
        site.page().await;
        pass(5).await;
        site.get(&[("cache-control", "max-age=0")]).await;
        assert_eq!(site.asked(), asked, "{control}");
    }
}

// RFC 8246, 2
#[tokio::test(start_paused = true)]
async fn immutable_counts_only_as_long_as_the_lifetime() {
    let site = Site::rfc().saying(page("max-age=10, immutable"));
    site.page().await;
    pass(10).await;
    site.page().await;
    assert_eq!(site.asked(), 2);
    // And no-cache is no reload (RFC 8246 speaks of validation by the browser's reload alone).
    site.get(&[("cache-control", "no-cache")]).await;
    assert_eq!(site.asked(), 3);
}
