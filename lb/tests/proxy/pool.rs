//! Connections to a backend: reused when idle, replaced when dead, closed when in doubt.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use terrace_lb::health::Check;
use terrace_lb::proxy::{
    HttpCheck, HttpRetry, Phase, ProxyBody, TcpCheck, UnixConnector, Upstream,
};
use terrace_lb::{Retry, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Service, ServiceExt};

use super::support::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn get() -> Request<ProxyBody> {
    Request::get("/").header("host", "a").body(ProxyBody::empty()).unwrap()
}

fn post(body: Bytes) -> Request<ProxyBody> {
    Request::post("/").header("host", "a").body(ProxyBody::new(Full::new(body))).unwrap()
}

async fn text(response: Response<impl http_body::Body<Error = hyper::Error>>) -> Bytes {
    soon(response.into_body().collect()).await.unwrap().to_bytes()
}

#[tokio::test]
async fn sequential_requests_share_one_connection() {
    let (backend, _) = RawBackend::answering(OK).await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    for _ in 0..100 {
        let response = soon(upstream.call(get())).await.unwrap();
        assert_eq!(text(response).await, "ok");
        assert_eq!(upstream.idle_connections(), 1);
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn the_connection_used_last_is_used_next() {
    let backend = Backend::http1(echo).await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    let both = futures_util::future::join(upstream.call(get()), upstream.call(get()));
    let (first, second) = soon(both).await;
    drop((text(first.unwrap()).await, text(second.unwrap()).await));
    assert_eq!((backend.connections(), upstream.idle_connections()), (2, 2));
}

#[tokio::test]
async fn a_connection_that_died_idle_is_replaced_without_an_error() {
    // Says that it keeps the connection and closes it after one answer, as a server whose idle
    // timeout is shorter does.
    let backend = RawBackend::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    for round in 1..=20 {
        // A POST: nothing of it may be sent twice, so it must not have been sent at all.
        let response = soon(upstream.clone().oneshot(post(Bytes::from_static(b"x")))).await;
        assert_eq!(text(response.unwrap()).await, "ok");
        assert_eq!(backend.connections(), round);
        // The close has to have arrived: what is on its way still is another test's business.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    // The control: the same backend, and a client that just uses its connection again.
    let stream = tokio::net::TcpStream::connect(backend.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, driver) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(driver);
    let response = soon(sender.send_request(get())).await.unwrap();
    collect(response).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert!(soon(sender.send_request(get())).await.is_err());
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_repeated() {
    let backend = RawBackend::start(|number, mut stream| async move {
        read_head(&mut stream).await;
        if number == 0 {
            stream.write_all(OK).await.unwrap();
            // Takes the second request and dies without an answer.
            read_head(&mut stream).await;
        }
    })
    .await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    text(soon(upstream.call(get())).await.unwrap()).await;
    let mut error = soon(upstream.call(post(Bytes::from_static(b"x")))).await.unwrap_err();
    assert_eq!((error.phase(), error.sent()), (Phase::Response, Sent::Maybe));
    assert!(error.take_request().is_none());
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn an_unsent_request_comes_back_whole() {
    let refused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let mut upstream: Upstream = Upstream::new(&refused.to_string()).unwrap();
    let mut error = soon(upstream.call(post(pattern(1000)))).await.unwrap_err();
    assert_eq!((error.phase(), error.sent()), (Phase::Connect, Sent::No));
    let request = error.take_request().unwrap();
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), pattern(1000));
}

#[tokio::test]
async fn a_body_that_nobody_reads_closes_its_connection() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n\
                   HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n..";
    let (backend, _) = RawBackend::answering(answer).await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    drop(soon(upstream.call(get())).await.unwrap());
    assert_eq!(upstream.idle_connections(), 0);
    drop(soon(upstream.call(get())).await.unwrap());
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn bytes_after_the_answer_close_the_connection() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nforged";
    let (backend, _) = RawBackend::answering(answer).await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    for _ in 0..5 {
        assert_eq!(text(soon(upstream.call(get())).await.unwrap()).await, "ok");
    }
    assert_eq!(backend.connections(), 5);
}

#[tokio::test]
async fn an_early_answer_is_passed_on_and_its_connection_is_not_reused() {
    let backend = RawBackend::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    let stalled = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<Bytes>, std::io::Error>,
    >());
    let request = post(Bytes::new()).map(|_| ProxyBody::new(stalled));
    let response = soon(upstream.call(request)).await.unwrap();
    assert_eq!(text(response).await, "ok");
    assert_eq!(upstream.idle_connections(), 0);
    text(soon(upstream.call(get())).await.unwrap()).await;
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let (gone, went) = tokio::sync::oneshot::channel();
    let gone = std::sync::Mutex::new(Some(gone));
    let backend = RawBackend::start(move |_, mut stream| {
        let gone = gone.lock().unwrap().take();
        async move {
            read_head(&mut stream).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
            let _ = gone.unwrap().send(());
        }
    })
    .await;
    let mut upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    let mut call = Box::pin(upstream.call(get()));
    assert!(futures_util::poll!(&mut call).is_pending());
    until("the backend is asked", || {
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        assert!(Future::poll(call.as_mut(), &mut cx).is_pending());
        backend.connections() == 1
    })
    .await;
    drop(call);
    soon(went).await.unwrap();
}

#[tokio::test]
async fn idle_connections_expire_and_closed_ones_are_given_back() {
    let (backend, _) = RawBackend::answering(OK).await;
    let mut upstream: Upstream = Upstream::builder(backend.address.to_string())
        .idle_timeout(Duration::from_millis(30))
        .build()
        .unwrap();
    text(soon(upstream.call(get())).await.unwrap()).await;
    assert_eq!(upstream.idle_connections(), 1);
    until("the idle connection expires", || upstream.idle_connections() == 0).await;
}

#[tokio::test]
async fn no_more_than_the_limit_is_kept() {
    let (backend, _) = RawBackend::answering(OK).await;
    let mut upstream: Upstream =
        Upstream::builder(backend.address.to_string()).max_idle(2).build().unwrap();
    let calls = (0..5).map(|_| upstream.call(get()));
    for response in soon(futures_util::future::join_all(calls)).await {
        text(response.unwrap()).await;
    }
    assert_eq!((backend.connections(), upstream.idle_connections()), (5, 2));
}

#[tokio::test]
async fn old_connections_are_retired() {
    let (backend, _) = RawBackend::answering(OK).await;
    let mut upstream: Upstream =
        Upstream::builder(backend.address.to_string()).max_age(Duration::ZERO).build().unwrap();
    for _ in 0..3 {
        text(soon(upstream.call(get())).await.unwrap()).await;
    }
    assert_eq!(backend.connections(), 3);
}

#[tokio::test]
async fn a_unix_socket_is_an_endpoint_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let app = tower::service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(Response::new(full("over a file")))
    });
    tokio::spawn(terrace_lb::serve::serve(listener, app, std::future::pending()));
    let mut upstream: Upstream<_, ProxyBody> =
        Upstream::builder("app").connector(UnixConnector::new(&path)).build().unwrap();
    assert_eq!(text(soon(upstream.call(get())).await.unwrap()).await, "over a file");
    soon(HttpCheck::new("/").unwrap().check(&upstream)).await.unwrap();
}

#[tokio::test]
async fn checks_ask_on_connections_of_their_own() {
    let backend = Backend::http1(|request: Request<_>| async move {
        let mut response = Response::new(full(""));
        if request.uri() == "/down" {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    })
    .await;
    let upstream: Upstream = Upstream::new(&backend.address.to_string()).unwrap();
    soon(TcpCheck.check(&upstream)).await.unwrap();
    soon(HttpCheck::new("/up").unwrap().check(&upstream)).await.unwrap();
    let down = HttpCheck::new("/down").unwrap();
    let error = soon(down.check(&upstream)).await.unwrap_err();
    assert_eq!(error.to_string(), "/down answered 503 Service Unavailable");
    soon(down.expect(500..=599).check(&upstream)).await.unwrap();
    assert_eq!((backend.connections(), upstream.idle_connections()), (4, 0));
    assert!(HttpCheck::new("healthz").is_err());
}

#[test]
fn only_harmless_requests_are_kept_for_a_retry() {
    let kept = |method: &str, body: ProxyBody| {
        let request = Request::builder().method(method).uri("/a?b").header("x", "1");
        let request = request.body(body).unwrap();
        HttpRetry.save(&request).map(|copy| {
            assert_eq!((copy.method(), copy.uri()), (request.method(), request.uri()));
            assert_eq!(copy.headers(), request.headers());
        })
    };
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(kept(method, ProxyBody::empty()).is_some(), "{method}");
        assert!(kept(method, ProxyBody::new(full("x"))).is_none(), "{method} with a body");
    }
    for method in ["POST", "PATCH", "CONNECT", "PURGE"] {
        assert!(kept(method, ProxyBody::empty()).is_none(), "{method}");
    }
}
