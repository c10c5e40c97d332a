//! The backend seen through raw sockets and hyper's client.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Cut, Reply, ScriptedBackend, checksum, pattern};

async fn raw(backend: &ScriptedBackend, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(backend.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end like any other here.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn replies_come_from_the_queue_then_the_path_then_the_default() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::status(204));
    backend.on_path("/a", Reply::status(404));
    backend.next_replies([Reply::status(503)]);
    let mut statuses = Vec::new();
    for request in [GET, GET, &GET.replace("/a", "/b")] {
        let answer = String::from_utf8(raw(&backend, request).await).unwrap();
        statuses.push(answer[9..12].to_owned());
    }
    assert_eq!(statuses, ["503", "404", "204"]);
    let seen = backend.until_seen(3).await;
    assert_eq!(seen[0].uri, "/a?b=c");
    assert!(seen[0].complete);
    assert_eq!((seen[0].connection, seen[2].connection), (0, 2));
}

#[tokio::test]
async fn a_cut_before_the_head_sends_no_byte() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.next_replies([Reply::cut_before_head()]);
    assert_eq!(raw(&backend, GET).await, b"");
}

#[tokio::test]
async fn a_cut_after_the_head_sends_a_head_that_promises_more() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.next_replies([Reply::cut_after_head(), Reply::pattern(1000).cut(Cut::AfterBody(10))]);
    let answer = String::from_utf8(raw(&backend, GET).await).unwrap();
    assert!(answer.contains("content-length: 65536"), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer:?}");
    let answer = raw(&backend, GET).await;
    assert!(answer.ends_with(b"\r\n\r\n\0\x01\x02\x03\x04\x05\x06\x07\x08\x09"), "{answer:?}");
}

#[tokio::test]
async fn a_held_reply_waits_for_the_release_and_counts_as_in_flight() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::ok("late").held());
    let answer = raw(&backend, GET);
    let release = async {
        backend.until(|counts| counts.in_flight == 1).await;
        backend.release();
        backend.until(|counts| counts.in_flight == 0).await;
    };
    let (answer, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(answer, release) })
            .await
            .unwrap();
    assert!(answer.ends_with(b"late"));
}

#[tokio::test]
async fn http2_with_prior_knowledge_echoes_bodies_and_trailers() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::echo());
    let stream = TcpStream::connect(backend.addr()).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let bytes: Vec<u8> = (0..100_000).map(pattern).collect();
    let sum = checksum([&bytes[..]]);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("right"));
    let body =
        Full::new(Bytes::from(bytes.clone())).with_trailers(std::future::ready(Some(Ok(trailers))));
    let response = client.send_request(Request::post(backend.url()).body(body).unwrap()).await;
    let collected = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "right");
    assert_eq!(collected.to_bytes(), bytes);
    let seen = &backend.until_seen(1).await[0];
    assert_eq!(seen.version, http::Version::HTTP_2);
    assert_eq!((seen.body_bytes, seen.body_checksum), (100_000, sum));
    assert_eq!(seen.trailers.as_ref().unwrap()["x-sum"], "right");
    driver.abort();
}

#[tokio::test]
async fn trailers_follow_a_chunked_body_on_http1() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::ok("body").header("trailer", "x-sum").trailer("x-sum", "7"));
    let request = GET.replace("connection: close", "te: trailers\r\nconnection: te, close");
    let answer = String::from_utf8(raw(&backend, &request).await).unwrap();
    assert!(answer.ends_with("4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer:?}");
}

#[tokio::test]
async fn an_upgraded_connection_echoes_bytes_and_is_counted() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::upgrade_echo());
    let mut stream = TcpStream::connect(backend.addr()).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
    stream.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
    assert_eq!(backend.counts().tunnels, 1);
    drop(stream);
    backend.until(|counts| counts.tunnels == 0 && counts.open_connections == 0).await;
}

#[tokio::test]
async fn raw_input_is_kept_as_it_was_on_the_wire() {
    let backend = ScriptedBackend::start().await.unwrap();
    assert_eq!(backend.raw(0), b"");
    backend.keep_raw();
    let request = "GET / HTTP/1.1\r\nHoSt: x\r\nConnection: close\r\n\r\n";
    raw(&backend, request).await;
    assert_eq!(backend.raw(0), request.as_bytes());
}

#[tokio::test]
async fn a_stopped_backend_refuses_connections_and_closes_open_ones() {
    let backend = ScriptedBackend::start().await.unwrap();
    let addr = backend.addr();
    let mut open = TcpStream::connect(addr).await.unwrap();
    backend.until(|counts| counts.open_connections == 1).await;
    backend.stop().await;
    assert_eq!(open.read(&mut [0; 8]).await.unwrap_or(0), 0);
    let refused = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn hyper_clients_of_http1_reuse_a_connection() {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::pattern(40_000));
    let stream = TcpStream::connect(backend.addr()).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    for _ in 0..3 {
        client.ready().await.unwrap();
        let request = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-length"], "40000");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.iter().zip(0..).all(|(byte, at)| *byte == pattern(at)));
    }
    assert_eq!((backend.counts().connections, backend.counts().requests), (1, 3));
    driver.abort();
}
