//! `rediss://`: the example `login` with sessions behind the TLS port of a Redis.
//!
//! Through the example, because whom to trust is said to a process as a whole (`SSL_CERT_FILE`).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use terrace_testkit::Redis;
use terrace_testkit::ports::Port;
use terrace_testkit::process::{Mark, Process, Source};
use terrace_testkit::tools;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Authority, PATIENCE};

/// A Redis with a certificate for its address, and the authority that has signed it.
struct Server {
    _redis: Redis,
    port: Port,
    authority: PathBuf,
    place: TempDir,
}

impl Server {
    async fn start() -> Option<Self> {
        tools::require_or_skip("redis-server")?;
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name);

        let authority = Authority::new();
        let certified = authority.certify();
        fs::write(file("authority.pem"), authority.0.pem()).unwrap();
        fs::write(file("server.pem"), certified.certificate).unwrap();
        fs::write(file("server.key"), certified.key).unwrap();

        let port = Port::reserve().unwrap();
        let path = |name: &str| file(name).to_str().unwrap().to_owned();
        let redis = Redis::builder()
            .setting("tls-port", port.number().to_string())
            .setting("tls-cert-file", path("server.pem"))
            .setting("tls-key-file", path("server.key"))
            .setting("tls-auth-clients", "no")
            .start()
            .await
            .unwrap();
        Some(Self { _redis: redis, port, authority: file("authority.pem"), place })
    }

    /// The example, which trusts whom this file names.
    fn login(&self, trusts: &Path) -> Process {
        let store = format!("rediss://{}", self.port.addr());
        Process::cargo_example("login")
            .unwrap()
            .args(["--listen", "127.0.0.1:0", "--store-timeout-ms", "30000", "--store", &store])
            .env("SSL_CERT_FILE", trusts)
            .spawn()
            .unwrap()
    }
}

/// The body of the answer, and the cookie if there is one.
async fn ask(address: SocketAddr, line: &str, cookie: &str) -> (String, String) {
    let request =
        format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
    let mut answer = String::new();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(&mut answer).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_default();
    (body.trim_end().to_owned(), set.split(';').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn sessions_are_kept_over_tls() {
    let Some(server) = Server::start().await else { return };
    let process = server.login(&server.authority);
    let line = process.wait_for_line("listening on http://", PATIENCE).await.unwrap();
    let address = line.rsplit('/').next().unwrap().parse().unwrap();
    let (_, cookie) = ask(address, "POST /login?user=ann", "").await;
    let (user, _) = ask(address, "GET /me", &cookie).await;
    assert_eq!(user, r#"{"user":"ann"}"#);
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_has_signed_is_not_used() {
    let Some(server) = Server::start().await else { return };
    let other = server.place.path().join("other.pem");
    fs::write(&other, Authority::new().0.pem()).unwrap();
    let process = server.login(&other);
    let is_error = |source, line: &str| source == Source::Stderr && line.starts_with("error: ");
    let said = process.wait_for(Mark::default(), PATIENCE, "an error", is_error).await.unwrap();
    assert!(said.contains("cannot be reached") && said.contains("certificate"), "{said}");
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(1), "{said}");
}
