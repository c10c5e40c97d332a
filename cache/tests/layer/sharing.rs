//! Who may share a response, and which ones are kept.

use std::sync::Arc;
use std::time::Duration;

use terrace_cache::codec::Plain;
use terrace_cache::freshness::Ttl;
use terrace_cache::layer::{Keep, Keyed, Sharing};
use terrace_cache::store::Memory;
use terrace_cache::{Cache, CacheLayer};
use terrace_testkit::contract::{ControlledService, Plan, ProbeError};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_layer_says_which_responses_are_kept_and_how_long() {
    let (probe, inner) = inner();
    let layer = answers().keep(|response| match &**response {
        "1 for anyone" => Keep::DoNotStore,
        "2 for anyone" => Keep::StoreFor(Ttl::For(ms(10))),
        "3 for anyone" => Keep::StoreFor(Ttl::For(Duration::ZERO)),
        _ => Keep::Store,
    });
    let service = layer.layer(inner);
    for (number, calls) in [(1, 2), (2, 1), (3, 2), (4, 1)] {
        let before = probe.counts().calls;
        for _ in 0..2 {
            service.clone().oneshot(ask(number)).await.unwrap();
        }
        assert_eq!(probe.counts().calls - before, calls, "{number}");
    }
    // After its ttl and all that bridges it.
    sleep(Duration::from_secs(3600)).await;
    let before = probe.counts().calls;
    service.oneshot(ask(2)).await.unwrap();
    assert_eq!(probe.counts().calls - before, 1);
}

/// Two who wait for one response; what the second one gets, and how often the service was called.
async fn second_of_two(keep: fn(&Arc<str>) -> Keep) -> (String, usize) {
    let (probe, inner) = ControlledService::new(|ask: &Ask| answer(ask));
    probe.script([Plan::held()]);
    // The check of credentials is off: here it is about the response alone.
    let layer = CacheLayer::with_sharing(cache(), |_| Sharing::Anyone, key).keep(keep);
    let service = layer.layer(inner);
    let mut asked = Vec::new();
    for token in ["alice", "bob"] {
        let request = Ask { number: 1, token: Some(token) };
        asked.push(tokio::spawn(service.clone().oneshot(request)));
        settle().await;
    }
    probe.release_all();
    let second = asked.pop().unwrap().await.unwrap().unwrap();
    (second.to_string(), probe.counts().calls)
}

#[tokio::test]
async fn who_waited_for_a_response_that_is_not_kept_asks_with_its_own_request() {
    let own = second_of_two(|_| Keep::DoNotStore).await;
    assert_eq!(own, ("1 for bob".to_owned(), 2));
    // The control: a response that may be kept is for both.
    let shared = second_of_two(|_| Keep::Store).await;
    assert_eq!(shared, ("1 for alice".to_owned(), 1));
}

/// What Bob gets where Alice has asked the same before.
async fn bob_after_alice(layer: Answers) -> String {
    let (_, inner) = inner();
    let mut last = None;
    for token in ["alice", "bob"] {
        let request = Ask { number: 1, token: Some(token) };
        last = Some(layer.layer(inner.clone()).oneshot(request).await.unwrap());
    }
    last.unwrap().to_string()
}

#[tokio::test]
async fn nobody_gets_a_response_to_the_credentials_of_another() {
    assert_eq!(bob_after_alice(answers()).await, "1 for bob");
    let shared = CacheLayer::new(cache(), |ask: &Ask| key(ask).map(Keyed::shared));
    assert_eq!(bob_after_alice(shared).await, "1 for bob");
    let blind = |_: &Ask| Sharing::Anyone;
    let also = CacheLayer::with_sharing(cache(), blind, key).credentials(|ask| ask.token.is_some());
    assert_eq!(bob_after_alice(also).await, "1 for bob");
    let nobody = CacheLayer::with_sharing(
        cache(),
        |_| Sharing::Nobody,
        |ask: &Ask| key(ask).map(Keyed::by_principal),
    );
    assert_eq!(bob_after_alice(nobody).await, "1 for bob");

    // The control: with the check off, or a key that lies, it is Alice's.
    let unchecked = CacheLayer::with_sharing(cache(), blind, key);
    assert_eq!(bob_after_alice(unchecked).await, "1 for alice");
    let lie = CacheLayer::new(cache(), |ask: &Ask| key(ask).map(Keyed::by_principal));
    assert_eq!(bob_after_alice(lie).await, "1 for alice");
}

#[tokio::test]
async fn a_key_that_names_the_principal_caches_each_ones_own() {
    let (probe, inner) = inner();
    let cache: Cache<(u64, String), Arc<str>> = Cache::builder("own").build().unwrap();
    let layer = CacheLayer::new(cache, |ask: &Ask| {
        Some(Keyed::by_principal((ask.number, ask.token?.to_owned())))
    });
    for token in ["alice", "bob", "alice", "bob"] {
        let request = Ask { number: 1, token: Some(token) };
        let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
        assert_eq!(*response, *format!("1 for {token}"));
    }
    assert_eq!(probe.counts().calls, 2);
}

/// What a GET gets after a HEAD of the same path, from a service that answers HEAD without a body.
async fn get_after_head(
    layer: impl Fn(Cache<String, http::Response<&'static str>>) -> Pages,
) -> &'static str {
    let inner = tower::service_fn(|request: http::Request<()>| async move {
        let body = if request.method() == http::Method::HEAD { "" } else { "all about it" };
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    let service = layer(Cache::builder("pages").build().unwrap()).layer(inner);
    service.clone().oneshot(http::Request::head("/").body(()).unwrap()).await.unwrap();
    service.oneshot(http::Request::get("/").body(()).unwrap()).await.unwrap().into_body()
}

type Pages = CacheLayer<http::Request<()>, String, http::Response<&'static str>>;

#[tokio::test]
async fn a_head_that_came_first_does_not_take_the_body_away() {
    let path = |request: &http::Request<()>| Some(request.uri().path().to_owned());
    assert_eq!(get_after_head(|cache| CacheLayer::new(cache, path)).await, "all about it");
    // The control: kept under a key without the method.
    let blind = |cache| CacheLayer::with_sharing(cache, |_| Sharing::Anyone, path);
    assert_eq!(get_after_head(blind).await, "");
}

#[tokio::test(start_paused = true)]
async fn where_another_user_of_the_cache_knows_of_no_value_the_service_is_asked() {
    let (probe, inner) = inner();
    let layer = answers();
    let absent = layer.cache().get_or_load(&1, |_| async { Ok::<_, ProbeError>(None) }).await;
    assert!(absent.unwrap().is_negative());
    let response = layer.layer(inner.clone()).oneshot(ask(1)).await.unwrap();
    assert_eq!((&*response, probe.counts().calls), ("1 for anyone", 1));
    // The same where that load is still under way.
    let waiting = tokio::spawn({
        let cache = layer.cache().clone();
        async move {
            let load = |_| async {
                sleep(ms(1)).await;
                Ok::<_, ProbeError>(None)
            };
            cache.get_or_load(&2, load).await
        }
    });
    settle().await;
    let response = layer.layer(inner).oneshot(ask(2)).await.unwrap();
    assert_eq!((&*response, probe.counts().calls), ("2 for anyone", 2));
    assert!(waiting.await.unwrap().unwrap().is_negative());
}

#[tokio::test]
async fn processes_share_what_is_kept_and_nothing_else() {
    let (probe, inner) = ControlledService::new(|ask: &Ask| answer(ask).to_string());
    let store = Memory::new();
    // Each with a first level of its own, like a process that has just started.
    let process = || {
        let cache = Cache::builder("answers").store(store.clone(), Plain).build().unwrap();
        CacheLayer::new(cache, key).keep(|response: &String| match response.starts_with('1') {
            true => Keep::DoNotStore,
            false => Keep::Store,
        })
    };
    for (number, calls) in [(1, 2), (2, 1)] {
        let before = probe.counts().calls;
        for _ in 0..2 {
            process().layer(inner.clone()).oneshot(ask(number)).await.unwrap();
            // Filling the second level is not waited for.
            settle().await;
        }
        assert_eq!(probe.counts().calls - before, calls, "{number}");
    }
    process().cache().invalidate(&2).await.unwrap();
    process().layer(inner).oneshot(ask(2)).await.unwrap();
    assert_eq!(probe.counts().calls, 4);
}
