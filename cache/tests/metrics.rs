//! What a cache tells a metrics recorder.

use std::time::Duration;

use terrace_cache::freshness::Freshness;
use terrace_cache::tag::row;
use terrace_cache::{BoxError, Cache, LoadCx, Status};
use terrace_testkit::recorder::MetricsRecorder;

/// Key 0 has no value, and loading key 13 fails.
fn cache(capacity: usize) -> Cache<u64, u64> {
    Cache::builder("figures")
        .capacity(capacity)
        .headroom(0.5)
        .seed(1)
        .loader((), |(), key, cx: LoadCx<u64>| async move {
            cx.tag(row("figures", key));
            match key {
                13 => Err::<_, BoxError>("out of luck".into()),
                0 => Ok(None),
                key => Ok(Some(key)),
            }
        })
        .build()
        .unwrap()
}

#[tokio::test]
async fn reads_are_counted_by_how_they_were_answered() {
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    let cache = cache(100);
    let read = |result| {
        recorder.counter("terrace.cache.reads", &[("cache", "figures"), ("result", result)])
    };
    for _ in 0..5 {
        cache.get(&1).await.unwrap();
    }
    cache.get(&0).await.unwrap();
    cache.get(&13).await.unwrap_err();
    let (first, second) = tokio::join!(cache.get(&2), cache.get(&2));
    assert_eq!(
        (first.unwrap().status(), second.unwrap().status()),
        (Status::Loaded, Status::Joined)
    );

    let stats = cache.stats();
    assert_eq!((stats.hits, stats.loaded, stats.joined, stats.errors), (4, 3, 1, 1));
    assert_eq!((read("hit"), read("loaded"), read("joined")), (Some(4), Some(3), Some(1)));
    assert_eq!(read("error"), Some(1));
    let named = [("cache", "figures")];
    assert_eq!(recorder.counter("terrace.cache.negative", &named), Some(1));
    let took = |result| {
        let labels = [("cache", "figures"), ("result", result)];
        recorder.histogram("terrace.cache.load.duration", &labels).len()
    };
    assert_eq!((took("ok"), took("error"), stats.loads), (3, 1, 4));
}

#[tokio::test(start_paused = true)]
async fn entries_are_gone_by_their_age_or_by_a_bump_or_for_want_of_room() {
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    let cache: Cache<u64, u64> = Cache::builder("gone")
        .capacity(64)
        .seed(1)
        .freshness(
            Freshness::default()
                .ttl(Duration::from_secs(1))
                .jitter(0.0)
                .early_refresh(0.0)
                .stale_while_revalidate(Duration::ZERO)
                .stale_if_error(Duration::ZERO),
        )
        .loader((), |(), key, cx: LoadCx<u64>| async move {
            cx.tag(row("figures", key));
            Ok::<_, BoxError>(Some(key))
        })
        .build()
        .unwrap();
    cache.get(&1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1001)).await;
    cache.get(&1).await.unwrap();
    cache.invalidate_tag(row("figures", 1)).await.unwrap();
    cache.get(&1).await.unwrap();
    for key in 0..1000 {
        cache.get(&key).await.unwrap();
    }
    let stats = cache.stats();
    assert_eq!((stats.expired, stats.outdated), (1, 1));
    assert!(stats.evicted > 900 && stats.entries <= 64, "{stats:?}");
    let gone =
        |cause| recorder.counter("terrace.cache.evictions", &[("cache", "gone"), ("cause", cause)]);
    assert_eq!((gone("expired"), gone("outdated")), (Some(1), Some(1)));
    assert!(gone("capacity") > Some(500), "{:?}", gone("capacity"));
}

#[tokio::test]
async fn a_headroom_that_is_used_up_is_reported() {
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    let gauge = |name| recorder.gauge(name, &[("cache", "figures")]);
    let roomy = cache(10_000);
    for key in 100..700 {
        roomy.get(&key).await.unwrap();
    }
    assert_eq!(gauge("terrace.cache.tight"), Some(0.0));
    drop(roomy);
    let tight = cache(300);
    for key in 100..700 {
        tight.get(&key).await.unwrap();
    }
    assert_eq!(gauge("terrace.cache.tight"), Some(1.0));
    assert_eq!(gauge("terrace.cache.capacity"), Some(300.0));
    assert!(gauge("terrace.cache.weight") > Some(150.0));
}

#[tokio::test]
async fn ten_readers_beside_the_first_are_a_stampede_that_did_not_happen() {
    let cache = cache(100);
    let nine: Vec<_> = (0..10).map(|_| cache.get(&1)).collect();
    futures_util::future::join_all(nine).await;
    assert_eq!(cache.stats().stampedes, 0);
    let ten: Vec<_> = (0..11).map(|_| cache.get(&2)).collect();
    futures_util::future::join_all(ten).await;
    assert_eq!((cache.stats().stampedes, cache.stats().loads), (1, 2));
}
