//! The `edge` example, driven from outside like any program.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::Duration;

use terrace_testkit::process::{Mark, Process, Signal, Source};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes, even on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn start(arguments: &[&str]) -> (Process, SocketAddr) {
    let launch = Process::cargo_example("edge").unwrap();
    let edge = launch.args(["--listen", "127.0.0.1:0"]).args(arguments).spawn().unwrap();
    let address = address(&edge, "listening on http://").await;
    (edge, address)
}

async fn address(edge: &Process, line: &str) -> SocketAddr {
    let line = edge.wait_for_line(line, PATIENCE).await.unwrap();
    line.rsplit('/').next().unwrap().parse().unwrap()
}

async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = soon(TcpStream::connect(address)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// The next connection of an origin, once the head of its request is read, and that head.
async fn request(origin: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = soon(origin.accept()).await.unwrap();
    let (mut reader, mut head) = (BufReader::new(&mut stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(soon(reader.read_line(&mut head)).await.unwrap(), 0, "{head}");
    }
    (stream, head)
}

#[tokio::test]
async fn bad_command_lines_are_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // L and O stand for a good --listen and a good --origin, TAKEN for an address in use.
    let table = [
        ("L O --nonsense", "unexpected argument '--nonsense' found"),
        ("L O extra", "unexpected argument 'extra' found"),
        ("O", "--listen <ADDR>"),
        ("O --listen nowhere", "invalid value 'nowhere' for '--listen <ADDR>'"),
        ("O --listen 127.0.0.1:99999", "invalid value '127.0.0.1:99999'"),
        ("O --listen TAKEN", "--listen: cannot listen on"),
        ("L O --admin TAKEN", "--admin: cannot listen on"),
        ("L", "--origin <URL>"),
        ("L --origin 127.0.0.1:9", "invalid value '127.0.0.1:9' for '--origin <URL>'"),
        ("L --origin ftp://127.0.0.1", "http:// or https://"),
        ("L --origin http://", "invalid value 'http://'"),
        ("L --origin http://u:p@127.0.0.1", "no user"),
        ("L --origin http://127.0.0.1/site", "no path"),
        ("L --origin http://127.0.0.1/?q", "no path"),
        ("L --origin http://127.0.0.1#top", "no path"),
        ("L --origin http://127.0.0.1:", "its port is not a number"),
        ("L --origin http://127.0.0.1:99999", "its port is not a number"),
        ("L O --profile best", "invalid value 'best' for '--profile <NAME>'"),
        ("L O --memory-mib 0", "invalid value '0' for '--memory-mib <N>'"),
        ("L O --memory-mib lots", "invalid value 'lots'"),
        ("L O --threads 0", "it must be at least 1"),
        ("L O --threads many", "invalid value 'many'"),
    ];
    for (line, message) in table {
        let arguments = line.split(' ').flat_map(|word| match word {
            "L" => vec!["--listen", "127.0.0.1:0"],
            "O" => vec!["--origin", "http://127.0.0.1:9"],
            "TAKEN" => vec![taken.as_str()],
            other => vec![other],
        });
        let process = Process::cargo_example("edge").unwrap().args(arguments).spawn().unwrap();
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
async fn an_origin_that_refuses_is_a_bad_gateway_on_one_thread_and_on_two() {
    // Bound, so that nobody else listens there, and never listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    for threads in ["1", "2"] {
        let (_edge, address) = start(&["--origin", &origin, "--threads", threads]).await;
        let answer = raw(address, GET).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}

#[tokio::test]
async fn requests_that_were_sent_at_once_are_answered_in_order() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    let (_edge, address) = start(&["--origin", &url]).await;
    let answers = tokio::spawn(async move {
        let first = "GET /first HTTP/1.1\r\nhost: a\r\n\r\n";
        let second = "GET /second HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        raw(address, format!("{first}{second}").as_bytes()).await
    });
    for path in ["/first", "/second"] {
        let (mut stream, head) = request(&origin).await;
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncache-control: no-store\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{path}",
            path.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let answers = soon(answers).await.unwrap();
    let at = |path: &str| answers.find(&format!("\r\n\r\n{path}")).unwrap();
    assert!(at("/first") < at("/second"), "{answers}");
}

#[tokio::test]
async fn admin_tells_the_state_and_sigterm_drains() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    let (edge, address) = start(&["--origin", &url, "--admin", "127.0.0.1:0"]).await;
    let admin = self::address(&edge, "admin on http://").await;
    let state = raw(admin, GET).await;
    assert!(state.starts_with("HTTP/1.1 200 "), "{state}");
    assert!(state.contains("application/json"), "{state}");

    let answer = tokio::spawn(raw(address, GET));
    let (mut stream, _) = request(&origin).await;
    edge.signal(Signal::Term);
    let refused = async {
        // There is no event for the end of a listener.
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(refused).await;
    let late = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nlate";
    stream.write_all(late).await.unwrap();
    let answer = soon(answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("late"), "{answer}");
    assert_eq!(edge.wait(PATIENCE).await.unwrap().code(), Some(0));
}
