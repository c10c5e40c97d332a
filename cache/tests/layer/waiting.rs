//! Who is answered, who waits, and for how long.

use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use terrace_cache::freshness::Freshness;
use terrace_cache::tag::row;
use terrace_cache::{CacheLayer, LayerError, LoadError};
use terrace_testkit::contract::{Outcome, Plan, ProbeError, Readiness};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt};

use super::*;

#[tokio::test]
async fn hits_are_answered_while_the_service_is_not_ready() {
    let (probe, inner) = inner();
    let mut service = answers().layer(inner);
    service.ready().await.unwrap().call(ask(1)).await.unwrap();
    probe.readiness(Readiness::Pending);
    let hit = service.ready().now_or_never().unwrap().unwrap().call(ask(1));
    assert_eq!(&*hit.now_or_never().unwrap().unwrap(), "1 for anyone");
    // What needs the service waits for it, with a key and without one.
    let mut misses = [2, 100].map(|number| Box::pin(service.clone().oneshot(ask(number))));
    for miss in &mut misses {
        assert!(futures_util::poll!(miss).is_pending());
    }
    settle().await;
    assert_eq!(probe.counts().calls, 1);
    probe.readiness(Readiness::Ready);
    for miss in misses {
        miss.await.unwrap();
    }
    assert_eq!((probe.counts().calls, probe.counts().unready_calls), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_costs_a_miss_the_hard_timeout_and_no_more() {
    let (probe, inner) = inner();
    probe.readiness(Readiness::Pending);
    let error = answers().layer(inner).oneshot(ask(1)).await.unwrap_err();
    assert!(
        matches!(error, LayerError::Load(LoadError::TimedOut { after }) if after == ms(5000)),
        "{error}"
    );
    settle().await;
    assert_eq!((probe.counts().calls, probe.counts().reservations), (0, 0));
}

#[tokio::test]
async fn a_hundred_misses_of_one_key_call_the_service_once() {
    let (probe, inner) = inner();
    probe.plan(Plan::held());
    let layer = answers();
    let service = layer.layer(inner);
    let asked: Vec<_> = (0..100).map(|_| tokio::spawn(service.clone().oneshot(ask(1)))).collect();
    settle().await;
    probe.release_all();
    for asked in asked {
        assert_eq!(&*asked.await.unwrap().unwrap(), "1 for anyone");
    }
    assert_eq!(probe.counts().calls, 1);
    let stats = layer.cache().stats();
    assert_eq!((stats.loaded, stats.joined), (1, 99));
}

#[tokio::test]
async fn a_request_without_a_key_goes_past_each_time() {
    let (probe, inner) = inner();
    let layer = answers();
    for _ in 0..3 {
        layer.layer(inner.clone()).oneshot(ask(100)).await.unwrap();
    }
    let stats = layer.cache().stats();
    assert_eq!((probe.counts().calls, stats.bypassed, stats.entries), (3, 3, 0));
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_end_the_call_and_the_next_has_its_response() {
    let (probe, inner) = inner();
    probe.plan(Plan::held());
    let service = answers().layer(inner);
    let mut left = Box::pin(service.clone().oneshot(ask(1)));
    assert!(futures_util::poll!(left.as_mut()).is_pending());
    settle().await;
    drop(left);
    settle().await;
    assert_eq!(probe.counts().in_flight, 1);
    let next = tokio::spawn(service.oneshot(ask(1)));
    settle().await;
    probe.release_all();
    next.await.unwrap().unwrap();
    assert_eq!((probe.counts().calls, probe.counts().cancelled), (1, 0));
}

#[tokio::test]
async fn a_request_past_the_cache_ends_with_its_caller() {
    let (probe, inner) = inner();
    probe.plan(Plan::held());
    let mut left = Box::pin(answers().layer(inner).oneshot(ask(100)));
    assert!(futures_util::poll!(left.as_mut()).is_pending());
    assert_eq!(probe.counts().in_flight, 1);
    drop(left);
    assert_eq!((probe.counts().in_flight, probe.counts().cancelled), (0, 1));
}

#[tokio::test]
async fn a_future_that_was_never_polled_calls_nobody() {
    let (probe, inner) = inner();
    let mut service = answers().layer(inner);
    drop(service.ready().await.unwrap().call(ask(1)));
    settle().await;
    assert_eq!(probe.counts().calls, 0);
}

#[tokio::test]
async fn a_clone_of_a_service_under_way_calls_only_what_is_ready() {
    let (probe, inner) = inner();
    probe.capacity(Some(1));
    probe.plan(Plan::held());
    let mut service = answers().layer(inner);
    let first = tokio::spawn(service.ready().await.unwrap().call(ask(1)));
    settle().await;
    let mut clone = service.clone();
    let second = tokio::spawn(clone.ready().await.unwrap().call(ask(2)));
    let third = tokio::spawn(clone.ready().await.unwrap().call(ask(100)));
    settle().await;
    assert_eq!(probe.counts().in_flight, 1, "its capacity is 1");
    probe.plan(Plan::default());
    probe.release_all();
    for answer in [first, second, third] {
        answer.await.unwrap().unwrap();
    }
    assert_eq!((probe.counts().calls, probe.counts().unready_calls), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_service_is_an_error_for_all_who_wait_and_the_key_is_loaded_again() {
    let (probe, inner) = inner();
    probe.script([Plan { outcome: Outcome::Panic, ..Plan::held() }]);
    let cache = with(Freshness::default().error_backoff(ms(1), ms(1)));
    let service = CacheLayer::new(cache, key).layer(inner);
    let asked = [1, 1].map(|number| tokio::spawn(service.clone().oneshot(ask(number))));
    settle().await;
    probe.release_all();
    for asked in asked {
        let error = asked.await.unwrap().unwrap_err();
        assert!(matches!(error, LayerError::Load(LoadError::Panicked { .. })), "{error}");
    }
    sleep(ms(2)).await;
    service.oneshot(ask(1)).await.unwrap();
    assert_eq!(probe.counts().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_shared_by_all_who_wait_and_not_asked_for_again_at_once() {
    let (probe, inner) = inner();
    probe.plan(Plan { outcome: Outcome::Fail("disk full".into()), ..Plan::held() });
    let disk_full = ProbeError::new("disk full");
    let service = answers().layer(inner);
    let asked = [1, 1, 1].map(|number| tokio::spawn(service.clone().oneshot(ask(number))));
    settle().await;
    probe.release_all();
    for asked in asked {
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), format!("loading failed: {disk_full}"));
        assert!(error.is_safe_to_retry());
        assert_eq!(error.inner(), Some(&disk_full));
    }
    let error = service.clone().oneshot(ask(1)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(ms(100)));
    assert_eq!(probe.counts().calls, 1);
    // Past the cache each has its own.
    probe.plan(Plan::fail("disk full"));
    let error = service.oneshot(ask(100)).await.unwrap_err();
    assert!(matches!(&error, LayerError::Inner(inner) if inner.is::<ProbeError>()), "{error}");
    assert_eq!(error.inner(), Some(&disk_full));
    assert_eq!((error.is_safe_to_retry(), error.retry_after()), (false, None));
}

#[tokio::test(start_paused = true)]
async fn a_stale_response_is_served_while_one_request_replaces_it() {
    let (probe, inner) = inner();
    let layer = CacheLayer::new(with(Freshness::default().ttl(ms(1000))), key);
    let service = layer.layer(inner);
    service.clone().oneshot(ask(1)).await.unwrap();
    sleep(ms(1001)).await;
    probe.plan(Plan::held());
    for _ in 0..3 {
        let mut service = service.clone();
        let stale = service.call(ask(1)).now_or_never();
        assert_eq!(&*stale.unwrap().unwrap(), "1 for anyone");
        settle().await;
    }
    assert_eq!(probe.counts().calls, 2);
    probe.release_all();
    settle().await;
    service.oneshot(ask(1)).now_or_never().unwrap().unwrap();
    assert_eq!((probe.counts().calls, layer.cache().stats().stale), (2, 3));
}

#[tokio::test]
async fn an_invalidated_response_is_not_served_again_whatever_was_under_way() {
    let (probe, inner) = inner();
    probe.plan(Plan::held());
    let layer = answers().tags(|number, _| [row("numbers", number)]);
    let service = layer.layer(inner);
    let before = tokio::spawn(service.clone().oneshot(ask(1)));
    settle().await;
    layer.cache().invalidate_tag(row("numbers", 1)).await.unwrap();
    probe.release_all();
    before.await.unwrap().unwrap();
    probe.plan(Plan::default());
    service.clone().oneshot(ask(1)).await.unwrap();
    assert_eq!(probe.counts().calls, 2, "it was under way when the row changed");
    service.clone().oneshot(ask(1)).await.unwrap();
    assert_eq!(probe.counts().calls, 2);
    layer.cache().invalidate_tag(row("numbers", 1)).await.unwrap();
    service.oneshot(ask(1)).await.unwrap();
    assert_eq!(probe.counts().calls, 3);
}

#[tokio::test]
async fn a_service_that_asks_itself_for_what_it_answers_is_an_error() {
    type Asked = tower::util::BoxCloneSyncService<Ask, Arc<str>, tower::BoxError>;
    let itself: Arc<std::sync::OnceLock<Asked>> = Arc::default();
    let ask_again = Arc::clone(&itself);
    let inner = tower::service_fn(move |ask: Ask| {
        let itself = ask_again.get().cloned();
        async move { itself.ok_or("not there yet")?.oneshot(ask).await }
    });
    let service = answers().layer(inner).map_err(tower::BoxError::from);
    let service = Asked::new(service);
    itself.get_or_init(|| service.clone());
    let error = service.oneshot(ask(1)).await.unwrap_err();
    assert!(error.to_string().ends_with("the load would wait for itself"), "{error}");
}

#[test]
fn outside_of_a_runtime_a_miss_is_an_error_and_no_panic() {
    let (_, inner) = inner();
    let answered = answers().layer(inner).oneshot(ask(1)).now_or_never().unwrap();
    assert!(matches!(answered, Err(LayerError::Load(LoadError::NoRuntime))));
}

#[tokio::test]
async fn a_hit_allocates_nothing() {
    let (_, inner) = inner();
    let mut service = answers().layer(inner);
    service.call(ask(1)).await.unwrap();
    let measured = allocation_counter::measure(|| {
        let response = service.call(ask(1)).now_or_never();
        assert!(matches!(response, Some(Ok(_))));
    });
    assert_eq!(measured.count_total, 0);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
}
