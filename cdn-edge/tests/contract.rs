//! The tower laws, held against the edge; and the edge in the company it keeps: tower-http's stack, and a router.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use terrace_cdn_edge::{BoxError, EdgeBody, EdgeFailure, EdgeLayer, OriginBody};
use terrace_testkit::contract::{ControlledService, Law, ProbeBody, ServiceProbe, Subject};
use tower::layer::layer_fn;
use tower::util::MapRequest;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

type Inner = ControlledService<Request<ProbeBody>, Response<ProbeBody>>;

/// The edge around the suite's service, which makes its inner requests of its own body type.
#[derive(Clone, Debug)]
struct Fronted(EdgeLayer);

type Plain = fn(Request<OriginBody<ProbeBody>>) -> Request<ProbeBody>;

impl Layer<Inner> for Fronted {
    type Service = terrace_cdn_edge::Edge<MapRequest<Inner, Plain>>;

    fn layer(&self, inner: Inner) -> Self::Service {
        let plain: Plain = |request| request.map(|_| ProbeBody::new([""; 0]));
        self.0.layer(MapRequest::new(inner, plain))
    }
}

fn fronted() -> Fronted {
    Fronted(EdgeLayer::builder().seed(1).build().unwrap())
}

fn fresh(_: &Request<ProbeBody>, probe: &ServiceProbe) -> Response<ProbeBody> {
    let mut response = Response::new(probe.body(["first frame", "second frame"]));
    response.headers_mut().insert("cache-control", "max-age=60".parse().unwrap());
    response
}

/// What one product has stored, the other has.
async fn share(
    first: impl Service<Request<ProbeBody>, Response = Response<EdgeBody>>,
    second: impl Service<Request<ProbeBody>, Response = Response<EdgeBody>>,
    probe: ServiceProbe,
) -> Result<(), String> {
    let request = || Request::get("http://probe.test/shared").body(ProbeBody::default()).unwrap();
    let Ok(response) = first.oneshot(request()).await else { return Err("no answer".into()) };
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    tokio::task::yield_now().await;
    let Ok(again) = second.oneshot(request()).await else { return Err("no answer".into()) };
    let again = again.into_body().collect().await.map_err(|error| error.to_string())?;
    match (body.to_bytes() == again.to_bytes(), probe.counts().calls) {
        (true, 1) => Ok(()),
        other => Err(format!("one page, asked for twice: {other:?}")),
    }
}

#[test]
fn an_edge_before_pages_that_are_stored_keeps_the_laws() {
    Subject::http("Edge", fronted)
        .responds(fresh)
        .shares_state(share)
        .skips_inner()
        .answers_errors()
        .waits_at_most(Duration::from_secs(30))
        .refuses("a name with a space", "a b", || EdgeLayer::builder().name("a b").build())
        .refuses("a memory of nothing", "0", || EdgeLayer::builder().memory(0).build())
        .refuses("an object larger than the memory", "1000000", || {
            EdgeLayer::builder().memory(100_000).max_object(1_000_000).build()
        })
        .refuses("no time to collapse", "collapse_timeout", || {
            EdgeLayer::builder().collapse_timeout(Duration::ZERO).build()
        })
        .refuses("no time for an origin", "first_byte_timeout", || {
            EdgeLayer::builder().first_byte_timeout(Duration::ZERO).build()
        })
        .check()
        .assert();
}

#[test]
fn an_edge_before_pages_that_are_not_stored_keeps_the_laws() {
    Subject::http("Edge, unstored", fronted)
        .skips_inner()
        .answers_errors()
        .waits_at_most(Duration::from_secs(30))
        .check()
        .assert();
}

#[test]
fn requests_that_pass_the_edge_keep_the_laws() {
    let post = |n: usize| {
        let request = Request::post(format!("/{n}")).header("host", "probe.test");
        request.body(ProbeBody::default()).unwrap()
    };
    Subject::http("Edge, past", fronted).requests(post).skips_inner().check().assert();
}

#[test]
fn control_a_layer_that_makes_an_edge_for_each_product_is_caught() {
    let each = || layer_fn(|inner: Inner| fronted().layer(inner));
    let verdict = Subject::http("forgetful", each)
        .responds(fresh)
        .shares_state(share)
        .skips_inner()
        .answers_errors()
        .waits_at_most(Duration::from_secs(30))
        .check();
    assert!(verdict.breaks(Law::SharedState), "{verdict}");
}

async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    // A fill's last step comes behind its last byte.
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ask<B: Default>(path: &str, fields: &[(&str, &str)]) -> Request<B> {
    let mut request = Request::get(path).header("host", "site.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(B::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn in_tower_https_stack_each_layer_does_its_work() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let origin = tower::service_fn(move |request: Request<OriginBody<Full<Bytes>>>| {
        seen.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_ne!(request.uri().path(), "/panics");
            if request.uri().path() == "/hangs" {
                std::future::pending::<()>().await;
            }
            let response = Response::builder().header("content-type", "text/plain");
            let response =
                response.header("cache-control", "max-age=60").header("vary", "accept-encoding");
            Ok::<_, Infallible>(response.body(Full::<Bytes>::from("la ".repeat(1000))).unwrap())
        }
    });
    let layer = EdgeLayer::builder().seed(1).build().unwrap();
    let stack = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5)))
        .layer(layer.clone())
        .layer(CompressionLayer::new())
        .layer(SetResponseHeaderLayer::overriding(
            http::HeaderName::from_static("x-behind"),
            http::HeaderValue::from_static("yes"),
        ))
        .service(origin);
    for at in 0..2 {
        let plain = stack.clone().oneshot(ask("/", &[])).await.unwrap();
        assert_eq!(
            plain.headers()["x-behind"],
            "yes",
            "what is set behind the edge is stored with it"
        );
        assert!(plain.headers().contains_key("x-request-id"), "each answer has an id of its own");
        assert_eq!(text(plain).await.len(), 3000, "{at}");
        let packed = stack.clone().oneshot(ask("/", &[("accept-encoding", "gzip")])).await.unwrap();
        assert_eq!(
            packed.headers()["content-encoding"],
            "gzip",
            "compressed once, kept compressed"
        );
        assert!(text(packed).await.len() < 500, "{at}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "once for each coding");
    assert_eq!(layer.handle().stats().hits, 2);

    let hanging = stack.clone().oneshot(ask("/hangs", &[])).await.unwrap();
    assert_eq!(hanging.status(), StatusCode::GATEWAY_TIMEOUT);
    let panicked = stack.clone().oneshot(ask("/panics", &[])).await.unwrap();
    assert_eq!(
        panicked.status(),
        StatusCode::BAD_GATEWAY,
        "a fill's panic is a failure of the origin"
    );
}

/// Two routes and a number of calls, behind an edge that was applied to the router.
fn router(layer: EdgeLayer) -> (Router, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let page = |name: &'static str| {
        let calls = Arc::clone(&calls);
        get(move || {
            calls.fetch_add(1, Ordering::SeqCst);
            async move { ([("cache-control", "max-age=60"), ("surrogate-key", "all")], name) }
        })
    };
    let router = Router::new().route("/one", page("one")).route("/two", page("two"));
    // Axum's routes take axum's body.
    let axums = tower::util::MapRequestLayer::new(|request: Request<OriginBody<Body>>| {
        request.map(Body::new)
    });
    (router.layer(ServiceBuilder::new().layer(layer).layer(axums)), calls)
}

#[tokio::test(start_paused = true)]
async fn on_an_axum_router_one_cache_is_shared_by_all_routes() {
    let layer = EdgeLayer::builder().seed(1).build().unwrap();
    let (router, calls) = router(layer.clone());
    for _ in 0..3 {
        for path in ["/one", "/two"] {
            let response = router.clone().oneshot(ask::<Body>(path, &[])).await.unwrap();
            assert_eq!(text(response).await, path[1..]);
        }
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let stats = layer.handle().stats();
    assert_eq!(
        (stats.hits, stats.objects),
        (4, 2),
        "one cache, though axum makes a service of each route"
    );
    let missing = router.clone().oneshot(ask::<Body>("/three", &[])).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);

    layer.handle().purge_tag("all", terrace_cdn_edge::purge::Mode::Hard);
    text(router.clone().oneshot(ask::<Body>("/one", &[])).await.unwrap()).await;
    assert_eq!(calls.load(Ordering::SeqCst), 3, "and one purge is for all of them");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_answer_with_its_reason() {
    let layer = EdgeLayer::builder().seed(1).build().unwrap();
    let origin = tower::service_fn(|_: Request<OriginBody<Full<Bytes>>>| async {
        Err::<Response<Full<Bytes>>, _>(BoxError::from("away"))
    });
    let response = layer.layer(origin).oneshot(ask("/", &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert!(matches!(response.extensions().get(), Some(EdgeFailure::Origin(_))));
}
