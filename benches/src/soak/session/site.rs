//! Three processes of the example `login`, and a balancer of terrace-lb in front of them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use terrace_lb::completion::AtBodyEnd;
use terrace_lb::health::HealthConfig;
use terrace_lb::proxy::{HttpCheck, HttpRetry, ProxyBody, ReverseProxy, Upstream, UpstreamError};
use terrace_lb::{Balance, Endpoint, Retry, Sent};
use terrace_testkit::Process;
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::ports::Port;
use tower::ServiceExt;

use crate::soak::{Error, PATIENCE};

/// Longer than a process takes for any request: what is not answered by then never will be.
const ANSWER: Duration = Duration::from_secs(10);

type Proxy = ReverseProxy<Balance<Upstream, Request<ProxyBody>, AtBodyEnd, Repeats>>;

/// What the balancer sends a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// What was not sent, or does no harm twice: [`HttpRetry`].
    Safe,
    /// Everything, increments that may have been applied among it. A control.
    Everything,
}

impl Retry<Request<ProxyBody>, UpstreamError<ProxyBody>> for Repeats {
    fn save(&self, request: &Request<ProxyBody>) -> Option<Request<ProxyBody>> {
        if *self == Self::Safe {
            return HttpRetry.save(request);
        }
        // No request here has a body.
        let mut copy = Request::new(ProxyBody::empty());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(copy)
    }

    fn sent(&self, error: &UpstreamError<ProxyBody>) -> Sent {
        HttpRetry.sent(error)
    }

    fn reclaim(&self, error: &mut UpstreamError<ProxyBody>) -> Option<Request<ProxyBody>> {
        HttpRetry.reclaim(error)
    }
}

/// How a process is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) login: PathBuf,
    pub(super) store: String,
    pub(super) store_timeout: Duration,
    pub(super) key_file: PathBuf,
}

/// The processes.
pub(super) struct Processes {
    program: Program,
    distance: Duration,
    all: Vec<Host>,
}

/// A process, where it listens, and the line to it.
struct Host {
    port: Port,
    process: Process,
    /// None if it is at hand.
    line: Option<FaultProxy>,
}

impl Processes {
    /// Starts so many, at this distance from the balancer.
    pub(super) async fn start(
        program: Program,
        count: usize,
        distance: Duration,
    ) -> Result<Self, Error> {
        let mut all = Vec::new();
        for _ in 0..count {
            let port = Port::reserve()?;
            let process = program.start(&port).await?;
            let line = match distance {
                Duration::ZERO => None,
                _ => Some(FaultProxy::start(port.addr()).await?),
            };
            let host = Host { port, process, line };
            host.connect(distance).await;
            all.push(host);
        }
        Ok(Self { program, distance, all })
    }

    /// Ends one by `kill -9`, together with what is on its way to it and from it, and starts it again.
    pub(super) async fn kill(&mut self, victim: usize) -> Result<(), Error> {
        let host = self.all.get_mut(victim).ok_or("there is no such process")?;
        if let Some(line) = &host.line {
            line.set(Fault::Down).await;
        }
        host.process.kill();
        host.process.wait(PATIENCE).await?;
        host.process = self.program.start(&host.port).await?;
        host.connect(self.distance).await;
        Ok(())
    }

    /// What a client asks.
    pub(super) fn balancer(&self, repeats: Repeats, seed: u64) -> Result<Site, Error> {
        let endpoints = self.all.iter().map(|host| {
            let address = host.address().to_string();
            Ok(Endpoint::new(&*address, Upstream::new(&address)?)?)
        });
        let endpoints = endpoints.collect::<Result<Vec<_>, Error>>()?;
        // The page asks no store.
        let health = HealthConfig::default().interval(Duration::from_millis(200));
        let balance = Balance::builder()
            .name("login")
            .endpoints(endpoints)
            .health(HttpCheck::new("/page.css")?, health)
            .seed(seed)
            .http()
            .retry(repeats)
            .spawn()?;
        Ok(Site { proxy: ReverseProxy::new(balance) })
    }
}

impl Host {
    fn address(&self) -> SocketAddr {
        self.line.as_ref().map_or_else(|| self.port.addr(), FaultProxy::addr)
    }

    async fn connect(&self, distance: Duration) {
        if let Some(line) = &self.line {
            line.set(Fault::Delay(distance)).await;
        }
    }
}

impl Program {
    async fn start(&self, port: &Port) -> Result<Process, Error> {
        let timeout = self.store_timeout.as_millis().to_string();
        let process = Process::binary(&self.login)
            .name("login")
            .args(["--listen", &port.addr().to_string(), "--store", &self.store])
            .args(["--store-timeout-ms", &timeout])
            .arg("--key-file")
            .arg(&self.key_file)
            .spawn()?;
        process.wait_for_line("listening on http://", PATIENCE).await?;
        Ok(process)
    }
}

/// The site, whichever process answers.
#[derive(Clone)]
pub(super) struct Site {
    proxy: Proxy,
}

/// An answer that has come as a whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `name=value` of the cookie, if there is a new one.
    pub(super) cookie: Option<String>,
    pub(super) body: String,
}

impl Site {
    /// `POST`, or `GET`; nothing if no whole answer came.
    pub(super) async fn ask(&self, method: &str, path: &str, cookie: &str) -> Option<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "login.test")
            .header(header::COOKIE, cookie)
            .body(Empty::<Bytes>::new())
            .ok()?;
        let answer = async {
            let response = match self.proxy.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let cookie = cookie_of(&response);
            let (head, body) = response.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            let body = String::from_utf8_lossy(&body).trim_end().to_owned();
            Some(Answer { status: head.status, cookie, body })
        };
        tokio::time::timeout(ANSWER, answer).await.ok()?
    }
}

fn cookie_of<B>(response: &Response<B>) -> Option<String> {
    let line = response.headers().get(header::SET_COOKIE)?.to_str().ok()?;
    line.split(';').next().map(str::to_owned)
}
