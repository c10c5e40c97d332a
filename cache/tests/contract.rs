//! The tower laws, held against the layer that caches responses.

use std::time::Duration;

use http::{Method, Request, Response};
use terrace_cache::layer::{Keyed, Sharing};
use terrace_cache::{Cache, CacheLayer, Status};
use terrace_testkit::contract::{ControlledService, Law, ServiceProbe, Subject};
use tower::layer::layer_fn;
use tower::{Layer, Service, ServiceExt};

type Numbers = CacheLayer<usize, usize, usize>;
type Pages = CacheLayer<Request<()>, String, Response<String>>;

/// The default of `Freshness`: how long a request with a key waits.
const HARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Even numbers are cached, odd ones go past.
fn numbers() -> Numbers {
    let cache = Cache::builder("numbers").seed(1).build().unwrap();
    let key = |n: &usize| n.is_multiple_of(2).then_some(*n);
    CacheLayer::with_sharing(cache, |_| Sharing::Anyone, key)
}

fn pages() -> Pages {
    let cache = Cache::builder("pages").seed(1).build().unwrap();
    CacheLayer::new(cache, |request: &Request<()>| {
        let user = request.headers().get("x-user").map(|user| user.as_bytes().to_vec());
        let key = format!("{:?} {user:?}", request.uri());
        Some(if user.is_some() { Keyed::by_principal(key) } else { Keyed::shared(key) })
    })
}

fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

/// What one product has loaded, the other has.
async fn share(
    first: impl Service<usize, Response = usize>,
    second: impl Service<usize, Response = usize>,
    probe: ServiceProbe,
) -> Result<(), String> {
    let answers = (first.oneshot(2).await.ok(), second.oneshot(2).await.ok());
    match (answers, probe.counts().calls) {
        ((Some(2), Some(2)), 1) => Ok(()),
        other => Err(format!("one key, asked for twice: {other:?}")),
    }
}

#[test]
fn a_cache_of_any_services_responses_keeps_the_laws() {
    Subject::new("CacheLayer", numbers, |n| n * 2, |n: &usize| *n)
        .in_flight(|layer: &Numbers| layer.cache().stats().in_flight)
        .shares_state(share)
        .skips_inner()
        .waits_at_most(HARD_TIMEOUT)
        .refuses("a name with a colon", "a:b", || Cache::<u8, u8>::builder("a:b").build())
        .hostile("a number that is not cached", || 7)
        .check()
        .assert();
}

#[test]
fn requests_that_go_past_the_cache_keep_the_laws() {
    Subject::new("CacheLayer, past", numbers, |n| n * 2 + 1, |n: &usize| *n)
        .skips_inner()
        .check()
        .assert();
}

#[test]
fn a_cache_of_http_responses_keeps_the_laws() {
    // Read as plain ones, because a response that is cached is one that can be copied: the suite's
    // own bodies cannot.
    let respond = |request: &Request<()>| Response::new(request.uri().to_string());
    let mut subject = Subject::new("CacheLayer, HTTP", pages, |n| get(&format!("/{n}")), respond)
        .in_flight(|layer: &Pages| layer.cache().stats().in_flight)
        .skips_inner()
        .waits_at_most(HARD_TIMEOUT);
    for (what, path) in [("the root", "/"), ("an asterisk", "*"), ("a query", "/?a=%00%0d%0a")] {
        subject = subject.hostile(what, move || get(path));
    }
    for method in ["POST", "CONNECT", "HEAD", "?!"] {
        subject = subject.hostile(format!("method {method:?}"), move || {
            let mut request = get("/0");
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap_or_default();
            request
        });
    }
    let long = format!("/{}", "x".repeat(65_000));
    subject = subject.hostile("a path as long as there can be", move || get(&long));
    for name in ["authorization", "cookie", "x-user"] {
        subject = subject.hostile(format!("{name} of bytes that are no text"), move || {
            let mut request = get("/0");
            let value = http::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
            request.headers_mut().insert(name, value);
            request
        });
    }
    subject.check().assert();
}

#[test]
fn a_layer_that_makes_a_cache_for_each_product_is_caught() {
    // The control of law 1: axum calls `layer` for each route.
    let each = || layer_fn(|inner: ControlledService<usize, usize>| numbers().layer(inner));
    let verdict = Subject::new("forgetful", each, |n| n * 2, |n: &usize| *n)
        .shares_state(share)
        .skips_inner()
        .check();
    assert!(verdict.breaks(Law::SharedState), "{verdict}");
}

#[tokio::test]
async fn what_the_layer_caches_is_in_the_cache_that_it_was_given() {
    let layer = numbers();
    let (_, inner) = ControlledService::new(|n: &usize| *n);
    layer.layer(inner).oneshot(2).await.unwrap();
    assert_eq!(layer.cache().peek(&2).unwrap().status(), Status::L1);
}
