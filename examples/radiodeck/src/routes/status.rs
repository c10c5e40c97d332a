//! Addresses for machines and for the person who looks after them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, REFRESH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::Status;
use crate::app::App;
use crate::http::client::ClientAddr;
use crate::http::error::{Complete, Error};
use crate::http::negotiate::{Format, host};
use crate::http::visit::{CDN_CACHE_CONTROL, Visit};
use crate::servers::Roll;
use crate::telemetry;

/// How long `/readyz` waits for the database: less than a balancer waits for `/readyz`.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// The process runs. Says nothing about the database: a restart would not bring that back.
pub(super) async fn healthz() -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(json!({ "status": "ok" }))).into_response()
}

/// Requests can be answered: the database is there.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let reason = match tokio::time::timeout(READY_WITHIN, app.store.ping()).await {
        Ok(Ok(())) => {
            return ([(CACHE_CONTROL, "no-store")], Json(json!({ "status": "ready" })))
                .into_response();
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the database did not answer within a second".to_owned(),
    };
    let body = Json(json!({ "status": "unavailable", "reason": reason }));
    let mut response =
        (StatusCode::SERVICE_UNAVAILABLE, [(CACHE_CONTROL, "no-store")], body).into_response();
    response.extensions_mut().insert(Complete);
    response
}

/// Which nodes the database has, which of them answers this visit, which app servers there are, and
/// what the cache and the edge have saved.
pub(super) async fn status(visit: Visit) -> Result<Response, Error> {
    let app = visit.app.name.as_deref().map(str::to_owned);
    let database = visit.app.store.nodes().await;
    let cache = visit.app.store.saved();
    let servers = visit.app.servers.as_deref().and_then(Roll::read);
    let edge = match &visit.app.edge {
        Some(edge) => Some(edge.state().await),
        None => None,
    };
    let mut response = visit.show(&Status { app, database, servers, cache, edge }).await?;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(CDN_CACHE_CONTROL);
    if visit.format == Format::Html {
        // A page to watch during an accident.
        headers.insert(REFRESH, HeaderValue::from_static("1"));
    }
    Ok(response)
}

pub(super) async fn metrics() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, telemetry::metrics_text()).into_response()
}

/// How this app server sees the caller: to check what a balancer in between tells it.
pub(super) async fn whoami(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let ClientAddr(client) = ClientAddr::of(&parts.extensions, &parts.headers, app.edge.is_some());
    let listener = match app.identity.listener(&parts).await {
        Ok(listener) => listener,
        Err(error) => return error.into_response(),
    };
    let body = json!({
        "client": client,
        "host": host(&parts),
        "listener": listener,
        "served_by": app.name.as_deref(),
        "pid": std::process::id(),
    });
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
