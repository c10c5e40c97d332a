//! The `edge` example, driven from outside like any program.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use terrace_cdn_edge::admin::{Key, sign};
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

/// A line on stderr that begins so.
async fn said(edge: &Process, start: &str) -> String {
    let begins = |source, line: &str| source == Source::Stderr && line.starts_with(start);
    edge.wait_for(Mark::default(), PATIENCE, start, begins).await.unwrap()
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
        ("L --origin 127.0.0.1:9", "--origin: the URL \"127.0.0.1:9\" does not begin with http://"),
        ("L --origin ftp://127.0.0.1", "is neither http nor https"),
        ("L --origin http://", "has no host"),
        ("L --origin http://u:p@127.0.0.1", "has a user or password"),
        ("L --origin http://127.0.0.1/?q", "has a query or fragment"),
        ("L --origin http://127.0.0.1#top", "has a query or fragment"),
        ("L --origin http://127.0.0.1:", "has a port that is not 1 to 65535"),
        ("L --origin http://127.0.0.1:99999", "has a port that is not 1 to 65535"),
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

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An edge with an admin listener, and the addresses of both.
async fn with_admin(origin: &str) -> (Process, SocketAddr, SocketAddr) {
    let launch = Process::cargo_example("edge").unwrap().env("TERRACE_ADMIN_KEY", SECRET);
    let arguments = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--origin", origin];
    let edge = launch.args(arguments).spawn().unwrap();
    let admin = address(&edge, "admin on http://").await;
    let public = address(&edge, "listening on http://").await;
    (edge, public, admin)
}

/// A request to the admin listener, signed with a secret if there is one.
async fn ask(admin: SocketAddr, line: &str, body: &str, secret: Option<&str>) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let signature = secret.map_or_else(String::new, |secret| {
        let key = Key::new("admin", secret).unwrap();
        let method = method.parse().unwrap();
        let unix = UNIX_EPOCH.elapsed().unwrap().as_secs();
        let nonce = fastrand::u128(..).to_be_bytes();
        let signed = sign(&key, &method, path, body.as_bytes(), unix, nonce);
        format!("terrace-signature: {}\r\n", signed.to_str().unwrap())
    });
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n");
    let request = format!("{head}{signature}content-length: {length}\r\n\r\n{body}");
    raw(admin, request.as_bytes()).await
}

/// Answers the next request to an origin with a page that may be kept.
async fn page(origin: &TcpListener, body: &str) {
    let (mut stream, _) = request(origin).await;
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=600\r\nconnection: close";
    let answer = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn whoever_is_on_this_machine_reads_the_status_and_only_who_signs_does_more() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    let (edge, public, admin) = with_admin(&url).await;
    let status = ask(admin, "GET /status", "", None).await;
    assert!(
        status.starts_with("HTTP/1.1 200 ") && status.contains("\"hit_ratio\":0.0"),
        "{status}"
    );
    assert!(status.contains("application/json"), "{status}");

    let (preload, purge) = (r#"{"urls": ["http://a/"]}"#, r#"{"url": "http://a/"}"#);
    for (line, body) in [("POST /preload", preload), ("POST /purge", purge), ("POST /status", "")] {
        for secret in [None, Some("another secret, of 32 characters")] {
            let refused = ask(admin, line, body, secret).await;
            assert!(refused.starts_with("HTTP/1.1 401 "), "{line}: {refused}");
        }
    }
    let named = b"GET /status HTTP/1.1\r\nhost: rebound.example:80\r\nconnection: close\r\n\r\n";
    let refused = raw(admin, named).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let log = edge.log().lines();
    assert!(!log.iter().any(|line| format!("{line:?}").contains(SECRET)), "{log:?}");

    let (done, ()) =
        tokio::join!(ask(admin, "POST /preload", preload, Some(SECRET)), page(&origin, "one"));
    assert!(done.contains(r#""reason":"fetched""#), "{done}");
    assert!(raw(public, GET).await.ends_with("one"));
    let done = ask(admin, "POST /purge", purge, Some(SECRET)).await;
    assert!(done.starts_with("HTTP/1.1 200 "), "{done}");
    let (answer, ()) = tokio::join!(raw(public, GET), page(&origin, "two"));
    assert!(answer.ends_with("two"), "{answer}");
    let status = ask(admin, "GET /status", "", Some(SECRET)).await;
    assert!(status.contains("\"hit_ratio\":0.5") && status.contains("http://a/"), "{status}");
}

#[tokio::test]
async fn without_a_key_in_the_environment_one_is_made_and_shown_once() {
    let arguments = ["--origin", "http://127.0.0.1:9", "--admin", "127.0.0.1:0"];
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (edge, _) = start(&arguments).await;
        let admin = address(&edge, "admin on http://").await;
        let line = said(&edge, "admin key: ").await;
        let key = line.rsplit(' ').next().unwrap().to_owned();
        let purged = ask(admin, "POST /purge", r#"{"all": true}"#, Some(&key)).await;
        assert!(purged.starts_with("HTTP/1.1 200 "), "{purged}");
        let shown =
            edge.log().lines().iter().filter(|line| format!("{line:?}").contains(&key)).count();
        assert_eq!(shown, 1);
        keys.push(key);
    }
    assert_eq!(keys[0].len(), 64);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_key_that_is_too_short_is_refused_and_not_shown() {
    let launch = Process::cargo_example("edge").unwrap().env("TERRACE_ADMIN_KEY", "hunter2");
    let arguments =
        ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--origin", "http://127.0.0.1:9"];
    let edge = launch.args(arguments).spawn().unwrap();
    let said = said(&edge, "error: TERRACE_ADMIN_KEY").await;
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(edge.wait(PATIENCE).await.unwrap().code(), Some(2));
}

#[tokio::test]
async fn sigterm_drains() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    let (edge, address) = start(&["--origin", &url]).await;
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
