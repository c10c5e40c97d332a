//! Tunnels: only after the backend's yes, and counted until both ends are closed.

use http::{Request, StatusCode};
use terrace_lb::proxy::ReverseProxy;
use terrace_lb::serve::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::*;

const ASK: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Sec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                        Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Agrees to any upgrade and then sends back what it gets.
async fn echoing() -> RawBackend {
    RawBackend::start(|_, mut stream| async move {
        let head = String::from_utf8(read_head(&mut stream).await).unwrap();
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("connection: upgrade\r\n"), "{head}");
        assert!(head.contains("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{head}");
        stream.write_all(SWITCH).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.write_all(b"bye").await;
    })
    .await
}

#[tokio::test]
async fn a_websocket_is_a_tunnel_of_bytes_that_holds_its_lease() {
    let backend = echoing().await;
    let balance = balance(&[backend.address]);
    let proxy = Running::start(Server::new(), ReverseProxy::new(balance.clone())).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    let head = String::from_utf8(read_head(&mut stream).await).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("upgrade: websocket\r\n"));
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));

    // Bytes that no HTTP parser would let pass.
    for round in 0..20 {
        let sent = pattern(10_000 + round);
        let (mut reader, mut writer) = stream.split();
        let (written, read) = tokio::join!(writer.write_all(&sent), async {
            let mut echoed = vec![0; sent.len()];
            reader.read_exact(&mut echoed).await.map(|_| echoed)
        });
        written.unwrap();
        assert!(read.unwrap() == sent);
    }
    let in_flight = || balance.status()[0].in_flight;
    assert_eq!(in_flight(), 1);
    // One direction closes, the other goes on until it has said all.
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"bye");
    until("the lease ends with the tunnel", || in_flight() == 0).await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let (backend, seen) =
        RawBackend::answering(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let proxy = proxy_to(backend.address).await;
    let mut request = ASK.to_vec();
    request.extend(b"these bytes are no request");
    let answer = raw(proxy.address, &request).await;
    assert_eq!(status_of(&answer), 403);
    // What the client sent in hope of a tunnel is not passed on, and is no request either.
    assert!(!seen.text().contains("these bytes"));
    assert_eq!(count(&answer, b"HTTP/1.1 "), 2, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(count(&answer, b"HTTP/1.1 400"), 1);
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_502() {
    let other: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";
    let nameless: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let plain: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (request, answer) in [(plain, SWITCH), (ASK, other), (ASK, nameless)] {
        let (backend, _) = RawBackend::answering(answer).await;
        let proxy = proxy_to(backend.address).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let head = soon(read_head(&mut stream)).await;
        assert_eq!(status_of(&head), 502, "{}", String::from_utf8_lossy(&head));
    }
}

#[tokio::test]
async fn protocols_that_are_not_allowed_are_not_asked_for() {
    let backend = Backend::http1(echo).await;
    let proxy = proxy_to(backend.address).await;
    let mut client = Client::http1(proxy.address).await;
    let request = Request::get("/")
        .header("connection", "upgrade")
        .header("upgrade", "h2c")
        .body(full(""))
        .unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("x-seen-upgrade"));
    assert!(!response.headers().contains_key("x-seen-connection"));
}

#[tokio::test]
async fn a_tunnel_is_drained_until_the_deadline_and_then_cut() {
    let backend = echoing().await;
    let server = Server::new().drain_deadline(std::time::Duration::from_millis(300));
    let proxy = Running::start(server, ReverseProxy::new(balance(&[backend.address]))).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    read_head(&mut stream).await;
    let draining = proxy.stop();
    // It lives on during the drain.
    stream.write_all(b"ping").await.unwrap();
    let mut echoed = [0; 4];
    soon(stream.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(&echoed, b"ping");
    let report = soon(draining).await.unwrap();
    assert_eq!(report.cut, 1);
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
}
