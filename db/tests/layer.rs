//! Tokens between requests and responses, with axum and without.

#![allow(clippy::unwrap_used, clippy::disallowed_types, missing_docs)]

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Request, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use terrace_db::{CausalContext, CausalLayer, Position, SystemId, Token, TokenKey};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

const NOW: u32 = 1_800_000_000;
const HEADER: &str = "terrace-token";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.into())
}

fn key() -> TokenKey {
    TokenKey::new([7; 32]).unwrap()
}

fn token(offset: u64) -> Token {
    Token { system: SystemId(7), position: Position::new(1, offset), seen: 0, issued: NOW }
}

/// What stands for a write through the pool: it leaves a position behind.
async fn write(Path(offset): Path<u64>, Extension(context): Extension<CausalContext>) {
    context.observe(token(offset), Instant::now());
}

/// What stands for a read: it says what it would have asked for.
async fn read(Extension(context): Extension<CausalContext>) -> String {
    context.position().map_or_else(|| "nothing".to_owned(), |position| position.offset.to_string())
}

fn app(layer: CausalLayer) -> Router {
    Router::new()
        .route("/write/{offset}", post(write))
        .route("/read", get(read))
        .layer(layer.clock(now))
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn headers_of_write(app: &Router, offset: u64, headers: &[(&str, &str)]) -> HeaderMap {
    let request = request("POST", &format!("/write/{offset}"), headers);
    app.clone().oneshot(request).await.unwrap().headers().clone()
}

/// What a read asks for, and the headers of its response.
async fn read_with(app: &Router, headers: &[(&str, &str)]) -> (String, HeaderMap) {
    let response = app.clone().oneshot(request("GET", "/read", headers)).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 100).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), head.headers)
}

/// As a browser sends it back.
fn cookie(headers: &HeaderMap) -> String {
    let set = headers[SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_reads_what_it_wrote() {
    let app = app(CausalLayer::cookie(key()));
    let headers = headers_of_write(&app, 5, &[]).await;
    assert!(headers[SET_COOKIE].to_str().unwrap().ends_with("; SameSite=Lax; Secure"));
    assert_eq!(headers[CACHE_CONTROL], "private");

    let (asked, headers) = read_with(&app, &[("cookie", &cookie(&headers))]).await;
    assert_eq!(asked, "5");
    // Nothing moved: nothing is sent.
    assert!(!headers.contains_key(SET_COOKIE) && !headers.contains_key(CACHE_CONTROL));
    // The control: who does not send the cookie is nobody.
    assert_eq!(read_with(&app, &[]).await.0, "nothing");
}

#[tokio::test]
async fn a_program_reads_what_it_wrote() {
    let app = app(CausalLayer::header(key()));
    let headers = headers_of_write(&app, 5, &[]).await;
    assert!(!headers.contains_key(SET_COOKIE));
    let token = headers[HEADER].to_str().unwrap();
    assert_eq!(key().verify(token, now()).unwrap().position, Position::new(1, 5));

    let (asked, headers) = read_with(&app, &[(HEADER, token)]).await;
    assert_eq!(asked, "5");
    assert!(!headers.contains_key(HEADER) && !headers.contains_key(CACHE_CONTROL));
}

#[tokio::test]
async fn a_later_write_moves_the_token_and_an_earlier_one_does_not() {
    let app = app(CausalLayer::header(key()));
    let token = key().sign(&token(5));
    let sent = [(HEADER, token.as_str())];
    let later = headers_of_write(&app, 6, &sent).await;
    let later = key().verify(later[HEADER].to_str().unwrap(), now()).unwrap();
    assert_eq!(later.position, Position::new(1, 6));
    assert!(!headers_of_write(&app, 4, &sent).await.contains_key(HEADER));
}

#[tokio::test]
async fn tossed_cookies_do_not_hide_the_valid_one() {
    let app = app(CausalLayer::cookie(key()));
    let forged = TokenKey::new([8; 32]).unwrap().sign(&token(99));
    let (low, high) = (key().sign(&token(5)), key().sign(&token(9)));
    let cookies = format!(
        "a=b; {HEADER}={low}; {HEADER}={forged}; {HEADER}=; {HEADER}=junk; {HEADER}={high}; c"
    );
    assert_eq!(read_with(&app, &[(COOKIE.as_str(), &cookies)]).await.0, "9");
    let apart = [("cookie", &*format!("{HEADER}={high}")), ("cookie", &format!("{HEADER}={low}"))];
    assert_eq!(read_with(&app, &apart).await.0, "9");
}

#[tokio::test]
async fn tokens_that_are_not_believed_are_as_none() {
    let app = app(CausalLayer::header(key()));
    let old = Token { issued: NOW - 3601, ..token(5) };
    let ahead = Token { issued: NOW + 61, ..token(5) };
    let forged = TokenKey::generate().unwrap().sign(&token(5));
    let texts = [key().sign(&old), key().sign(&ahead), forged, "junk".into(), "A".repeat(60)];
    for text in texts.iter().map(String::as_str).chain([""]) {
        let (asked, headers) = read_with(&app, &[(HEADER, text)]).await;
        assert_eq!(asked, "nothing", "{text}");
        assert!(!headers.contains_key(HEADER));
    }
    // The control: the same with nothing wrong.
    assert_eq!(read_with(&app, &[(HEADER, &key().sign(&token(5)))]).await.0, "5");
}

#[tokio::test]
async fn a_development_cookie_needs_no_tls() {
    let app = app(CausalLayer::cookie(key()).insecure());
    let headers = headers_of_write(&app, 5, &[]).await;
    assert!(!headers[SET_COOKIE].to_str().unwrap().contains("Secure"));
}

#[tokio::test]
async fn a_cookie_lives_as_long_as_its_token() {
    let app = app(CausalLayer::cookie(key().max_age(Duration::from_secs(90))));
    let headers = headers_of_write(&app, 5, &[]).await;
    assert!(headers[SET_COOKIE].to_str().unwrap().contains("; Max-Age=90; "));
}

#[tokio::test]
async fn any_body_will_do_and_errors_pass() {
    let layer = CausalLayer::header(key()).clock(now);
    let plain = layer.layer(service_fn(|request: Request<u8>| async move {
        CausalContext::of(&request).unwrap().observe(token(5), Instant::now());
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    let response = plain.oneshot(Request::new(3)).await.unwrap();
    assert!(response.headers().contains_key(HEADER));
    assert_eq!(response.into_body(), 3);

    let failing = layer.layer(service_fn(|_: Request<u8>| async { Err::<Response<u8>, _>("no") }));
    assert_eq!(failing.oneshot(Request::new(3)).await.unwrap_err(), "no");
}

#[tokio::test]
async fn a_context_that_is_there_already_is_kept() {
    let layer = CausalLayer::header(key()).clock(now);
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        let context = CausalContext::from_extensions(request.extensions()).unwrap();
        assert_eq!(context.position(), Some(Position::new(1, 9)));
        Ok::<_, Infallible>(Response::new(()))
    }));
    let context = CausalContext::from_token(token(9), Instant::now());
    let mut request = Request::new(());
    request.extensions_mut().insert(context);
    request.headers_mut().insert(HEADER, key().sign(&token(5)).parse().unwrap());
    // The client knows 5, and learns 9.
    let response = service.oneshot(request).await.unwrap();
    assert!(response.headers().contains_key(HEADER));
}
