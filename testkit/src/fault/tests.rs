//! Each fault as client and server see it, on raw sockets.

use std::future::Future;
use std::io::ErrorKind;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fault, FaultProxy};

/// A proxy in front of a listener, and the listener.
async fn proxy() -> (FaultProxy, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).await.unwrap();
    (proxy, listener)
}

/// A connection through the proxy: the client's end and the server's.
async fn pair(proxy: &FaultProxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.addr()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

async fn passes(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"ping").await.unwrap();
    let mut got = [0; 4];
    to.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"ping");
}

/// Whether a future is still Pending after everything else had many turns.
async fn stays_pending(future: impl Future) -> bool {
    tokio::pin!(future);
    for _ in 0..200 {
        if std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test]
async fn without_a_fault_bytes_and_ends_pass_both_ways_and_are_counted() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    server.write_all(b"and back").await.unwrap();
    drop(server);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"and back");
    proxy.until(|counts| counts.open == 0).await;
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.to_server, counts.to_client), (1, 4, 8));
}

#[tokio::test]
async fn a_delay_shifts_bytes_without_lowering_the_throughput() {
    let (proxy, listener) = proxy().await;
    let delay = Duration::from_millis(60);
    proxy.set(Fault::Delay(delay)).await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    let began = Instant::now();
    let sent = vec![7; 1 << 20];
    let mut got = vec![0; 1 << 20];
    let (write, read) = tokio::join!(client.write_all(&sent), server.read_exact(&mut got));
    write.unwrap();
    read.unwrap();
    let took = began.elapsed();
    assert!(took >= delay, "{took:?}");
    // 64 chunks, each 60 ms after the one before it, would take almost 4 s.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(sent, got);
}

#[tokio::test]
async fn a_throttle_lets_so_many_bytes_a_second_pass() {
    let (proxy, listener) = proxy().await;
    proxy.set(Fault::Throttle(100_000)).await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    let began = Instant::now();
    client.write_all(&[1; 20_000]).await.unwrap();
    server.read_exact(&mut vec![0; 20_000]).await.unwrap();
    let took = began.elapsed();
    // The last step needs no wait after it.
    assert!(took >= Duration::from_millis(170), "{took:?}");
}

#[tokio::test]
async fn a_black_hole_swallows_bytes_and_ends_until_it_is_over() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    proxy.set(Fault::BlackHole).await;
    client.write_all(b"lost").await.unwrap();
    proxy.until(|counts| counts.swallowed == 4).await;
    proxy.set(Fault::Pass).await;
    passes(&mut client, &mut server).await;
    proxy.set(Fault::BlackHole).await;
    drop(server);
    assert!(stays_pending(client.read(&mut [0; 1])).await);
}

#[tokio::test]
async fn a_reset_hits_open_and_new_connections() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    proxy.set(Fault::Reset).await;
    for end in [&mut client, &mut server] {
        let error = end.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    let error = new.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.counts().resets, 2);
}

#[tokio::test]
async fn a_reset_that_is_over_at_once_still_hits() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    tokio::join!(proxy.set(Fault::Reset), proxy.set(Fault::Pass));
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_open_connection_neither_moves_nor_ends() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    proxy.set(Fault::HalfOpen).await;
    client.write_all(b"ping").await.unwrap();
    assert!(stays_pending(server.read(&mut [0; 1])).await);
    let to_server = proxy.counts().to_server;
    server.shutdown().await.unwrap();
    assert!(stays_pending(client.read(&mut [0; 1])).await);
    // A new client connects and hears nothing.
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(stays_pending(new.read(&mut [0; 1])).await);
    assert_eq!(proxy.counts().to_server, to_server);
    proxy.set(Fault::Pass).await;
    let mut late = [0; 4];
    server.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"ping");
}

#[tokio::test]
async fn garbage_comes_once_to_open_and_new_connections() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    proxy.set(Fault::Garbage(Bytes::from_static(b"\0\xff!"))).await;
    let (mut new, mut new_server) = pair(&proxy, &listener).await;
    for (client, server) in [(&mut client, &mut server), (&mut new, &mut new_server)] {
        let mut garbage = [0; 3];
        client.read_exact(&mut garbage).await.unwrap();
        assert_eq!(&garbage, b"\0\xff!");
        passes(server, client).await;
        passes(client, server).await;
    }
    proxy.set(Fault::Pass).await;
    let (mut after, mut server) = pair(&proxy, &listener).await;
    passes(&mut server, &mut after).await;
}

#[tokio::test]
async fn a_refusing_port_keeps_open_connections_and_comes_back_on_the_same_port() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    for _ in 0..3 {
        proxy.set(Fault::Refuse).await;
        let refused = TcpStream::connect(proxy.addr()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        passes(&mut client, &mut server).await;
        proxy.set(Fault::Pass).await;
        let (mut client, mut server) = pair(&proxy, &listener).await;
        passes(&mut client, &mut server).await;
    }
}

#[tokio::test]
async fn a_port_that_is_down_resets_and_refuses() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut client, &mut server).await;
    proxy.set(Fault::Down).await;
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(TcpStream::connect(proxy.addr()).await.is_err());
}

#[tokio::test]
async fn flapping_alternates_until_it_is_switched_off() {
    let (proxy, _listener) = proxy().await;
    let step = Duration::from_millis(5);
    proxy.set(Fault::Flapping { up: step, down: step }).await;
    let mut seen = Vec::new();
    let began = Instant::now();
    while seen.len() < 6 && began.elapsed() < Duration::from_secs(20) {
        let up = TcpStream::connect(proxy.addr()).await.is_ok();
        if seen.last() != Some(&up) {
            seen.push(up);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    proxy.set(Fault::Pass).await;
    assert_eq!(proxy.fault(), Fault::Pass);
}

#[tokio::test]
async fn a_cut_lets_exactly_so_many_bytes_from_the_server_pass() {
    let (proxy, listener) = proxy().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    passes(&mut server, &mut client).await;
    proxy.set(Fault::CutAfter(1_000)).await;
    passes(&mut client, &mut server).await;
    // The server may not get rid of all of it.
    let _ = server.write_all(&[5; 100_000]).await;
    let mut got = Vec::new();
    let _ = client.read_to_end(&mut got).await;
    assert_eq!(got, [5; 1_000]);
}

#[tokio::test]
async fn a_dropped_proxy_ends_its_connections() {
    let (proxy, listener) = proxy().await;
    let (mut client, _server) = pair(&proxy, &listener).await;
    drop(proxy);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
}
