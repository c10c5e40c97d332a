//! Backends that do as they are told and say what they saw, and proxies in front of them.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use terrace_lb::proxy::{HttpRetry, ProxyBody, ReverseProxy, Upstream};
use terrace_lb::serve::{HttpService, Report, Server};
use terrace_lb::{Balance, Endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Fails a test that waits for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("waited too long")
}

/// A server under test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Report>,
}

impl Running {
    pub(crate) async fn start(server: Server, service: impl HttpService + Sync) -> Self
    where
        Server: Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(listener, service, async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    /// Begins the drain; the report comes when it has ended.
    pub(crate) fn stop(self) -> JoinHandle<Report> {
        let _ = self.stop.send(());
        self.task
    }
}

/// A proxy in front of one backend.
pub(crate) async fn proxy_to(backend: SocketAddr) -> Running {
    Running::start(Server::new(), ReverseProxy::new(balance(&[backend]))).await
}

pub(crate) type HttpBalance =
    Balance<Upstream, Request<ProxyBody>, terrace_lb::completion::AtBodyEnd, HttpRetry>;

pub(crate) fn balance(backends: &[SocketAddr]) -> HttpBalance {
    let endpoints = backends.iter().map(|address| {
        let upstream = Upstream::new(&address.to_string()).unwrap();
        Endpoint::new(address.to_string(), upstream).unwrap()
    });
    let built = Balance::builder().endpoints(endpoints).http().retry(HttpRetry).build();
    let (balance, driver) = built.unwrap();
    tokio::spawn(driver);
    balance
}

/// A hyper server on HTTP/1 or HTTP/2, counting its connections.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Backend {
    pub(crate) async fn http1<F, Fut, B>(respond: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        Self::start(respond, false).await
    }

    pub(crate) async fn http2<F, Fut, B>(respond: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        Self::start(respond, true).await
    }

    async fn start<F, Fut, B>(respond: F, h2: bool) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let respond = respond.clone();
                let service = hyper::service::service_fn(move |request| {
                    let answered = respond(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    if h2 {
                        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = server.serve_connection(io, service).await;
                    } else {
                        let server = hyper::server::conn::http1::Builder::new();
                        let _ = server.serve_connection(io, service).await;
                    }
                });
            }
        });
        Self { address, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Sends the body back, and the head as `x-seen-*` fields.
pub(crate) async fn echo(request: Request<Incoming>) -> Response<Incoming> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in &head.headers {
        headers
            .append(http::HeaderName::try_from(format!("x-seen-{name}")).unwrap(), value.clone());
    }
    headers.insert("x-seen-method", head.method.as_str().parse().unwrap());
    headers.insert("x-seen-target", head.uri.to_string().parse().unwrap());
    response
}

/// A TCP server whose connections are handled by a script; it counts them.
pub(crate) struct RawBackend {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl RawBackend {
    pub(crate) async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(number, stream));
            }
        });
        Self { address, connections }
    }

    /// Answers every head with these bytes and keeps what it read.
    pub(crate) async fn answering(answer: &'static [u8]) -> (Self, Seen) {
        let seen = Seen::default();
        let kept = seen.clone();
        let backend = Self::start(move |number, mut stream| {
            let kept = kept.clone();
            async move {
                let mut heads = 0;
                let mut buffer = [0; 4096];
                loop {
                    let Ok(length @ 1..) = stream.read(&mut buffer).await else {
                        return;
                    };
                    kept.push(number, &buffer[..length]);
                    let ended = count(&kept.connection(number), b"\r\n\r\n");
                    while heads < ended {
                        heads += 1;
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                }
            }
        })
        .await;
        (backend, seen)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What reached a raw backend, connection by connection.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(usize, Vec<u8>)>>>);

impl Seen {
    fn push(&self, connection: usize, bytes: &[u8]) {
        self.0.lock().unwrap().push((connection, bytes.to_vec()));
    }

    pub(crate) fn connection(&self, number: usize) -> Vec<u8> {
        let seen = self.0.lock().unwrap();
        let parts = seen.iter().filter(|(connection, _)| *connection == number);
        parts.flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<u8> {
        self.0.lock().unwrap().iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.all()).into_owned()
    }
}

pub(crate) fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

/// Reads one request head from a raw connection.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => bytes.push(byte[0]),
            _ => break,
        }
    }
    bytes
}

/// Sends bytes on a connection of their own and returns all that comes back until it closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset ends it too: what came before it counts.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

/// The status of a raw answer; 0 if there was none.
pub(crate) fn status_of(answer: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(answer);
    line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A client connection on HTTP/1 or HTTP/2.
pub(crate) enum Client<B> {
    Http1(hyper::client::conn::http1::SendRequest<B>),
    Http2(hyper::client::conn::http2::SendRequest<B>, SocketAddr),
}

impl<B> Client<B>
where
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync>
        + Send
        + Unpin
        + 'static,
{
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, driver) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(driver);
        Self::Http1(sender)
    }

    pub(crate) async fn http2(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, driver) = builder.handshake(io).await.unwrap();
        tokio::spawn(driver);
        Self::Http2(sender, address)
    }

    pub(crate) async fn send(
        &mut self,
        mut request: Request<B>,
    ) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                if !request.headers().contains_key("host") {
                    request.headers_mut().insert("host", "test.example".parse().unwrap());
                }
                soon(sender.ready()).await?;
                soon(sender.send_request(request)).await
            }
            Self::Http2(sender, address) => {
                let path = request.uri().path_and_query().unwrap().clone();
                let uri = http::Uri::builder().scheme("http").authority(address.to_string());
                *request.uri_mut() = uri.path_and_query(path).build().unwrap();
                *request.version_mut() = http::Version::HTTP_2;
                soon(sender.send_request(request)).await
            }
        }
    }
}

pub(crate) async fn collect(response: Response<Incoming>) -> Bytes {
    soon(response.into_body().collect()).await.unwrap().to_bytes()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(bytes.into())
}

/// Bytes that are easy to check and hard to get right by accident.
pub(crate) fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|index| (index.wrapping_mul(31) ^ (index >> 8)).to_le_bytes()[0])
        .collect::<Vec<_>>()
        .into()
}

/// Waits until a condition holds, looking again whenever other tasks have run.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}
