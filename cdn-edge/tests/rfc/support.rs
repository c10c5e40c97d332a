//! An edge in process, before an origin that follows a script, on clocks that only the test moves.

#![allow(dead_code, reason = "each test binary needs a part of it")]
#![allow(unreachable_pub)]

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use terrace_cdn_edge::field::date;
use terrace_cdn_edge::{BoxError, Edge, EdgeBuilder, EdgeLayer, OriginBody, Profile};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

/// What the wall clock says when a site is made.
pub const START: u64 = 1_800_000_000;

/// A client's body.
pub type NoBody = Empty<Bytes>;

/// A date this many seconds after the start, as a header has it.
pub fn date(after: i64) -> String {
    let unix = START.checked_add_signed(after).unwrap();
    date::format(unix).to_str().unwrap().to_owned()
}

/// Moves the clocks, and lets what has become due happen.
pub async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
    settle().await;
}

/// Lets all tasks go on until they wait: fills and refreshes are tasks of their own.
pub async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// An answer of the origin.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    fields: Vec<(String, String)>,
    body: Bytes,
    dated: bool,
    delay: Duration,
    broken: bool,
}

impl Reply {
    /// A 200, with the date of the moment at which it is sent.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            fields: Vec::new(),
            body: body.into(),
            dated: true,
            delay: Duration::ZERO,
            broken: false,
        }
    }

    /// Another status.
    pub fn status(status: u16) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap(), ..Self::ok("") }
    }

    /// No answer at all.
    pub fn broken() -> Self {
        Self { broken: true, ..Self::ok("") }
    }

    /// One more line of header; a `Date` takes the place of the moment's.
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.dated &= name != "date";
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// `Cache-Control`.
    pub fn control(self, value: &str) -> Self {
        self.field("cache-control", value)
    }

    /// This body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Without `Date`.
    pub fn undated(mut self) -> Self {
        self.dated = false;
        self
    }

    /// After so many seconds.
    pub fn after(mut self, seconds: u64) -> Self {
        self.delay = Duration::from_secs(seconds);
        self
    }

    fn sent(self, unix: u64, to_head: bool) -> Result<Response<Full<Bytes>>, BoxError> {
        if self.broken {
            return Err("the origin is away".into());
        }
        let body = if to_head { Bytes::new() } else { self.body };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.dated {
            headers.insert(http::header::DATE, date::format(unix));
        }
        for (name, value) in &self.fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        Ok(response)
    }
}

/// What the origin was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
}

impl Asked {
    /// A field of the request; its lines joined.
    pub fn field(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }
}

#[derive(Debug, Default)]
struct Script {
    next: VecDeque<Reply>,
    standing: Option<Reply>,
    asked: Vec<Asked>,
}

/// An origin that says what it was told to, and remembers what it was asked.
#[derive(Clone, Debug)]
pub struct Origin {
    script: Arc<Mutex<Script>>,
    start: Instant,
}

impl Origin {
    fn new(start: Instant) -> Self {
        Self { script: Arc::default(), start }
    }

    /// The answer to one request, after those that were said before.
    pub fn next(&self, reply: Reply) {
        self.script.lock().unwrap().next.push_back(reply);
    }

    /// The answer to all requests that no `next` is for. Without one the origin is away.
    pub fn always(&self, reply: Reply) {
        self.script.lock().unwrap().standing = Some(reply);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.script.lock().unwrap().asked.len()
    }

    /// The last request.
    pub fn last(&self) -> Asked {
        self.script.lock().unwrap().asked.last().unwrap().clone()
    }
}

impl<B> Service<Request<OriginBody<B>>> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OriginBody<B>>) -> Self::Future {
        let mut script = self.script.lock().unwrap();
        let to_head = request.method() == Method::HEAD;
        script.asked.push(Asked {
            method: request.method().clone(),
            path: request.uri().path_and_query().unwrap().as_str().to_owned(),
            headers: request.headers().clone(),
        });
        let reply = script.next.pop_front().or_else(|| script.standing.clone());
        let reply = reply.unwrap_or_else(Reply::broken);
        let start = self.start;
        Box::pin(async move {
            if !reply.delay.is_zero() {
                tokio::time::sleep(reply.delay).await;
            }
            reply.sent(unix(start), to_head)
        })
    }
}

fn unix(start: Instant) -> u64 {
    START + Instant::now().saturating_duration_since(start).as_secs()
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Served {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Served {
    /// A field; its lines joined.
    pub fn field(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }

    /// `Age`, if there is one.
    pub fn age(&self) -> Option<u64> {
        self.field("age").map(|age| age.parse().unwrap())
    }

    /// What this edge says in Cache-Status.
    pub fn cache_status(&self) -> String {
        let mut lines = self.headers.get_all("cache-status").iter();
        lines.next_back().unwrap().to_str().unwrap().to_owned()
    }

    /// Whether the answer came from the store.
    pub fn is_hit(&self) -> bool {
        self.cache_status().contains("; hit")
    }
}

fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// An edge, its origin and their clocks.
#[derive(Clone, Debug)]
pub struct Site {
    pub origin: Origin,
    pub edge: Edge<Origin>,
}

impl Site {
    /// As it comes.
    pub fn secure() -> Self {
        Self::with(|builder| builder)
    }

    /// Whatever RFC 9111 allows.
    pub fn rfc() -> Self {
        Self::with(|builder| builder.profile(Profile::Rfc))
    }

    /// With other settings.
    pub fn with(change: impl FnOnce(EdgeBuilder) -> EdgeBuilder) -> Self {
        let start = Instant::now();
        let builder = EdgeLayer::builder().seed(1).wall_clock(move || unix(start));
        let origin = Origin::new(start);
        let edge = change(builder).build().unwrap().layer(origin.clone());
        Self { origin, edge }
    }

    /// One answer for this site from now on, and the site.
    pub fn saying(self, reply: Reply) -> Self {
        self.origin.always(reply);
        self
    }

    /// How often the origin was asked.
    pub fn asked(&self) -> usize {
        self.origin.asked()
    }

    /// GETs the front page with these fields.
    pub async fn get(&self, fields: &[(&str, &str)]) -> Served {
        self.ask("GET", "/", fields).await
    }

    /// GETs the front page.
    pub async fn page(&self) -> Served {
        self.get(&[]).await
    }

    /// Sends a request to `example.com`.
    pub async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Served {
        let mut request = Request::builder().method(method).uri(path).header("host", "example.com");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(NoBody::new()).unwrap()).await.unwrap()
    }

    /// Sends a request, reads the answer to its end, and lets what goes on behind it end.
    pub async fn send(&self, request: Request<NoBody>) -> Result<Served, BoxError> {
        let response = self.edge.clone().oneshot(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        settle().await;
        Ok(Served {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
