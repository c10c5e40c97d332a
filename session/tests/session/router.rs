//! In the company that the layer keeps: axum, and tower-http's stack.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use terrace_session::{Session, SessionData, SessionError, SessionLayer, SessionValue};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::basics::subject;
use crate::support::{Browser, Fault, Op, Site};

#[derive(Default, Deserialize, Serialize)]
struct Visits(u64);

impl SessionValue for Visits {
    const NAME: &'static str = "visits";
}

fn router(layer: SessionLayer) -> Router {
    let visit = async |mut visits: SessionData<Visits>| {
        visits.update(|visits| visits.0 += 1).await?;
        Ok::<_, SessionError>(visits.0.to_string())
    };
    let login = async |session: Session| session.login("ada").await;
    let who = async |session: Option<Session>| match session {
        Some(session) => {
            session.subject().await.map(|who| who.unwrap_or("nobody".into()).to_string())
        }
        None => Ok("no layer".to_owned()),
    };
    Router::new()
        .route("/visits", get(visit))
        .route("/login", post(login))
        .route("/who", get(who))
        .layer(layer)
}

async fn ask(router: &Router, method: &str, path: &str, browser: &mut Browser) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(cookie) = &browser.cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    browser.keep(&response);
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn routes_of_axum_share_the_sessions_of_one_layer() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let router = router(site.layer.clone());
    for visits in ["1", "2"] {
        assert_eq!(ask(&router, "GET", "/visits", &mut browser).await, (200, visits.into()));
    }
    assert_eq!(ask(&router, "GET", "/who", &mut browser).await.1, "nobody");
    assert_eq!(ask(&router, "POST", "/login", &mut browser).await.0, 200);
    assert_eq!(ask(&router, "GET", "/who", &mut browser).await.1, "ada");
    assert_eq!(ask(&router, "GET", "/visits", &mut browser).await, (200, "3".into()));
    site.store.always(Fault::Refuse);
    assert_eq!(ask(&router, "GET", "/visits", &mut browser).await, (503, String::new()));
}

#[tokio::test]
async fn without_the_layer_a_session_is_an_error_and_an_optional_one_is_none() {
    let who = async |session: Option<Session>| session.is_none().to_string();
    let name = async |session: Session| session.fingerprint().unwrap_or_default();
    let router = Router::new().route("/who", get(who)).route("/name", get(name));
    assert_eq!(ask(&router, "GET", "/who", &mut Browser::new()).await, (200, "true".into()));
    assert_eq!(ask(&router, "GET", "/name", &mut Browser::new()).await.0, 500);
}

/// Logs in, and then something goes wrong.
async fn trouble(path: &'static str, site: &Site, browser: &mut Browser) -> u16 {
    let page = service_fn(move |request: Request<()>| async move {
        let session = request.extensions().get::<Session>().unwrap();
        session.set("n", &1).await.unwrap();
        session.login("ada").await.unwrap();
        match path {
            "panics" => panic!("on purpose"),
            "hangs" => std::future::pending::<()>().await,
            _ => {}
        }
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1));
    let inner = ServiceBuilder::new().layer(CatchPanicLayer::new()).layer(timeout).service(page);
    let response = site.layer.layer(inner.map_response(|response| response.map(Body::new)));
    let response = response.oneshot(browser.request()).await.unwrap();
    browser.keep(&response);
    response.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_login_survives_a_panic_and_a_timeout_and_values_do_not() {
    for (path, status) in [("panics", 500), ("hangs", 504)] {
        let (site, mut browser) = (Site::new(), Browser::new());
        assert_eq!(trouble(path, &site, &mut browser).await, status);
        assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"), "{path}");
        assert_eq!(crate::basics::value(&site, &mut browser, "n").await, None, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_in_the_middle_of_a_login_has_its_cookie() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.set("cart", &3).await.map(|()| 200)).await;
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    site.store.next(Op::Rotate, Fault::Wait(go.clone()));
    // The store takes a little longer than the handler has.
    let release = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        go.notify_one();
    };
    let page = service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap();
        session.login("ada").await.unwrap();
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    let limit =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(100));
    let service = site.layer.layer(limit.layer(page));
    let (response, ()) = tokio::join!(service.oneshot(browser.request()), release);
    let response = response.unwrap();
    browser.keep(&response);
    assert_eq!(response.status(), 504);
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
}
