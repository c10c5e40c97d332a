use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::Uri;
use terrace_cdn_edge::admin::{Control as _, Preloaded};
use terrace_cdn_edge::purge::Mode;
use tokio::sync::Semaphore;

use super::site::{NoBody, Site, chunked, edge, gone, settle, status, whole};

fn urls(texts: &[&str]) -> Vec<Uri> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn preload(site: &Site, texts: &[&str]) -> Vec<(bool, &'static str)> {
    let control = site.edge.control::<NoBody>().with_host("example.org");
    let done = control.preload(urls(texts)).await;
    done.into_iter().map(|Preloaded { stored, reason, .. }| (stored, reason)).collect()
}

const PAGE: &str = "https://example.org/page?v=1";

#[tokio::test(start_paused = true)]
async fn what_is_preloaded_is_a_hit_for_the_first_client() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    assert_eq!(preload(&site, &[PAGE]).await, [(true, "fetched")]);
    assert_eq!(site.get("/page?v=1").await, "page");
    let stats = site.handle.stats();
    assert_eq!((stats.hits, stats.misses, site.asked()), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_is_stored_when_the_preload_says_so() {
    let site = Site::new(edge(), |_| Ok(chunked("max-age=60", &["a", "b", "c"])));
    assert_eq!(preload(&site, &[PAGE]).await, [(true, "fetched")]);
    assert_eq!(site.handle.stats().objects, 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_purge_makes_a_preload_fetch_again_what_is_fresh() {
    for mode in [Mode::Hard, Mode::Soft] {
        let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
        preload(&site, &[PAGE]).await;
        assert_eq!(preload(&site, &[PAGE]).await, [(true, "fresh")]);
        assert_eq!(site.asked(), 1, "the control: without a purge");
        site.handle.purge_all(mode);
        assert_eq!(preload(&site, &[PAGE]).await, [(true, "fetched")], "{mode:?}");
        assert_eq!(site.asked(), 2, "{mode:?}");
        assert_eq!(preload(&site, &[PAGE]).await, [(true, "fresh")], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_validated_also_if_a_client_would_have_got_it() {
    let site = Site::new(edge(), |asked| {
        if asked.headers().contains_key("if-none-match") {
            return Ok(status(304));
        }
        Ok(whole("max-age=10, stale-while-revalidate=600", "page"))
    });
    preload(&site, &[PAGE]).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(preload(&site, &[PAGE]).await, [(true, "validated")]);
}

/// An origin whose answers wait for a permit each.
fn gated(gate: &Arc<Semaphore>) -> Site {
    let (gate, count) = (Arc::clone(gate), Arc::new(AtomicUsize::new(0)));
    Site::waiting(edge(), move |_| {
        let body = format!("page {}", count.fetch_add(1, SeqCst));
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(whole("max-age=60", body))
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_preload_after_a_purge_does_not_take_what_is_on_its_way_from_before() {
    for purged in [true, false] {
        let gate = Arc::new(Semaphore::new(0));
        let site = gated(&gate);
        let client = {
            let site = site.clone();
            tokio::spawn(async move { site.get("/page?v=1").await })
        };
        settle().await;
        if purged {
            site.handle.purge_all(Mode::Hard);
        }
        let preloading = {
            let site = site.clone();
            tokio::spawn(async move { preload(&site, &[PAGE]).await })
        };
        settle().await;
        gate.add_permits(2);
        let result = preloading.await.unwrap();
        client.await.unwrap();
        // Without the purge, the control, one fetch is enough for both.
        let (reason, asked) = if purged { ("fetched", 2) } else { ("joined", 1) };
        assert_eq!((result, site.asked()), (vec![(true, reason)], asked));
        let now = if purged { "page 1" } else { "page 0" };
        assert_eq!(site.get("/page?v=1").await, now);
    }
}

#[tokio::test(start_paused = true)]
async fn a_preload_that_a_purge_overtakes_does_not_claim_to_be_stored() {
    let gate = Arc::new(Semaphore::new(0));
    let site = gated(&gate);
    let preloading = {
        let site = site.clone();
        tokio::spawn(async move { preload(&site, &[PAGE]).await })
    };
    settle().await;
    site.handle.purge_all(Mode::Hard);
    gate.add_permits(1);
    assert_eq!(preloading.await.unwrap(), [(false, "purged")]);
    assert_eq!(site.handle.stats().objects, 0);
}

#[tokio::test(start_paused = true)]
async fn only_hosts_that_were_listed_are_asked_for() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "secrets")));
    let wanted = [
        "http://metadata.internal/",
        "http://example.org.evil.test/",
        "http://example.org:8080/",
        "http://127.0.0.1/",
    ];
    let control = site.edge.control::<NoBody>();
    assert_eq!(control.preload(urls(&[PAGE])).await[0].reason, "host-not-listed");
    assert_eq!(preload(&site, &wanted).await, [(false, "host-not-listed"); 4]);
    assert_eq!(site.asked(), 0);

    let any = site.edge.control::<NoBody>().with_any_host();
    any.preload(urls(&wanted)).await;
    assert_eq!(site.asked(), 4, "the control: with any host");
}

#[tokio::test(start_paused = true)]
async fn a_listed_host_is_known_in_any_case_and_with_its_default_port() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    let texts = ["https://EXAMPLE.org:443/1", "http://example.ORG:80/2", "http://example.org/3"];
    assert_eq!(preload(&site, &texts).await, [(true, "fetched"); 3]);
    let control = site.edge.control::<NoBody>().with_host("Example.org:8080");
    assert!(control.preload(urls(&["http://example.org:8080/4"])).await[0].stored);
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_are_fetched_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let site = Site::waiting(edge(), move |_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        Box::pin(async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, SeqCst);
            Ok(whole("max-age=60", "page"))
        })
    });
    let texts: Vec<String> = (0..40).map(|n| format!("http://example.org/{n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(preload(&site, &texts).await, [(true, "fetched"); 40]);
    assert_eq!(peak.swap(0, SeqCst), 8);

    site.handle.purge_all(Mode::Hard);
    futures_util::future::join_all(
        texts.iter().map(|text| preload(&site, std::slice::from_ref(text))),
    )
    .await;
    assert_eq!(peak.load(SeqCst), 40, "the control: one request each");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_says_why() {
    let site = Site::new(edge().memory(1 << 20), |asked| match asked.uri().path() {
        "/private" => Ok(whole("private", "mine")),
        "/cookie" => {
            let mut answer = whole("max-age=60", "mine");
            answer.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
            Ok(answer)
        }
        "/large" => Ok(whole("max-age=60", vec![b'x'; 1 << 20])),
        "/endless" => {
            let piece: &'static str = Box::leak("x".repeat(1 << 16).into_boxed_str());
            Ok(chunked("max-age=60", &[piece; 64]))
        }
        _ => Err(gone()),
    });
    let texts = ["private", "cookie", "large", "endless", "gone"];
    let texts = texts.map(|path| format!("http://example.org/{path}"));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(
        preload(&site, &texts).await,
        [
            (false, "private"),
            (false, "set-cookie"),
            (false, "too-large"),
            (false, "too-large"),
            (false, "origin-failed"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_url_that_is_named_twice_is_fetched_once() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    let done = preload(&site, &[PAGE, PAGE, PAGE]).await;
    assert!(done.iter().all(|(stored, _)| *stored), "{done:?}");
    assert_eq!(site.asked(), 1);
}
