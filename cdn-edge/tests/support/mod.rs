//! An origin that does what a test says, an edge in front of it, and clients.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, stream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use terrace_cdn_edge::{BoxError, Edge, EdgeBuilder, EdgeLayer, OriginBody};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Answer = Result<Response<Body>, BoxError>;

/// Seconds since 1970 at the beginning of a test.
pub(crate) const BEGIN: u64 = 1_800_000_000;

/// An origin that counts.
#[derive(Clone)]
pub(crate) struct Origin {
    answer: Arc<dyn Fn(Asked) -> BoxFuture<'static, Answer> + Send + Sync>,
    asked: Arc<AtomicUsize>,
}

/// A request, as the origin sees it.
pub(crate) struct Asked {
    /// How many came before.
    pub(crate) number: usize,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// A field's value; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Origin {
    pub(crate) fn new<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let answer =
            Arc::new(move |asked| -> BoxFuture<'static, Answer> { Box::pin(answer(asked)) });
        Self { answer, asked: Arc::default() }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl<B> Service<Request<OriginBody<B>>> for Origin {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OriginBody<B>>) -> Self::Future {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let (parts, _) = request.into_parts();
        let path = parts.uri.path_and_query().unwrap().to_string();
        (self.answer)(Asked { number, method: parts.method, path, headers: parts.headers })
    }
}

/// An edge on the test's clock.
pub(crate) fn edge<S>(origin: S, adjust: impl FnOnce(EdgeBuilder) -> EdgeBuilder) -> Edge<S> {
    let start = Instant::now();
    let wall = move || BEGIN + Instant::now().saturating_duration_since(start).as_secs();
    adjust(EdgeLayer::builder().seed(1).wall_clock(wall)).build().unwrap().layer(origin)
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://example.com{path}")).body(Empty::new()).unwrap()
}

pub(crate) async fn ask<S, RB>(service: &S, request: Request<Empty<Bytes>>) -> Response<RB>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<RB>, Error: Debug> + Clone,
{
    service.clone().oneshot(request).await.unwrap()
}

/// The whole body, or why there is none.
pub(crate) async fn text<RB>(response: Response<RB>) -> Result<String, BoxError>
where
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let whole = response.into_body().collect().await.map_err(Into::into)?;
    Ok(String::from_utf8(whole.to_bytes().to_vec())?)
}

/// Asks, and reads the answer.
pub(crate) async fn page<S, RB>(service: &S, path: &str) -> (StatusCode, String)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<RB>, Error: Debug> + Clone,
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let response = ask(service, get(path)).await;
    (response.status(), text(response).await.unwrap())
}

/// A response with these fields.
pub(crate) fn answer(fields: &[(&str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    response
}

pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = answer(&[], full("error"));
    *response.status_mut() = status;
    response
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of unknown length.
pub(crate) fn frames(frames: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Body {
    StreamBody::new(frames.map(|data| data.map(Frame::data))).boxed_unsync()
}

pub(crate) type Feed = mpsc::UnboundedSender<Result<Bytes, BoxError>>;

/// A body that the test sends piece by piece, and that ends when the other end is dropped.
pub(crate) fn fed() -> (Feed, Body) {
    let (feed, pieces) = mpsc::unbounded_channel();
    let pieces = stream::unfold(pieces, |mut pieces| async {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    (feed, frames(pieces))
}

/// Lets everybody go on until all of them wait.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
