//! Heads and bodies cross unchanged; failures become plain answers.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use terrace_lb::Balance;
use terrace_lb::proxy::{HttpRetry, Phase, Protocol, ProxyBody, Reason, ReverseProxy, Upstream};
use terrace_lb::serve::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::support::*;

const SIZES: [usize; 4] = [0, 1, 65_537, 1024 * 1024];

#[tokio::test]
async fn bodies_cross_byte_for_byte_in_every_protocol_pair() {
    let http1 = Backend::http1(echo).await;
    let http2 = Backend::http2(echo).await;
    let speaking = |address: std::net::SocketAddr, protocol| {
        let upstream: Upstream =
            Upstream::builder(address.to_string()).protocol(protocol).build().unwrap();
        Running::start(Server::new(), ReverseProxy::new(upstream))
    };
    let to_http1 = speaking(http1.address, Protocol::Http1).await;
    let to_http2 = speaking(http2.address, Protocol::Http2).await;
    for proxy in [&to_http1, &to_http2] {
        let mut clients = [Client::http1(proxy.address).await, Client::http2(proxy.address).await];
        for client in &mut clients {
            for size in SIZES {
                let sent = pattern(size);
                let request = Request::post("/echo?x=1").body(full(sent.clone())).unwrap();
                let response = client.send(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                assert!(collect(response).await == sent, "{size} bytes differ");
            }
        }
    }
    assert_eq!(http2.connections(), 1, "streams share a connection");
}

#[tokio::test]
async fn chunked_bodies_stay_streams_and_a_get_may_have_one() {
    let backend = Backend::http1(echo).await;
    let proxy = proxy_to(backend.address).await;
    let mut client = Client::http1(proxy.address).await;
    for method in ["POST", "GET"] {
        let frames = ["one ", "two"].map(|part| Ok::<_, std::io::Error>(Frame::data(part.into())));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let request =
            Request::builder().method(method).uri("/").header("transfer-encoding", "chunked");
        let response = client.send(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.headers()["x-seen-transfer-encoding"], "chunked");
        assert!(!response.headers().contains_key("x-seen-content-length"));
        assert_eq!(collect(response).await, "one two", "{method}");
    }
}

#[tokio::test]
async fn the_backend_sees_the_clients_host_and_path_and_who_asks() {
    let backend = Backend::http1(echo).await;
    let proxy = proxy_to(backend.address).await;
    let mut client = Client::http1(proxy.address).await;
    let request = Request::get("/a//b/%2e%2e/c?d=%20")
        .header("host", "www.example.org:8080")
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "1")
        .header("session", "2")
        .header("connection", "session")
        .header("x-forwarded-for", "6.6.6.6")
        .header("te", "trailers")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = client.send(request).await.unwrap();
    let seen = response.headers();
    assert_eq!(seen["x-seen-target"], "/a//b/%2e%2e/c?d=%20");
    assert_eq!(seen["x-seen-host"], "www.example.org:8080");
    assert_eq!(seen["x-seen-x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-seen-x-forwarded-proto"], "http");
    assert_eq!(seen["x-seen-x-forwarded-host"], "www.example.org:8080");
    assert_eq!(seen["x-seen-te"], "trailers");
    assert!(!seen.contains_key("x-seen-connection"));
    assert!(!seen.contains_key("x-seen-session"));
    assert_eq!(seen["x-seen-x-secret"], "1", "X- fields are out of Connection's reach");
}

#[tokio::test]
async fn responses_keep_repeated_lines_and_lose_connection_fields() {
    let answer = b"HTTP/1.1 200 Fine\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nconnection: hop\r\n\
                   hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\n\
                   content-length: 2\r\n\r\nhi";
    let (backend, _) = RawBackend::answering(answer).await;
    let proxy = proxy_to(backend.address).await;
    let mut client = Client::http1(proxy.address).await;
    let response = client.send(Request::get("/").body(full("")).unwrap()).await.unwrap();
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    for gone in ["hop", "connection", "keep-alive", "proxy-authenticate"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    assert_eq!(collect(response).await, "hi");
}

#[tokio::test]
async fn head_keeps_its_length_and_has_no_body() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n";
    let (backend, _) = RawBackend::answering(answer).await;
    let proxy = proxy_to(backend.address).await;
    let mut client = Client::http1(proxy.address).await;
    for _ in 0..2 {
        let response = client.send(Request::head("/").body(full("")).unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-length"], "5000");
        assert_eq!(collect(response).await, "");
    }
    assert_eq!(backend.connections(), 1, "a body-less answer leaves the connection reusable");
}

#[tokio::test]
async fn an_http10_client_is_served_until_the_close() {
    let backend = Backend::http1(|_| async { Response::new(full("whole")) }).await;
    let proxy = proxy_to(backend.address).await;
    let answer = raw(proxy.address, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"));
    assert!(answer.ends_with(b"\r\n\r\nwhole"));
}

#[tokio::test]
async fn a_body_that_the_backend_cuts_is_cut_for_the_client() {
    // The last is the control: the same body, whole.
    let cases: [(&'static [u8], bool); 5] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n123", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n", true),
    ];
    for (answer, whole) in cases {
        let backend = RawBackend::start(move |_, mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(answer).await.unwrap();
        })
        .await;
        let proxy = proxy_to(backend.address).await;
        for mut client in [Client::http1(proxy.address).await, Client::http2(proxy.address).await] {
            // The cut may come before the head has gone out: then there is no answer at all.
            let got = match client.send(Request::get("/").body(full("")).unwrap()).await {
                Ok(response) => soon(response.into_body().collect()).await.is_ok(),
                Err(_) => false,
            };
            assert_eq!(got, whole, "{:?}", String::from_utf8_lossy(answer));
        }
    }
}

#[tokio::test]
async fn failures_are_plain_answers_with_a_reason() {
    let secret = "secret stack trace";
    let refused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let garbage = RawBackend::start(move |_, mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(format!("{secret}\r\n\r\n").as_bytes()).await;
    })
    .await;
    let gzip = b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nsecret stack trace";
    let (coded, _) = RawBackend::answering(gzip).await;
    let closing = RawBackend::start(|_, mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let silent = RawBackend::start(|_, mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let cases = [
        (refused, 502, Reason::Endpoint(Phase::Connect)),
        (garbage.address, 502, Reason::Endpoint(Phase::Invalid)),
        (coded.address, 502, Reason::BadResponse),
        (closing.address, 502, Reason::Endpoint(Phase::Response)),
        (silent.address, 504, Reason::Endpoint(Phase::HeadTimeout)),
    ];
    for (address, status, reason) in cases {
        let upstream: Upstream = Upstream::builder(address.to_string())
            .head_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
        let response = soon(ReverseProxy::new(upstream).oneshot(request)).await.unwrap();
        assert_eq!(response.status(), status, "{reason}");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.extensions().get::<Reason>(), Some(&reason));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
        assert!(body.starts_with(status.to_string().as_bytes()));
    }
}

#[tokio::test]
async fn no_endpoint_is_503() {
    let balance: Balance<Upstream, Request<ProxyBody>, _, _> =
        Balance::builder().http().retry(HttpRetry).build().unwrap().0;
    let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
    let response = ReverseProxy::new(balance).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.extensions().get::<Reason>(), Some(&Reason::Unavailable));
}

#[tokio::test]
async fn an_expectation_is_met_before_the_body_comes() {
    let backend = Backend::http1(echo).await;
    let proxy = proxy_to(backend.address).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = [0; 25];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let mut rest = Vec::new();
    while !rest.ends_with(b"body") {
        assert_ne!(soon(stream.read_buf(&mut rest)).await.unwrap(), 0);
    }
    assert_eq!(status_of(&rest), 200);
}

#[tokio::test]
async fn methods_that_are_not_for_forwarding_stay_here() {
    let (backend, seen) = RawBackend::answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = proxy_to(backend.address).await;
    let cases: [(&[u8], u16); 6] = [
        (b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\nconnection: close\r\n\r\n", 501),
        (b"TRACE / HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\nconnection: close\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nhost: a\r\nmax-forwards: x\r\nconnection: close\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nhost: a\r\nmax-forwards: 3\r\nconnection: close\r\n\r\n", 204),
    ];
    for (request, status) in cases {
        let answer = raw(proxy.address, request).await;
        assert_eq!(status_of(&answer), status, "{}", String::from_utf8_lossy(request));
    }
    assert!(seen.text().starts_with("OPTIONS * HTTP/1.1\r\n"), "{}", seen.text());
    assert!(seen.text().contains("max-forwards: 2\r\n"));
    assert_eq!(count(&seen.all(), b"\r\n\r\n"), 1, "only the last one reached the backend");
}

#[tokio::test]
async fn a_dead_backend_is_retried_elsewhere_with_the_unsent_body() {
    let refused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let backend = Backend::http1(echo).await;
    let proxy =
        Running::start(Server::new(), ReverseProxy::new(balance(&[refused, backend.address])))
            .await;
    let mut client = Client::http1(proxy.address).await;
    for round in 0..8 {
        let body = pattern(100_000 + round);
        let request = Request::post("/").body(Full::new(body.clone())).unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(collect(response).await == body);
    }
}
