//! The `proxy` example, driven from outside like any program.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

// Not all of the helpers are for this test.
#[allow(dead_code)]
#[path = "proxy/support.rs"]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use support::*;
use terrace_testkit::process::{Mark, Process, Signal, Source};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

async fn start(arguments: &[&str]) -> (Process, SocketAddr) {
    let launch = Process::cargo_example("proxy").unwrap();
    let proxy = launch.args(["--listen", "127.0.0.1:0"]).args(arguments).spawn().unwrap();
    let line = proxy.wait_for_line("listening on http://", PATIENCE).await.unwrap();
    let address = line.rsplit('/').next().unwrap().parse().unwrap();
    (proxy, address)
}

#[tokio::test]
async fn bad_command_lines_are_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // L and B stand for a good --listen and a good --backend, TAKEN for an address in use.
    let table = [
        ("L B --nonsense", "unexpected argument '--nonsense' found"),
        ("L B extra", "unexpected argument 'extra' found"),
        ("B", "--listen <ADDR>"),
        ("B --listen nowhere", "invalid value 'nowhere' for '--listen <ADDR>'"),
        ("B --listen 127.0.0.1:99999", "invalid value '127.0.0.1:99999'"),
        ("B --listen TAKEN", "--listen: cannot listen on"),
        ("L B --admin TAKEN", "--admin: cannot listen on"),
        ("L", "--backend <ADDR[@WEIGHT]>"),
        ("L --backend 127.0.0.1", "\"127.0.0.1\" is not an address"),
        ("L --backend 127.0.0.1:x", "\"127.0.0.1:x\" is not an address"),
        ("L --backend :80", "\":80\" is not an address"),
        ("L --backend u@h:80@1", "\"u@h:80\" is not an address"),
        ("L --backend 127.0.0.1:9@many", "weight"),
        ("L --backend 127.0.0.1:9@-1", "weight"),
        ("L --backend 127.0.0.1:9@65536", "weight"),
        ("L B --backend 127.0.0.1:9@2", "listed twice"),
        ("L B --policy best", "unknown policy \"best\""),
        ("L B --health-path healthz", "\"healthz\" is not a path"),
        ("L B --trusted-proxy 10.0.0.0/99", "`10.0.0.0/99` is not a network"),
        ("L B --threads 0", "--threads must be at least 1"),
        ("L B --threads many", "invalid value 'many'"),
    ];
    for (line, message) in table {
        let arguments = line.split(' ').flat_map(|word| match word {
            "L" => vec!["--listen", "127.0.0.1:0"],
            "B" => vec!["--backend", "127.0.0.1:9"],
            "TAKEN" => vec![taken.as_str()],
            other => vec![other],
        });
        let process = Process::cargo_example("proxy").unwrap().args(arguments).spawn().unwrap();
        let is_error = |source, line: &str| source == Source::Stderr && line.starts_with("error: ");
        let said = process.wait_for(Mark::default(), PATIENCE, "an error", is_error);
        let said = said.await.unwrap();
        assert!(said.contains(message), "{line}: {said}");
        let status = process.wait(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(2), "{line}: {said}");
        assert_eq!(process.log().lines().len(), 1, "{line}: {said}");
    }
}

#[tokio::test]
async fn a_list_of_draining_backends_is_503() {
    let (proxy, address) = start(&["--backend", "127.0.0.1:9@0", "--threads", "2"]).await;
    let answer = raw(address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status_of(&answer), 503);
    assert!(proxy.is_running());
}

/// The most memory that the process has used so far, in bytes.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

const CHUNK: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

/// A body of a known length that is made on the way, so that only the proxy could hold it all.
fn made(
    length: usize,
) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + Unpin {
    let chunk = pattern(CHUNK);
    let frames = (0..length.div_ceil(CHUNK)).map(move |index| {
        let left = length - index * CHUNK;
        Ok(Frame::data(chunk.slice(..left.min(CHUNK))))
    });
    StreamBody::new(futures_util::stream::iter(frames))
}

#[tokio::test]
async fn bodies_of_any_size_cross_both_ways_in_flat_memory() {
    let backends =
        [Backend::http1(echo).await, Backend::http1(echo).await, Backend::http1(echo).await];
    let addresses: Vec<String> = backends.iter().map(|b| b.address.to_string()).collect();
    let (proxy, address) = start(&[
        "--backend",
        &addresses[0],
        "--backend",
        &addresses[1],
        "--backend",
        &addresses[2],
        "--threads",
        "1",
    ])
    .await;
    let chunk = pattern(CHUNK);
    let mut before = 0;
    for size in [0, 1, MIB, 64 * MIB] {
        for mut client in [Client::http1(address).await, Client::http2(address).await] {
            let request = Request::post("/").header("content-length", size);
            let response = client.send(request.body(made(size)).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let mut body = response.into_body();
            let mut received = 0;
            while let Some(frame) = soon(body.frame()).await {
                let data = frame.unwrap().into_data().unwrap();
                let mut rest = &data[..];
                while !rest.is_empty() {
                    // Compared against the pattern wherever the frames were cut.
                    let at = received % CHUNK;
                    let fits = rest.len().min(CHUNK - at);
                    assert!(rest[..fits] == chunk[at..at + fits], "differs at {received}");
                    received += fits;
                    rest = &rest[fits..];
                }
            }
            assert_eq!(received, size);
        }
        if size == MIB {
            before = peak(&proxy);
        }
    }
    let grown = peak(&proxy).saturating_sub(before);
    assert!(grown < 32 * MIB as u64, "grew by {grown} bytes");
}

#[tokio::test]
async fn admin_tells_the_state_and_sigterm_drains() {
    let (release, released) = tokio::sync::watch::channel(false);
    let backend = Backend::http1(move |_| {
        let mut released = released.clone();
        async move {
            released.wait_for(|released| *released).await.unwrap();
            http::Response::new(full("late"))
        }
    })
    .await;
    let name = backend.address.to_string();
    let (proxy, address) = start(&["--backend", &name, "--admin", "127.0.0.1:0"]).await;
    let line = proxy.wait_for_line("admin on http://", PATIENCE).await.unwrap();
    let admin: SocketAddr = line.rsplit('/').next().unwrap().parse().unwrap();

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the request is in flight", || backend.connections() == 1).await;
    let get = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let state = String::from_utf8(raw(admin, get).await).unwrap();
    assert!(state.contains(&format!("\"name\":\"{name}\"")), "{state}");
    assert!(state.contains("\"in_flight\":1"), "{state}");
    let post = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(status_of(&raw(admin, post).await), 405);

    proxy.signal(Signal::Term);
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(refused).await;
    release.send(true).unwrap();
    let mut answer = Vec::new();
    soon(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)).await.unwrap();
    assert_eq!(status_of(&answer), 200);
    assert!(answer.ends_with(b"late"));
    assert_eq!(proxy.wait(PATIENCE).await.unwrap().code(), Some(0));
}
