//! The proxy inside an axum application, under tower-http's layers: each does its work, and a
//! request that one of them ends is over for the balancer too.

use std::time::Duration;

use axum::Router;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use terrace_lb::proxy::ReverseProxy;
use terrace_lb::serve::Server;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::support::*;

/// Axum with a route of its own; everything else goes through the proxy.
fn application(balance: HttpBalance, patience: Duration) -> Router {
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, patience))
        .layer(RequestBodyLimitLayer::new(1024));
    Router::new()
        .route("/own", axum::routing::get(|| async { "mine" }))
        .fallback_service(ReverseProxy::new(balance))
        .layer(layers)
}

fn in_flight(balance: &HttpBalance) -> u32 {
    balance.status().iter().map(|endpoint| endpoint.in_flight).sum()
}

#[tokio::test]
async fn tower_http_layers_around_the_proxy_do_their_work() {
    let backend = Backend::http1(|request: Request<hyper::body::Incoming>| async move {
        let id = request.headers()["x-request-id"].clone();
        let mut response = Response::new(Full::new("la ".repeat(2_000).into()));
        response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        response.headers_mut().insert("x-seen-id", id);
        response
    })
    .await;
    let balance = balance(&[backend.address]);
    let site = Running::start(Server::new(), application(balance.clone(), PATIENCE)).await;
    let mut client = Client::http1(site.address).await;

    let own = Request::get("/own").body(full("")).unwrap();
    assert_eq!(collect(client.send(own).await.unwrap()).await, "mine");
    assert_eq!(backend.connections(), 0, "axum's own routes stay its own");

    let request = Request::get("/").header("accept-encoding", "gzip").body(full("")).unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["x-request-id"], response.headers()["x-seen-id"]);
    assert!(collect(response).await.len() < 1_000);

    let request = Request::post("/").body(full(vec![b'x'; 2_000])).unwrap();
    let refused = client.send(request).await.unwrap();
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(backend.connections(), 1, "what is too large does not reach the backend");
    assert_eq!(in_flight(&balance), 0);
}

#[tokio::test]
async fn a_request_that_a_timeout_ends_is_over_for_the_balancer() {
    let backend = Backend::http1(|_| async {
        std::future::pending::<()>().await;
        Response::new(Full::new("never".into()))
    })
    .await;
    let balance = balance(&[backend.address]);
    let application = application(balance.clone(), Duration::from_millis(50));
    let site = Running::start(Server::new(), application).await;
    let mut client = Client::http1(site.address).await;
    let response = client.send(Request::get("/").body(full("")).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(balance.status()[0].picked, 1, "it was under way");
    assert_eq!(in_flight(&balance), 0);
}
