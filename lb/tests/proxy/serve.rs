//! The accept loop: limits for clients that are slow or many, and an end that loses nothing.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use terrace_lb::proxy::Peer;
use terrace_lb::serve::{Acceptor, HttpService, Listener, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::support::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn hello() -> impl HttpService + Sync {
    tower::service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(full("hello")))
    })
}

/// Answers when it is let.
fn gated(gate: Arc<Semaphore>) -> impl HttpService + Sync {
    tower::service_fn(move |_: Request<Incoming>| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(Response::new(full("late")))
        }
    })
}

/// A kept-alive connection that has had one answer.
async fn warm(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    read_answer(&mut stream, b"hello").await;
    stream
}

async fn read_answer(stream: &mut TcpStream, body: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    while !answer.ends_with(body) {
        let read = soon(stream.read_buf(&mut answer)).await;
        let read = read.unwrap_or_default();
        assert_ne!(read, 0, "cut after {:?}", String::from_utf8_lossy(&answer));
    }
    answer
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    soon(stream.read(&mut [0])).await.unwrap_or(0) == 0
}

#[tokio::test]
async fn a_request_in_flight_gets_its_whole_answer_and_new_clients_none() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Running::start(Server::new(), gated(Arc::clone(&gate))).await;
    let address = server.address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut early = TcpStream::connect(address).await.unwrap();
    tokio::task::yield_now().await;
    let draining = server.stop();
    // The connection without a request closes once the listener has.
    assert!(is_closed(&mut early).await);
    assert!(TcpStream::connect(address).await.is_err());
    gate.add_permits(1);
    let answer = read_answer(&mut stream, b"late").await;
    assert!(String::from_utf8_lossy(&answer).contains("connection: close\r\n"));
    assert!(is_closed(&mut stream).await);
    let report = soon(draining).await.unwrap();
    assert_eq!((report.connections, report.requests, report.cut), (2, 1, 0));
}

#[tokio::test]
async fn kept_alive_connections_are_answered_if_a_byte_came_before_the_end() {
    for split in [1, 10, GET.len()] {
        // No linger: what has arrived must count by itself.
        let server = Running::start(Server::new().linger(Duration::ZERO), hello()).await;
        let mut streams = Vec::new();
        for _ in 0..30 {
            streams.push(warm(server.address).await);
        }
        let mut idle = warm(server.address).await;
        for stream in &mut streams {
            // Into the kernel and no further: nothing else runs on this thread in between.
            assert_eq!(stream.try_write(&GET[..split]).unwrap(), split);
        }
        let draining = server.stop();
        assert!(is_closed(&mut idle).await);
        for stream in &mut streams {
            stream.write_all(&GET[split..]).await.unwrap();
            let answer = read_answer(stream, b"hello").await;
            // A whole request may have been answered before the drain got to its connection.
            let says_close = String::from_utf8_lossy(&answer).contains("connection: close\r\n");
            assert!(says_close || split == GET.len());
        }
        let report = soon(draining).await.unwrap();
        assert_eq!((report.requests, report.cut), (61, 0));
    }
}

#[tokio::test]
async fn the_same_requests_are_lost_by_a_plain_graceful_shutdown() {
    // The control of the test above: hyper's own end of a connection, with the same bytes.
    for split in [1, GET.len()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(full("hello")))
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
        tokio::pin!(connection);
        client.write_all(GET).await.unwrap();
        tokio::select! {
            _ = &mut connection => panic!("ended early"),
            _ = read_answer(&mut client, b"hello") => {}
        }
        assert_eq!(client.try_write(&GET[..split]).unwrap(), split);
        connection.as_mut().graceful_shutdown();
        let _ = soon(connection).await;
        assert!(is_closed(&mut client).await);
    }
}

#[tokio::test]
async fn clients_in_the_listeners_queue_are_served_before_it_closes() {
    let gate = Arc::new(Semaphore::new(0));
    let service = gated(Arc::clone(&gate));
    let server = Running::start(Server::new().max_connections(1), service).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(GET).await.unwrap();
        streams.push(stream);
    }
    let draining = server.stop();
    gate.add_permits(20);
    for stream in &mut streams {
        read_answer(stream, b"late").await;
    }
    let report = soon(draining).await.unwrap();
    assert_eq!((report.connections, report.requests, report.cut), (20, 20, 0));
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_cut_and_counted() {
    let gate = Arc::new(Semaphore::new(0));
    let config = Server::new().drain_deadline(Duration::from_millis(50));
    let server = Running::start(config, gated(gate)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut h2 = Client::http2(server.address).await;
    let asked =
        tokio::spawn(async move { h2.send(Request::get("/").body(full("")).unwrap()).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let report = soon(server.stop()).await.unwrap();
    assert_eq!((report.connections, report.cut), (2, 2));
    assert!(is_closed(&mut stream).await);
    assert!(soon(asked).await.unwrap().is_err());
}

#[tokio::test]
async fn an_http2_client_finishes_its_streams_and_is_told_to_go() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Running::start(Server::new(), gated(Arc::clone(&gate))).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    let (mut sender, driver) = builder.handshake(io).await.unwrap();
    let driver = tokio::spawn(driver);
    let request = Request::get("http://a/").body(Full::<Bytes>::default()).unwrap();
    let asked = tokio::spawn(sender.send_request(request));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let draining = server.stop();
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.add_permits(1);
    let response = soon(asked).await.unwrap().unwrap();
    assert_eq!(collect(response).await, "late");
    soon(driver).await.unwrap().unwrap();
    let report = soon(draining).await.unwrap();
    assert_eq!((report.requests, report.cut), (1, 0));
}

#[tokio::test]
async fn slow_heads_are_cut_however_they_drip() {
    let config = Server::new().head_timeout(Duration::from_millis(60));
    let server = Running::start(config, hello()).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut dripping = TcpStream::connect(server.address).await.unwrap();
    let mut second = warm(server.address).await;
    second.write_all(b"GET / HT").await.unwrap();
    let drip = async {
        for _ in 0..200 {
            if dripping.write_all(b"G").await.is_err() {
                return true;
            }
            let waited = tokio::time::timeout(Duration::from_millis(10), is_closed(&mut dripping));
            if waited.await.is_ok() {
                return true;
            }
        }
        false
    };
    assert!(soon(drip).await, "the dripping client was waited for");
    assert!(is_closed(&mut silent).await);
    assert!(is_closed(&mut second).await);
}

#[tokio::test]
async fn idle_is_not_slow() {
    let config = Server::new()
        .head_timeout(Duration::from_millis(40))
        .idle_timeout(Duration::from_millis(400));
    let server = Running::start(config, hello()).await;
    let mut stream = warm(server.address).await;
    tokio::time::sleep(Duration::from_millis(120)).await;
    stream.write_all(GET).await.unwrap();
    read_answer(&mut stream, b"hello").await;
    // And it is not for ever either.
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn a_slow_service_is_not_a_slow_client() {
    let gate = Arc::new(Semaphore::new(0));
    let config = Server::new()
        .head_timeout(Duration::from_millis(20))
        .idle_timeout(Duration::from_millis(20))
        .write_timeout(Duration::from_millis(20));
    let server = Running::start(config, gated(Arc::clone(&gate))).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.add_permits(1);
    read_answer(&mut stream, b"late").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let big = tower::service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(full(vec![0; 64 * 1024 * 1024])))
    });
    let config = Server::new().write_timeout(Duration::from_millis(60));
    let server = Running::start(config, big).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut received = Vec::new();
    let _ = soon(stream.read_to_end(&mut received)).await;
    assert!(received.len() < 64 * 1024 * 1024, "{} bytes", received.len());
}

#[tokio::test]
async fn no_more_connections_than_the_cap_are_open() {
    let server = Running::start(Server::new().max_connections(2), hello()).await;
    let first = warm(server.address).await;
    let _second = warm(server.address).await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(GET).await.unwrap();
    let mut byte = [0];
    let waited = tokio::time::timeout(Duration::from_millis(50), third.read(&mut byte));
    assert!(waited.await.is_err(), "the third was served beside two others");
    drop(first);
    read_answer(&mut third, b"hello").await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let numbered = tower::service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(full(request.uri().path().to_owned())))
    });
    let server = Running::start(Server::new(), numbered).await;
    let requests = b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n\
                     GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = String::from_utf8(raw(server.address, requests).await).unwrap();
    let bodies: Vec<&str> = answers.split("\r\n\r\n").skip(1).map(|part| &part[..2]).collect();
    assert_eq!(bodies, ["/1", "/2", "/3"]);
}

/// A listener that fails a few times before it has a connection.
struct Failing {
    errors: Vec<i32>,
    inner: TcpListener,
}

impl Listener for Failing {
    type Io = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, Peer)>> {
        if let Some(code) = self.errors.pop() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        Listener::poll_accept(&mut self.inner, cx)
    }
}

#[tokio::test]
async fn a_full_file_table_does_not_end_the_loop() {
    const EMFILE: i32 = 24;
    const ECONNABORTED: i32 = 103;
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = inner.local_addr().unwrap();
    let listener = Failing { errors: vec![EMFILE, ECONNABORTED, EMFILE], inner };
    tokio::spawn(terrace_lb::serve::serve(listener, hello(), std::future::pending()));
    drop(warm(address).await);
}

/// Stands for TLS: marks the peer and passes the stream on, or never ends.
#[derive(Clone)]
struct Handshake;

impl Acceptor<TcpStream> for Handshake {
    type Stream = TcpStream;

    async fn accept(&self, mut io: TcpStream, peer: Peer) -> io::Result<(TcpStream, Peer)> {
        let mut greeting = [0; 5];
        io.read_exact(&mut greeting).await?;
        if &greeting != b"hello" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((io, peer.secure(true)))
    }
}

#[tokio::test]
async fn a_stream_mapping_acceptor_comes_before_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tell = tower::service_fn(|request: Request<Incoming>| async move {
        let peer = request.extensions().get::<Peer>().unwrap();
        let text = format!("secure={} ip={}", peer.is_secure(), peer.ip().unwrap());
        Ok::<_, Infallible>(Response::new(full(text)))
    });
    let server = Server::new().acceptor(Handshake).handshake_timeout(Duration::from_millis(50));
    tokio::spawn(server.serve(listener, tell, std::future::pending()));
    let close = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(address, &[b"hello", &close[..]].concat()).await;
    assert!(answer.ends_with(b"secure=true ip=127.0.0.1"));
    assert_eq!(raw(address, b"hell?").await, b"");
    // Silence ends at the timeout.
    assert_eq!(raw(address, b"he").await, b"");
}

#[tokio::test]
async fn a_panicking_service_takes_only_its_connection_down() {
    let panicking = tower::service_fn(|request: Request<Incoming>| async move {
        assert_ne!(request.uri().path(), "/panic", "as asked");
        Ok::<_, Infallible>(Response::new(full("hello")))
    });
    let server = Running::start(Server::new(), panicking).await;
    assert_eq!(raw(server.address, b"GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await, b"");
    drop(warm(server.address).await);
    let report = soon(server.stop()).await.unwrap();
    assert_eq!((report.connections, report.cut), (2, 0));
}

#[tokio::test]
async fn the_answers_body_may_outlive_the_linger() {
    // A stream that began before the drain and ends after it.
    let (sender, body) = http_body_util::channel::Channel::<Bytes, Infallible>::new(1);
    let body = std::sync::Mutex::new(Some(body));
    let body = Arc::new(body);
    let streaming = tower::service_fn(move |_: Request<Incoming>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let server = Running::start(Server::new().linger(Duration::from_millis(10)), streaming).await;
    let mut client = Client::http1(server.address).await;
    let response = client.send(Request::get("/").body(full("")).unwrap()).await.unwrap();
    let draining = server.stop();
    let mut sender = sender;
    sender.send_data("first ".into()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    sender.send_data("last".into()).await.unwrap();
    drop(sender);
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "first last");
    let report = soon(draining).await.unwrap();
    assert_eq!((report.requests, report.cut), (1, 0));
}
