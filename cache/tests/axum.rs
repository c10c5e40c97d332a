//! `CacheLayer` in an axum router, among tower-http's layers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::error_handling::HandleErrorLayer;
use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;
use http_body_util::{BodyExt, Full};
use terrace_cache::freshness::Freshness;
use terrace_cache::layer::{Keyed, Sharing};
use terrace_cache::{Cache, CacheLayer, LayerError, LoadError};
use tokio::sync::watch;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

type Page = Response<Full<Bytes>>;
type Pages = CacheLayer<Request<Body>, String, Page>;

/// What the handlers know: how often they ran, and whether they may go on.
#[derive(Clone)]
struct Site {
    calls: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
}

impl Site {
    fn open() -> Self {
        Self { calls: Arc::default(), gate: watch::Sender::new(true) }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Reads who asks, counts, and waits until the gate is open.
    async fn page(self, topic: String, headers: HeaderMap) -> axum::response::Response {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(topic != "panic", "no page of this name");
        let mut gate = self.gate.subscribe();
        let _ = gate.wait_for(|open| *open).await;
        let who = [AUTHORIZATION, COOKIE].iter().find_map(|name| headers.get(name));
        let who = who.and_then(|who| who.to_str().ok()).unwrap_or("anyone").to_owned();
        let page = format!("{topic} for {who}. ").repeat(200);
        match topic.as_str() {
            "login" => {
                (AppendHeaders([(SET_COOKIE, format!("id={number}"))]), page).into_response()
            }
            "missing" => StatusCode::NOT_FOUND.into_response(),
            _ => page.into_response(),
        }
    }

    /// The routes, a cache around each, and the usual layers around that.
    fn router(&self, layer: &Pages) -> Router {
        let route = || {
            let site = self.clone();
            let handler = move |Path(topic), headers| site.clone().page(topic, headers);
            get(handler.clone()).post(handler)
        };
        let cached = ServiceBuilder::new()
            .layer(HandleErrorLayer::new(refusal))
            .layer(layer.clone())
            .and_then(collect)
            .map_err(BoxError::from);
        let around = ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(TraceLayer::new_for_http())
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(SetResponseHeaderLayer::overriding(
                HeaderName::from_static("x-frame-options"),
                HeaderValue::from_static("DENY"),
            ))
            .layer(CompressionLayer::new())
            .layer(CatchPanicLayer::new())
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_secs(1),
            ))
            .layer(RequestBodyLimitLayer::new(1024));
        Router::new()
            .route("/a/{topic}", route())
            .route("/b/{topic}", route())
            .layer(cached)
            .layer(around)
    }
}

/// What may be cached can be copied, so the body is read to its end.
async fn collect(response: axum::response::Response) -> Result<Page, BoxError> {
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await?;
    Ok(Response::from_parts(head, Full::new(body)))
}

async fn refusal(error: LayerError) -> axum::response::Response {
    let status = match &error {
        LayerError::Load(LoadError::TimedOut { .. }) => StatusCode::GATEWAY_TIMEOUT,
        LayerError::Load(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string()).into_response()
}

fn cache() -> Cache<String, Page> {
    Cache::builder("pages").seed(7).build().unwrap()
}

fn by_path(cache: Cache<String, Page>) -> Pages {
    CacheLayer::new(cache, |request: &Request<Body>| Some(request.uri().path().to_owned()))
}

/// Sends one request with one header to a clone of the router, and returns the head and the body.
async fn send(router: &Router, method: &str, path: &str, header: &[(HeaderName, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in header {
        request = request.header(name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response: Result<_, Infallible> = router.clone().oneshot(request).await;
    let (head, body) = response.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: head.status, headers: head.headers, body }
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn says(&self, start: &str) -> bool {
        self.body.starts_with(start.as_bytes())
    }
}

#[tokio::test]
async fn all_routes_of_a_router_share_one_cache() {
    let site = Site::open();
    let layer = by_path(cache());
    let router = site.router(&layer);
    for _ in 0..3 {
        for path in ["/a/jazz", "/b/jazz"] {
            let page = send(&router, "GET", path, &[]).await;
            assert!(page.status.is_success() && page.says("jazz for anyone"));
        }
    }
    assert_eq!((site.calls(), layer.cache().stats().entries), (2, 2));
    layer.cache().invalidate(&"/a/jazz".to_owned()).await.unwrap();
    send(&router, "GET", "/a/jazz", &[]).await;
    assert_eq!(site.calls(), 3);
}

#[tokio::test]
async fn what_stands_around_the_cache_does_its_work_for_hits_too() {
    let router = Site::open().router(&by_path(cache()));
    let first = send(&router, "GET", "/a/jazz", &[]).await;
    let hit = send(&router, "GET", "/a/jazz", &[(ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(hit.headers[CONTENT_ENCODING], "gzip");
    assert!(hit.body.len() < first.body.len() / 10);
    assert_eq!(hit.headers["x-frame-options"], "DENY");
    assert_ne!(hit.headers["x-request-id"], first.headers["x-request-id"]);
}

#[tokio::test]
async fn requests_with_credentials_share_nothing() {
    let site = Site::open();
    let blind = |_: &Request<Body>| Sharing::Anyone;
    let path = |request: &Request<Body>| Some(request.uri().path().to_owned());
    let unchecked = CacheLayer::with_sharing(cache(), blind, path);
    // The control: with the check off Bob gets Alice's page.
    for (layer, expected) in [(by_path(cache()), "jazz for bob"), (unchecked, "jazz for alice")] {
        for name in [AUTHORIZATION, COOKIE] {
            layer.cache().clear().await.unwrap();
            let router = site.router(&layer);
            send(&router, "GET", "/a/jazz", &[(name.clone(), "alice")]).await;
            let page = send(&router, "GET", "/a/jazz", &[(name.clone(), "bob")]).await;
            assert!(page.says(expected), "{name}: expected {expected}");
        }
    }
}

#[tokio::test]
async fn a_key_with_the_principal_in_it_caches_requests_with_credentials() {
    let site = Site::open();
    let layer = CacheLayer::new(cache(), |request: &Request<Body>| {
        // In place of what stands in front and has verified it.
        let user = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        Some(Keyed::by_principal(format!("{user} {}", request.uri().path())))
    });
    let router = site.router(&layer);
    for user in ["alice", "bob", "alice", "bob"] {
        let page = send(&router, "GET", "/a/jazz", &[(AUTHORIZATION, user)]).await;
        assert!(page.says(&format!("jazz for {user}")));
    }
    assert_eq!(site.calls(), 2);
}

#[tokio::test]
async fn two_who_log_in_at_once_get_two_cookies() {
    // The control: kept in spite of its cookie, both get the first one's.
    let careless = by_path(cache()).keep(|_| terrace_cache::layer::Keep::Store);
    for (layer, distinct) in [(by_path(cache()), 2), (careless, 1)] {
        let site = Site::open();
        site.gate.send_replace(false);
        let router = site.router(&layer);
        let logins = [1, 2].map(|_| {
            let router = router.clone();
            tokio::spawn(async move { send(&router, "GET", "/a/login", &[]).await })
        });
        while layer.cache().stats().in_flight == 0 {
            tokio::task::yield_now().await;
        }
        site.gate.send_replace(true);
        let mut cookies = std::collections::HashSet::new();
        for login in logins {
            cookies.insert(login.await.unwrap().headers[SET_COOKIE].clone());
        }
        assert_eq!(cookies.len(), distinct);
    }
}

#[tokio::test]
async fn other_methods_and_errors_are_not_kept() {
    let site = Site::open();
    let layer = by_path(cache());
    let router = site.router(&layer);
    for (method, path) in [("POST", "/a/jazz"), ("HEAD", "/a/jazz"), ("GET", "/a/missing")] {
        let before = site.calls();
        for _ in 0..2 {
            send(&router, method, path, &[]).await;
        }
        assert_eq!(
            (site.calls() - before, layer.cache().stats().entries),
            (2, 0),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_an_answer_and_the_next_one_is_served() {
    let router = Site::open().router(&by_path(cache()));
    let page = send(&router, "GET", "/a/panic", &[]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.says("loading panicked: no page of this name"));
    // Past the cache it reaches the layer that is there for it.
    let page = send(&router, "POST", "/a/panic", &[]).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(send(&router, "GET", "/a/jazz", &[]).await.status.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_caller_whom_a_timeout_sends_away_leaves_the_page_to_the_next() {
    let site = Site::open();
    site.gate.send_replace(false);
    let router = site.router(&by_path(cache()));
    let page = send(&router, "GET", "/a/jazz", &[]).await;
    assert_eq!(page.status, StatusCode::GATEWAY_TIMEOUT);
    site.gate.send_replace(true);
    assert!(send(&router, "GET", "/a/jazz", &[]).await.says("jazz for anyone"));
    assert_eq!(site.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_page_is_an_answer_that_says_so() {
    let site = Site::open();
    site.gate.send_replace(false);
    let freshness = Freshness::default().soft_timeout(None).hard_timeout(Duration::from_millis(50));
    let cache = Cache::builder("slow").freshness(freshness).build().unwrap();
    let page = send(&site.router(&by_path(cache)), "GET", "/a/jazz", &[]).await;
    assert_eq!(page.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(page.says("loading took longer than 50ms"));
}
