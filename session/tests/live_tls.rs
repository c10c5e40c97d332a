//! `rediss://`: the example `login` with sessions on a Redis that speaks nothing but TLS.
//!
//! Through the example, because whom to trust is said to a process as a whole (`SSL_CERT_FILE`).

#![cfg(all(feature = "tls-rustls", target_os = "linux"))]
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair,
    generate_simple_self_signed,
};
use tempfile::TempDir;
use terrace_testkit::Redis;
use terrace_testkit::ports::Port;
use terrace_testkit::process::{Mark, Process, Source};
use terrace_testkit::tools;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(60);

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

        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&key, &authority).unwrap();
        fs::write(file("authority.pem"), authority.pem()).unwrap();
        fs::write(file("server.pem"), server.pem()).unwrap();
        fs::write(file("server.key"), key.serialize_pem()).unwrap();

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
    let somebody_else = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(&other, somebody_else.cert.pem()).unwrap();
    let process = server.login(&other);
    let is_error = |source, line: &str| source == Source::Stderr && line.starts_with("error: ");
    let said = process.wait_for(Mark::default(), PATIENCE, "an error", is_error).await.unwrap();
    assert!(said.contains("cannot be reached") && said.contains("certificate"), "{said}");
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(1), "{said}");
}
