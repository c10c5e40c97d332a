//! Trailer fields cross wherever the protocol of the next hop has a place for them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use terrace_lb::proxy::{Protocol, ReverseProxy, Upstream};
use terrace_lb::serve::Server;

use super::support::*;

fn sum() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("42"));
    trailers
}

fn with_trailers() -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + Unpin {
    let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(sum())];
    StreamBody::new(futures_util::stream::iter(frames.map(Ok)))
}

/// Answers with trailers, and tells in a field which ones came with the request.
async fn respond(
    request: Request<Incoming>,
) -> Response<impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send> {
    let te = request.headers().get("te").cloned();
    let collected = request.into_body().collect().await.unwrap();
    let got = collected.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
    let mut response = Response::new(with_trailers());
    let headers = response.headers_mut();
    headers.insert("trailer", HeaderValue::from_static("x-sum"));
    headers.insert("x-got", got.unwrap_or(HeaderValue::from_static("none")));
    headers.insert("x-te", te.unwrap_or(HeaderValue::from_static("none")));
    response
}

/// Sends trailers and returns (the trailers that the backend got, those that the client got, TE).
async fn round_trip(from: Protocol, to: Protocol, te: bool) -> (String, Option<String>, String) {
    let backend = match to {
        Protocol::Http1 => Backend::http1(respond).await,
        _ => Backend::http2(respond).await,
    };
    let upstream: Upstream =
        Upstream::builder(backend.address.to_string()).protocol(to).build().unwrap();
    let proxy = Running::start(Server::new(), ReverseProxy::new(upstream)).await;
    let mut client = match from {
        Protocol::Http1 => Client::http1(proxy.address).await,
        _ => Client::http2(proxy.address).await,
    };
    let mut request = Request::post("/").header("trailer", "x-sum");
    if te {
        request = request.header("te", "trailers");
    }
    let response = client.send(request.body(with_trailers()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["trailer"], "x-sum");
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let (got, said) = (header("x-got"), header("x-te"));
    let collected = soon(response.into_body().collect()).await.unwrap();
    let returned = collected.trailers().and_then(|trailers| trailers.get("x-sum"));
    let returned = returned.map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(collected.to_bytes(), "data");
    (got, returned, said)
}

#[tokio::test]
async fn trailers_cross_both_ways_in_every_protocol_pair() {
    let whole = ("42".to_owned(), Some("42".to_owned()), "trailers".to_owned());
    for from in [Protocol::Http1, Protocol::Http2] {
        for to in [Protocol::Http1, Protocol::Http2] {
            assert_eq!(round_trip(from, to, true).await, whole, "{from:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn an_http1_client_gets_no_trailers_that_it_did_not_ask_for() {
    let (got, returned, te) = round_trip(Protocol::Http1, Protocol::Http1, false).await;
    assert_eq!((got.as_str(), returned, te.as_str()), ("42", None, "none"));
}

#[tokio::test]
async fn a_connection_is_reused_after_trailers() {
    let backend = Backend::http1(respond).await;
    let proxy = proxy_to(backend.address).await;
    for mut client in [Client::http1(proxy.address).await, Client::http2(proxy.address).await] {
        for _ in 0..3 {
            let request = Request::post("/").header("trailer", "x-sum").header("te", "trailers");
            let response = client.send(request.body(with_trailers()).unwrap()).await.unwrap();
            let collected = soon(response.into_body().collect()).await.unwrap();
            assert!(collected.trailers().is_some());
        }
    }
    assert_eq!(backend.connections(), 1);
}
