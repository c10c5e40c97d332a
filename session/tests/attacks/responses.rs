//! What other layers, other headers and other methods make of a response.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{FutureExt, StreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use terrace_session::Session;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::TimeoutLayer;

use crate::support::{Browser, Fault, MINUTE, Op, Site};
use crate::{is, logged_in, number, put, who};

async fn writes(request: Request<()>) -> Result<Response<Body>, Infallible> {
    let session = request.extensions().get::<Session>().unwrap();
    let status = match session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await {
        Ok(_) => StatusCode::OK,
        Err(error) => error.status(),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Ok(response)
}

fn request(browser: &Browser, method: Method) -> Request<()> {
    let mut request = browser.request();
    *request.method_mut() = method;
    request
}

#[tokio::test]
async fn what_the_handler_says_in_headers_stays_beside_ours() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    site.clock.advance(10 * MINUTE);
    let page = service_fn(async |request: Request<()>| {
        request.extensions().get::<Session>().unwrap().subject().await.unwrap();
        let response = Response::builder()
            .header(header::SET_COOKIE, "theme=dark; Path=/")
            .header(header::SET_COOKIE, "seen=1")
            .header(header::VARY, "Accept-Encoding")
            .header(header::CACHE_CONTROL, "public, max-age=60, s-maxage=600")
            .header("cdn-cache-control", "max-age=600");
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    });
    let response = site.layer.layer(page).oneshot(browser.request()).await.unwrap();
    let headers = response.headers();
    let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    assert_eq!(
        (cookies[0], cookies[1]),
        (&"theme=dark; Path=/".parse().unwrap(), &"seen=1".parse().unwrap())
    );
    assert!(cookies[2].to_str().unwrap().starts_with("__Host-id="), "a use that was noted");
    assert_eq!(headers[header::VARY], "Accept-Encoding, Cookie");
    assert_eq!(headers[header::CACHE_CONTROL], "private, max-age=60");
    assert!(!headers.contains_key("cdn-cache-control"));
    browser.keep(&Response::new(()));
}

#[tokio::test]
async fn every_method_is_the_same_to_a_session() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let methods = [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::DELETE];
    for (times, method) in (1..).zip(methods) {
        let untouched = service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty())));
        let service = site.layer.layer(untouched);
        let response = service.oneshot(request(&browser, method.clone())).await.unwrap();
        assert!(response.headers().is_empty(), "{method}: {:?}", response.headers());
        let service = site.layer.layer(service_fn(writes));
        let response = service.oneshot(request(&browser, method.clone())).await.unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "private", "{method}");
        assert_eq!(number(&site.layer, &mut browser, "n").await, Some(times), "{method}");
    }
}

/// A POST to our site, from a page of this site.
fn post(browser: &Browser, from: &str) -> Request<()> {
    let mut request = request(browser, Method::POST);
    let headers = request.headers_mut();
    headers.insert(header::HOST, "shop.example".parse().unwrap());
    headers.insert("sec-fetch-site", from.parse().unwrap());
    request
}

/// The order that the README gives, and the protection outside of the session: both hold, since a session that nobody touches
/// asks for nothing.
#[tokio::test]
async fn a_request_from_another_site_reaches_no_session() {
    let site = Site::new();
    let browser = logged_in(&site, "ada").await;
    let inside = || ServiceBuilder::new().layer(site.layer.clone()).layer(CsrfLayer::new());
    let outside = || ServiceBuilder::new().layer(CsrfLayer::new()).layer(site.layer.clone());
    for from in ["cross-site", "same-site"] {
        let responses = [
            inside().service_fn(writes).oneshot(post(&browser, from)).await.unwrap(),
            outside().service_fn(writes).oneshot(post(&browser, from)).await.unwrap(),
        ];
        for response in responses {
            assert_eq!(response.status(), 403, "{from}");
            assert!(!response.headers().contains_key(header::SET_COOKIE));
        }
    }
    assert_eq!(site.store.asked(), []);
    let unprotected = site.layer.layer(service_fn(writes));
    let response = unprotected.oneshot(post(&browser, "cross-site")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(site.store.asked(), [Op::Load, Op::Patch], "control: without it, it writes");
}

#[tokio::test]
async fn a_request_from_the_same_site_and_a_link_from_elsewhere_pass() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let stack = ServiceBuilder::new().layer(site.layer.clone()).layer(CsrfLayer::new());
    for from in ["same-origin", "none"] {
        let response =
            stack.clone().service_fn(writes).oneshot(post(&browser, from)).await.unwrap();
        assert_eq!(response.status(), 200, "{from}");
    }
    let mut link = post(&browser, "cross-site");
    *link.method_mut() = Method::GET;
    assert_eq!(stack.service_fn(writes).oneshot(link).await.unwrap().status(), 200);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(3));
}

/// Logs in, and then something goes wrong.
async fn trouble(panics: bool, request: Request<()>) -> Result<Response<Body>, Infallible> {
    let session = request.extensions().get::<Session>().unwrap();
    session.login("ada").await.unwrap();
    assert!(!panics, "on purpose");
    std::future::pending().await
}

/// Why they belong inside, which `tests/session` shows: outside, what they answer has no cookie, and the old id is dead.
#[tokio::test(start_paused = true)]
async fn control_outside_of_the_session_a_timeout_and_a_panic_cost_a_login_its_cookie() {
    for panics in [false, true] {
        let site = Site::new();
        let mut browser = Browser::new();
        put(&site.layer, &mut browser, "cart", 1).await;
        let timeout =
            TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1));
        let stack = ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(CatchPanicLayer::new())
            .layer(timeout)
            .layer(site.layer.clone());
        let page = stack.service_fn(move |request| trouble(panics, request));
        let response = page.oneshot(browser.request()).await.unwrap();
        assert_eq!(response.status(), if panics { 500 } else { 504 });
        assert!(!response.headers().contains_key(header::SET_COOKIE));
        assert_eq!(number(&site.layer, &mut browser, "cart").await, None);
        assert_eq!(
            site.layer.sessions().list("ada").await.unwrap().len(),
            1,
            "it is done all the same"
        );
    }
}

#[tokio::test]
async fn a_handler_that_panics_leaves_the_layer_and_the_session_usable() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let page = service_fn(async |request: Request<()>| -> Result<Response<String>, Infallible> {
        let session = request.extensions().get::<Session>().unwrap();
        session.set("n", &1).await.unwrap();
        // In the middle of a change, with the turn taken.
        let _ = session.update("m", |_: Option<u64>| -> u64 { panic!("on purpose") }).await;
        Ok(Response::new(String::new()))
    });
    let mut service = site.layer.layer(page);
    for _ in 0..3 {
        let visit = service.ready().await.unwrap().call(browser.request());
        assert!(AssertUnwindSafe(visit).catch_unwind().await.is_err());
    }
    assert!(is(&site.layer, &mut browser, "ada").await);
    assert_eq!(number(&site.layer, &mut browser, "n").await, None);
    put(&site.layer, &mut browser, "n", 2).await;
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(2));
}

/// A body that is made as it is read, long after the head has left.
#[tokio::test]
async fn a_body_that_streams_reads_and_updates_and_begins_nothing() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let page = service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap().clone();
        let parts = stream::iter(0..3).then(move |_| {
            let session = session.clone();
            async move {
                assert_eq!(session.subject().await.unwrap().as_deref(), Some("ada"));
                assert!(session.set("late", &1).await.is_err());
                assert!(session.logout().await.is_err());
                let n = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.unwrap();
                Ok::<_, Infallible>(Bytes::from(n.to_string()))
            }
        });
        Ok::<_, Infallible>(Response::new(Body::from_stream(parts)))
    });
    let response = site.layer.layer(page).oneshot(browser.request()).await.unwrap();
    assert_eq!(site.store.asked(), [], "nobody has read the body");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "123");
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(3));
    assert_eq!(number(&site.layer, &mut browser, "late").await, None);
    assert!(is(&site.layer, &mut browser, "ada").await);
}

/// A page that streams for hours, and reads its session now and then. Were that the use that is noted, other responses would
/// never send the cookie again, and the browser would forget it while the session lives.
#[tokio::test]
async fn reading_after_the_head_takes_no_other_response_its_cookie() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let kept = Mutex::new(None);
    for (after_the_head, round) in [(true, 1), (false, 2)] {
        let page = async |session: Session| {
            if !after_the_head {
                session.subject().await?;
            }
            *kept.lock().unwrap() = Some(session);
            Ok(200)
        };
        site.clock.advance(10 * MINUTE);
        browser.visit(&site.layer, page).await;
        let session = kept.lock().unwrap().take().unwrap();
        assert_eq!(session.subject().await.unwrap().as_deref(), Some("ada"));
        let read = async |session: Session| session.subject().await.map(|_| 200);
        let visit = browser.visit(&site.layer, read).await;
        assert_eq!(visit.set_cookie().is_some(), after_the_head, "round {round}");
    }
}

/// A client that asks for a page, and goes away while its session is loaded.
#[tokio::test]
async fn a_request_that_is_dropped_while_it_loads_costs_the_next_one_nothing() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    for _ in 0..10 {
        site.store.next(Op::Load, Fault::Hang);
        let service = site.layer.layer(service_fn(writes));
        assert!(service.oneshot(browser.request()).now_or_never().is_none());
    }
    assert!(is(&site.layer, &mut browser, "ada").await, "who goes away says nothing of the store");
    assert_eq!(who(&site.layer, &mut Browser::new()).await, None);
}
