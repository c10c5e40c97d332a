//! Against real servers on loopback.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::HOST;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use terrace_testkit::backend::{Reply, ScriptedBackend};
use terrace_testkit::fault::{Fault, FaultProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::{Client, HostField};
use crate::origin::rule::{self, Rule};
use crate::origin::{OriginError, UrlFault};

async fn get(client: &Client, target: &str) -> Result<Response<Incoming>, OriginError> {
    send(client, Method::GET, target).await
}

async fn send(
    client: &Client,
    method: Method,
    target: &str,
) -> Result<Response<Incoming>, OriginError> {
    let request = Request::builder().method(method).uri(target);
    client.clone().oneshot(request.body(Empty::<Bytes>::new()).unwrap()).await
}

async fn text(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_target_goes_out_in_origin_form_below_the_base() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.keep_raw();
    backend.default_reply(Reply::ok("hello"));
    let client = Client::to(&format!("{}/base/", backend.url())).unwrap();
    let response = get(&client, "http://shop.example/x?y=1").await.unwrap();
    assert_eq!(text(response).await, "hello");
    let raw = String::from_utf8(backend.raw(0)).unwrap();
    assert!(raw.starts_with("GET /base/x?y=1 HTTP/1.1\r\n"), "{raw}");
    assert!(raw.contains("host: shop.example\r\n"), "{raw}");
}

#[tokio::test]
async fn the_origins_own_name_is_sent_if_it_is_wanted() {
    let backend = ScriptedBackend::start().await.unwrap();
    let client = Client::builder(&backend.url()).unwrap().host(HostField::Origin).build().unwrap();
    let request = Request::get("/").header(HOST, "shop.example").body(Empty::<Bytes>::new());
    client.oneshot(request.unwrap()).await.unwrap();
    let seen = backend.until_seen(1).await;
    assert_eq!(seen[0].headers[HOST], backend.addr().to_string());
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_body_arrives() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::echo());
    let client = Client::to(&backend.url()).unwrap();
    for _ in 0..3 {
        let request = Request::post("/").body(Full::new(Bytes::from_static(b"data"))).unwrap();
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(text(response).await, "data");
    }
    assert_eq!(backend.counts().connections, 1);
}

#[tokio::test]
async fn a_port_that_refuses_is_a_failure_to_connect() {
    let backend = ScriptedBackend::start().await.unwrap();
    let proxy = FaultProxy::start(backend.addr()).await.unwrap();
    proxy.set(Fault::Refuse).await;
    let client = Client::to(&format!("http://{}", proxy.addr())).unwrap();
    let error = get(&client, "/").await.unwrap_err();
    assert!(matches!(error, OriginError::Connect(_)), "{error:?}");
    assert!(error.is_safe_to_retry());
}

#[tokio::test]
async fn an_origin_that_hangs_up_on_a_fresh_connection_is_asked_once() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::cut_before_head());
    let client = Client::to(&backend.url()).unwrap();
    let error = get(&client, "/").await.unwrap_err();
    assert!(matches!(error, OriginError::Exchange(_)), "{error:?}");
    assert!(!error.is_safe_to_retry());
    assert_eq!(backend.counts().requests, 1);
    // The control: it would be asked twice.
    let _off = rule::off(Rule::OnlyOld);
    get(&client, "/").await.unwrap_err();
    assert_eq!(backend.counts().requests, 3);
}

#[tokio::test]
async fn a_body_of_the_visitors_that_breaks_is_no_fault_of_the_origins() {
    let backend = ScriptedBackend::start().await.unwrap();
    let client = Client::to(&backend.url()).unwrap();
    let frames: [io::Result<Frame<Bytes>>; 2] =
        [Ok(Frame::data(Bytes::from_static(b"half"))), Err(io::Error::other("gone"))];
    let body = StreamBody::new(stream::iter(frames));
    let error = client.oneshot(Request::post("/").body(body).unwrap()).await.unwrap_err();
    assert!(matches!(error, OriginError::Request(_)), "{error:?}");
}

#[tokio::test]
async fn a_url_that_needs_more_than_there_is_is_refused() {
    let result = Client::to("https://origin.example");
    if cfg!(feature = "tls-rustls") {
        assert!(result.unwrap().url().is_https());
    } else {
        assert_eq!(result.unwrap_err().fault(), UrlFault::NoTls);
    }
    let builder = Client::builder("http://a").unwrap();
    let error = builder.connect_timeout(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.setting(), "connect_timeout");
}

/// Answers one request on a connection.
async fn answer(stream: &mut TcpStream) {
    assert!(ask(stream).await);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
}

/// Reads one head; whether one came.
async fn ask(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// An origin whose first connection answers once and then hangs up, either `late`, upon the next
/// request, or at once. Says how many requests arrived in all.
async fn forgetful(late: bool) -> (Client, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::to(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let origin = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        answer(&mut first).await;
        let read = usize::from(late && ask(&mut first).await);
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        answer(&mut second).await;
        2 + read
    });
    (client, origin)
}

#[tokio::test]
async fn an_idle_connection_that_the_origin_has_closed_does_no_harm() {
    let (client, origin) = forgetful(false).await;
    text(get(&client, "/").await.unwrap()).await;
    // Whether the client knows of the end by now or finds it when it writes: either is well.
    text(get(&client, "/").await.unwrap()).await;
    assert_eq!(origin.await.unwrap(), 2);
}

#[tokio::test]
async fn a_request_that_met_the_end_of_its_connection_is_sent_once_more() {
    let (client, origin) = forgetful(true).await;
    text(get(&client, "/").await.unwrap()).await;
    text(get(&client, "/").await.unwrap()).await;
    assert_eq!(origin.await.unwrap(), 3);
}

#[tokio::test]
async fn control_a_client_that_sends_nothing_again_fails_at_the_end_of_a_connection() {
    let (client, origin) = forgetful(true).await;
    text(get(&client, "/").await.unwrap()).await;
    let _off = rule::off(Rule::Again);
    let error = get(&client, "/").await.unwrap_err();
    assert!(matches!(error, OriginError::Exchange(_)), "{error:?}");
    origin.abort();
}

#[tokio::test]
async fn a_request_that_may_have_done_something_is_not_sent_once_more() {
    let (client, origin) = forgetful(true).await;
    text(get(&client, "/").await.unwrap()).await;
    let error = send(&client, Method::POST, "/").await.unwrap_err();
    assert!(matches!(error, OriginError::Exchange(_)), "{error:?}");
    origin.abort();
    // The control: it would be sent to the second connection.
    let (client, origin) = forgetful(true).await;
    text(get(&client, "/").await.unwrap()).await;
    let _off = rule::off(Rule::OnlyIdempotent);
    text(send(&client, Method::POST, "/").await.unwrap()).await;
    assert_eq!(origin.await.unwrap(), 3);
}

#[cfg(feature = "tls-rustls")]
#[tokio::test]
async fn an_https_origin_is_not_asked_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::to(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let first = stream.read_u8().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        first
    });
    let error = get(&client, "/").await.unwrap_err();
    assert!(matches!(error, OriginError::Connect(_)), "{error:?}");
    // A handshake record, and not the G of GET.
    assert_eq!(origin.await.unwrap(), 22);
}
