//! A hit of the edge: request in, response out, with all semantics on.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Full};
use terrace_cdn_edge::{BoxError, Edge, EdgeLayer, OriginBody};
use tower::{Layer, Service};

use super::{Op, now};

/// Objects that are there; one after the other is asked for.
const OBJECTS: usize = 1_000;
/// Of these, the ones that are asked for all the time.
const HOT: usize = 50;
/// Bytes of each body.
const BODY: usize = 1_024;

/// What answers behind the edge: a response as an application server gives it, ten fields and a body.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    varies: bool,
}

impl Service<Request<OriginBody<Empty<Bytes>>>> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<OriginBody<Empty<Bytes>>>) -> Self::Future {
        let mut response = Response::builder()
            .header("content-type", "text/html; charset=utf-8")
            .header("content-length", BODY)
            .header("cache-control", "public, max-age=86400")
            .header("etag", "\"5f3c1a2b\"")
            .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            .header("server", "origin")
            .header("x-frame-options", "deny")
            .header("x-content-type-options", "nosniff")
            .header("strict-transport-security", "max-age=31536000");
        if self.varies {
            response = response.header("vary", "accept-encoding");
        }
        let response = response.body(Full::new(Bytes::from(vec![b'x'; BODY])));
        ready(Ok(response.unwrap_or_default()))
    }
}

/// How a hit is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plain, of objects that are asked for all the time.
    Plain,
    /// Plain, of many objects in turn: none is asked for again soon.
    Cold,
    /// The response varies on `Accept-Encoding`.
    Varies,
    /// The client has it: 304.
    Conditional,
    /// A range of it: 206.
    Range,
}

/// A hit of terrace-cdn-edge. The time for making the request is in it, as [`Made`] counts alone.
#[derive(Debug)]
pub struct Hit {
    edge: Edge<Origin>,
    requests: Vec<Request<()>>,
    at: usize,
}

impl Hit {
    /// With every object stored.
    ///
    /// # Errors
    ///
    /// If there is no runtime to fill in, or a fill fails.
    pub fn new(kind: Kind) -> Result<Self, BoxError> {
        let layer = EdgeLayer::builder().seed(7).build()?;
        let mut edge = layer.layer(Origin { varies: kind == Kind::Varies });
        let requests = requests(kind)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            for request in &requests {
                let mut whole = made(request);
                whole.headers_mut().remove("range");
                whole.headers_mut().remove("if-none-match");
                edge.call(whole).await?.into_body().collect().await?;
                // The fill stores when the body is whole, in a task of its own.
                tokio::task::yield_now().await;
            }
            Ok::<_, BoxError>(())
        })?;
        let stored = edge.handle().stats().objects;
        if stored != requests.len() {
            return Err(format!("{stored} of {} objects are stored", requests.len()).into());
        }
        let mut hit = Self { edge, requests, at: 0 };
        if kind != Kind::Cold {
            // Until the edge has seen which ones they are.
            hit.repeat(4 * HOT as u64);
        }
        Ok(hit)
    }
}

impl Op for Hit {
    fn once(&mut self) {
        let request = next(&self.requests, &mut self.at);
        let response = now(self.edge.call(request));
        let _ = black_box(response);
    }
}

/// Making the request alone.
#[derive(Debug)]
pub struct Made {
    requests: Vec<Request<()>>,
    at: usize,
}

impl Made {
    /// The same requests as those of a hit.
    ///
    /// # Errors
    ///
    /// If a request cannot be made.
    pub fn new(kind: Kind) -> Result<Self, BoxError> {
        Ok(Self { requests: requests(kind)?, at: 0 })
    }
}

impl Op for Made {
    fn once(&mut self) {
        black_box(next(&self.requests, &mut self.at));
    }
}

fn next(requests: &[Request<()>], at: &mut usize) -> Request<Empty<Bytes>> {
    // In an order that no prefetcher guesses.
    *at = (*at + 619) % requests.len();
    made(&requests[*at])
}

fn requests(kind: Kind) -> Result<Vec<Request<()>>, BoxError> {
    (0..if kind == Kind::Cold { OBJECTS } else { HOT })
        .map(|path| {
            let mut request = Request::builder()
                .uri(format!("/assets/{path}/image.png?v=3"))
                .header("host", "www.example.com")
                .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
                .header("accept", "image/avif,image/webp,*/*;q=0.8")
                .header("accept-encoding", "gzip, deflate, br");
            match kind {
                Kind::Plain | Kind::Cold | Kind::Varies => {}
                Kind::Conditional => request = request.header("if-none-match", "\"5f3c1a2b\""),
                Kind::Range => request = request.header("range", "bytes=100-199"),
            }
            Ok(request.body(())?)
        })
        .collect()
}

fn made(request: &Request<()>) -> Request<Empty<Bytes>> {
    let (method, uri, headers): (Method, Uri, HeaderMap) =
        (request.method().clone(), request.uri().clone(), request.headers().clone());
    let mut made = Request::new(Empty::new());
    *made.method_mut() = method;
    *made.uri_mut() = uri;
    *made.headers_mut() = headers;
    made
}
