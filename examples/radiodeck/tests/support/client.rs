//! A stage's executable from outside: started, asked over the network, stopped.

#![allow(dead_code, missing_debug_implementations, unreachable_pub)]

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use terrace_testkit::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than anything here takes, even on a machine that compiles at the same time.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub process: Process,
    pub address: String,
}

impl Stage {
    /// Starts an executable on a free port and waits until it says where it listens.
    pub async fn start(executable: &str, options: &[&str]) -> Self {
        let process = Process::binary(executable)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .spawn()
            .unwrap();
        let line = process.wait_for_line("listening on http://", PATIENCE).await.unwrap();
        let address = line.trim_start_matches("listening on http://").to_owned();
        Self { process, address }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// Asks once, on a connection of its own. `headers` are whole lines.
    pub async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        ask(&self.address, method, path, headers).await.unwrap()
    }

    /// Asks until the answer is as wanted; fails when that takes longer than patience.
    pub async fn ask_until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let answer = async {
            loop {
                match ask(&self.address, "GET", path, "").await {
                    Ok(answer) if wanted(&answer) => return answer,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("the answer never came")
    }

    /// Walks the addresses that every stage has, as a listener who says so.
    pub async fn walk(&self) {
        self.walk_as("x-listener: 1\r\n").await;
    }

    /// The same, as a listener whom these headers tell from others.
    pub async fn walk_as(&self, listener: &str) {
        for (path, part) in [
            ("/", "\"total\":2400"),
            ("/?format=html", "2,400 small stations"),
            ("/stations?per_page=3", "\"pages\":800"),
            ("/stations/7?format=xml", "<station><id>7</id>"),
            ("/stations/7/tracks", "\"tracks\":["),
            ("/stations/7/now", "\"started\":"),
            ("/tracks/1", "\"station\":1"),
            ("/listeners/1", "\"handle\":"),
            ("/covers/7.svg?v=1", "<svg"),
            ("/assets/site.css", "--paper"),
            ("/healthz", "ok"),
            ("/readyz", "ready"),
            ("/metrics", "radiodeck_db_queries_per_request"),
        ] {
            let answer = self.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            assert!(answer.text.contains(part), "{path} has {part:?}: {}", answer.text);
            assert!(answer.header("x-request-id").is_some(), "{path} has an id");
        }
        let answer = self.ask("PUT", "/favourites/7", listener).await;
        assert!(answer.text.contains("\"favourite\":true"), "{}", answer.text);
        let headers = format!("{listener}{}", answer.cookie());
        let answer = self.ask("GET", "/favourites", &headers).await;
        assert!(answer.text.contains("\"id\":7,"), "{}", answer.text);
        let cross = "origin: https://evil.test\r\nsec-fetch-site: cross-site\r\n";
        let answer = self.ask("DELETE", "/favourites/7", &format!("{listener}{cross}")).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert!(answer.text.contains("another site"), "{}", answer.text);
        let packed = self.ask("GET", "/assets/site.css", "accept-encoding: gzip\r\n").await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(self.get("/nothing").await.status, 404);
        let large = "content-length: 99999\r\n";
        assert_eq!(self.ask("POST", "/sign-in", large).await.status, 413);
    }

    /// Sends SIGTERM while a request is half sent, and expects the whole answer and a clean end.
    pub async fn stop_in_the_middle_of_a_request(&self) {
        self.stop_while_signing_in("set-cookie: listener=7;").await;
    }

    /// The same, with an answer that has this in it.
    pub async fn stop_while_signing_in(&self, cookie: &str) {
        let request = HalfSent::sign_in(&self.address).await;
        self.process.terminate();
        let closed = async { while TcpStream::connect(&self.address).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, closed).await.expect("it stops listening");
        let answer = request.finish().await;
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
        assert!(answer.contains(cookie), "{answer}");
        let status = self.process.wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}: {}", self.process.log().tail("stage"));
    }

    /// Sends SIGTERM and expects a clean end.
    pub async fn stop(&self) {
        self.process.terminate();
        let status = self.process.wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}: {}", self.process.log().tail("stage"));
    }
}

/// A sign-in that an app server is at work on, as it waits for the rest.
pub struct HalfSent(TcpStream);

impl HalfSent {
    pub async fn sign_in(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /sign-in HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
                    content-length: 10\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // The handler asks for the body: it is at work.
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut line = vec![0; go_on.len()];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(line, go_on);
        Self(stream)
    }

    /// Sends the rest; the whole answer.
    pub async fn finish(mut self) -> String {
        self.0.write_all(b"listener=7").await.unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Head and body.
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All cookies it sets, as they are sent back; those that it removes without a value.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let head = self.text.lines().take_while(|line| !line.is_empty());
        let cookies = head.filter_map(|line| line.split_once(": "));
        let cookies = cookies.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        cookies.filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('='))
    }

    /// The header that sends back the cookie it sets, if it sets one.
    pub fn cookie(&self) -> String {
        let pair = self.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        pair.map_or_else(String::new, |pair| format!("cookie: {pair}\r\n"))
    }

    /// The number of a JSON member, found by its name.
    pub fn number(&self, name: &str) -> u32 {
        let rest = self.text.split(&format!("\"{name}\":")).nth(1).unwrap_or_default();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("no number {name} in {}", self.text))
    }
}

pub async fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
) -> std::io::Result<Answer> {
    exchange(TcpStream::connect(address).await?, method, path, headers).await
}

/// Asks from another address of this machine.
pub async fn ask_from(
    source: [u8; 4],
    address: &str,
    path: &str,
    headers: &str,
) -> std::io::Result<Answer> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::from(source), 0).into())?;
    let target = address.parse().map_err(std::io::Error::other)?;
    exchange(socket.connect(target).await?, "GET", path, headers).await
}

/// Sends a form.
pub async fn post(address: &str, path: &str, headers: &str, form: &str) -> std::io::Result<Answer> {
    let headers = format!("content-length: {}\r\n{headers}", form.len());
    send(TcpStream::connect(address).await?, "POST", path, &headers, form).await
}

async fn exchange(
    stream: TcpStream,
    method: &str,
    path: &str,
    headers: &str,
) -> std::io::Result<Answer> {
    send(stream, method, path, headers, "").await
}

async fn send(
    mut stream: TcpStream,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no answer: {text:?}")))?;
    Ok(Answer { status, text })
}

/// Runs an executable that should not run, and returns its exit code and what it said.
pub fn refused(executable: &str, options: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(executable).args(options).output().unwrap();
    assert!(output.stdout.is_empty(), "nothing on stdout");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Options that make no sense are one line on stderr and exit code 2; an address in use names itself
/// and the option that changes it.
pub async fn refuses_bad_options(executable: &str, needed: &[&str]) {
    for options in [
        &["--bogus"][..],
        &["--listen"],
        &["--listen", "nowhere"],
        &["--listen", "127.0.0.1:99999"],
        &["unexpected"],
    ] {
        let (code, said) = refused(executable, options);
        assert_eq!(code, Some(2), "{options:?}: {said}");
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "{options:?}: {said}");
    }
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(executable, &[&["--listen", &address], needed].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    let help = Command::new(executable).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--listen <ADDR>") && !help.contains("--role"), "{help}");
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    std::fs::read_dir(tasks)
        .into_iter()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|line| line.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}
