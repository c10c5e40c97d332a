use http::Method;
use http_body_util::BodyExt;
use terrace_cdn_edge::{Decision, Outcome, Reason};

use super::site::{Site, chunked, edge, gone, request, settle, status, whole};

fn shown(decisions: &[Decision]) -> Vec<(Outcome, Reason, u64)> {
    decisions.iter().map(|it| (it.outcome, it.reason, it.count)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_request_is_counted_once_by_what_became_of_it_and_why() {
    let site = Site::new(edge(), |asked| match asked.uri().path() {
        "/page" => Ok(whole("max-age=60", "page")),
        "/private" => Ok(whole("private", "mine")),
        "/form" => Ok(whole("no-store", "done")),
        _ => Err(gone()),
    });
    for path in ["/page", "/page", "/page", "/private", "/private", "/nowhere"] {
        site.get(path).await;
    }
    site.send(request(Method::POST, "/form", &[])).await;
    let answer = site.edge.clone();
    let failed = tower::ServiceExt::oneshot(answer, request(Method::POST, "/nowhere", &[])).await;
    assert!(failed.is_err());

    let stats = site.handle.stats();
    assert_eq!(
        shown(&site.handle.decisions()),
        [
            (Outcome::Hit, Reason::Fresh, 2),
            (Outcome::Miss, Reason::Miss, 2),
            (Outcome::Miss, Reason::Method, 1),
            (Outcome::Miss, Reason::HitForMiss, 1),
            (Outcome::Failure, Reason::OriginFailed, 2),
            (Outcome::Unstored, Reason::Private, 2),
        ]
    );
    assert_eq!(stats.hits + stats.misses + stats.collapsed + stats.failures, 8);
    assert_eq!((stats.hits, stats.misses, stats.failures, stats.unstored), (2, 4, 2, 2));
    assert_eq!((stats.origin_requests, stats.origin_failures), (6, 2));
    assert_eq!(stats.stored, 1);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_those_that_are_really_sent() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", vec![b'x'; 1000])));
    let served = || site.handle.stats().served_bytes;
    let mut before = 0;
    let mut sent = async |request| {
        let body = site.send(request).await.into_body().collect().await.unwrap().to_bytes();
        settle().await;
        let counted = served() - before;
        before = served();
        (counted, body.len() as u64)
    };
    assert_eq!(sent(request(Method::GET, "/", &[])).await, (1000, 1000));
    assert_eq!(sent(request(Method::GET, "/", &[])).await, (1000, 1000));
    assert_eq!(sent(request(Method::HEAD, "/", &[])).await, (0, 0));
    assert_eq!(sent(request(Method::GET, "/", &[("if-none-match", "\"1\"")])).await, (0, 0));
    assert_eq!(sent(request(Method::GET, "/", &[("range", "bytes=5-14")])).await, (10, 10));
    assert_eq!(sent(request(Method::GET, "/", &[("range", "bytes=2000-")])).await, (0, 0));
    let parts = sent(request(Method::GET, "/", &[("range", "bytes=0-0,99-")])).await;
    assert_eq!(parts.0, parts.1);
    assert_eq!(site.asked(), 1);
    assert_eq!(site.handle.stats().origin_bytes, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_counts_as_far_as_it_went() {
    let site = Site::new(edge(), |asked| {
        let control = if asked.uri().path() == "/stored" { "max-age=60" } else { "private" };
        Ok(chunked(control, &["12345", "678", "9"]))
    });
    for path in ["/stored", "/passed"] {
        let before = site.handle.stats().served_bytes;
        let mut body = site.send(request(Method::GET, path, &[])).await.into_body();
        let counted = || site.handle.stats().served_bytes - before;
        assert_eq!(counted(), 0, "{path}");
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(counted(), first.len() as u64, "{path}");
        body.collect().await.unwrap();
        assert_eq!(counted(), 9, "{path}");
    }
    assert_eq!(site.handle.stats().origin_bytes, 18);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_anothers_answer_counts_as_collapsed() {
    let site = Site::waiting(edge(), |_| {
        Box::pin(async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Ok(whole("max-age=60", "page"))
        })
    });
    let all = futures_util::future::join_all((0..5).map(|_| site.get("/"))).await;
    assert_eq!(all, ["page"; 5]);
    let stats = site.handle.stats();
    assert_eq!((stats.misses, stats.collapsed, stats.hits, site.asked()), (1, 4, 0, 1));
    assert_eq!((stats.origin_bytes, stats.served_bytes), (4, 20));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_something_stale_stands_in_for_counts_once() {
    let site = Site::new(edge(), |asked| match asked.headers().contains_key("if-none-match") {
        false => Ok(whole("max-age=1, stale-if-error=60", "page")),
        true => Ok(status(503)),
    });
    site.get("/").await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    assert_eq!(site.get("/").await, "page");
    let stats = site.handle.stats();
    assert_eq!((stats.origin_requests, stats.origin_failures), (2, 1));
    assert_eq!((stats.hits, stats.stale), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_fails_five_times_in_a_row_is_down_until_it_answers() {
    let site = Site::new(edge(), |asked| match asked.uri().path() {
        "/good" => Ok(whole("no-store", "good")),
        _ => Err(gone()),
    });
    for n in 0..5 {
        assert!(!site.handle.stats().origin_down, "after {n}");
        site.get(&format!("/{n}")).await;
    }
    assert!(site.handle.stats().origin_down);
    site.get("/good").await;
    assert!(!site.handle.stats().origin_down);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_in_a_circle_is_counted_as_a_loop() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    let looping = request(Method::GET, "/", &[("cdn-loop", "terrace, terrace")]);
    assert_eq!(site.send(looping).await.status(), 508);
    assert_eq!(shown(&site.handle.decisions()), [(Outcome::Failure, Reason::Loop, 1)]);
}

#[tokio::test(start_paused = true)]
async fn top_misses_name_what_is_worth_a_look_with_the_reason_and_what_it_costs() {
    let site = Site::new(edge(), |asked| match asked.uri().path() {
        "/mine" => Ok(whole("private", "12345")),
        "/page" => Ok(whole("max-age=60", "123")),
        _ => Ok(whole("no-store", "1")),
    });
    for path in ["/mine?a", "/page", "/page", "/mine?a", "/page", "/mine?a"] {
        site.get(path).await;
    }
    for _ in 0..9 {
        // Nobody could have found the answer to this one.
        site.send(request(Method::POST, "/form", &[])).await;
    }
    let top = site.handle.top_misses(10);
    let top: Vec<_> =
        top.iter().map(|miss| (miss.url.as_str(), miss.count, miss.reason, miss.bytes)).collect();
    assert_eq!(
        top,
        [
            ("http://example.org/mine?a", 3, Reason::Private, 15),
            ("http://example.org/page", 1, Reason::Miss, 3),
        ]
    );
    assert_eq!(site.handle.top_misses(1).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ever_new_urls_do_not_hide_the_one_that_is_asked_for_most() {
    let site = Site::new(edge().memory(1 << 20), |_| Ok(whole("private", "1")));
    for n in 0..600 {
        site.get(&format!("/search?q={n}")).await;
        if n % 4 == 0 {
            site.get("/cart").await;
        }
    }
    let top = site.handle.top_misses(1);
    assert_eq!((top[0].url.as_str(), top[0].count), ("http://example.org/cart", 150));
}
