//! An edge in process, before an origin that is a function.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use terrace_cdn_edge::{Edge, EdgeBody, EdgeBuilder, EdgeHandle, EdgeLayer, OriginBody};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const START: u64 = 1_800_000_000;

pub(crate) type NoBody = Empty<Bytes>;
pub(crate) type Asked = Request<OriginBody<NoBody>>;
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;
pub(crate) type Answered = Result<Answer, io::Error>;
type Origin = BoxCloneSyncService<Asked, Answer, io::Error>;

#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) edge: Edge<Origin>,
    pub(crate) handle: EdgeHandle,
    asked: Arc<AtomicUsize>,
}

/// An answer with a body of known length.
pub(crate) fn whole(control: &str, body: impl Into<Bytes>) -> Answer {
    let answer = Response::builder().header("cache-control", control).header("etag", "\"1\"");
    answer.body(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()).unwrap()
}

/// An answer of unknown length, in these pieces.
pub(crate) fn chunked(control: &str, pieces: &[&'static str]) -> Answer {
    let frames: Vec<Result<Frame<Bytes>, io::Error>> =
        pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
    // A moment before each, or all of it would be there before its reader is.
    let frames = futures_util::stream::iter(frames).then(|frame| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        frame
    });
    let body = StreamBody::new(frames).boxed_unsync();
    Response::builder().header("cache-control", control).body(body).unwrap()
}

pub(crate) fn status(status: u16) -> Answer {
    let mut answer = whole("max-age=0", "trouble");
    *answer.status_mut() = status.try_into().unwrap();
    answer
}

pub(crate) fn gone() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// By default: a deterministic clock and seed.
pub(crate) fn edge() -> EdgeBuilder {
    let start = Instant::now();
    let wall = move || START + Instant::now().saturating_duration_since(start).as_secs();
    EdgeLayer::builder().seed(1).wall_clock(wall)
}

impl Site {
    /// Answers at once.
    pub(crate) fn new(
        builder: EdgeBuilder,
        answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static,
    ) -> Self {
        Self::waiting(builder, move |asked| {
            let answer = answer(&asked);
            Box::pin(async move { answer })
        })
    }

    pub(crate) fn waiting(
        builder: EdgeBuilder,
        answer: impl Fn(Asked) -> BoxFuture<'static, Answered> + Send + Sync + 'static,
    ) -> Self {
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let count = Arc::clone(&asked);
        let origin = service_fn(move |request: Asked| {
            count.fetch_add(1, SeqCst);
            answer(request)
        });
        let layer = builder.build().unwrap();
        let edge = layer.layer(BoxCloneSyncService::new(origin));
        Self { edge, handle: layer.handle(), asked }
    }

    /// How often the origin was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    pub(crate) async fn send(&self, request: Request<NoBody>) -> Response<EdgeBody> {
        self.edge.clone().oneshot(request).await.unwrap()
    }

    /// The whole body of a GET.
    pub(crate) async fn get(&self, path: &str) -> String {
        let answer = self.send(request(Method::GET, path, &[])).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        // What is stored is stored after its last byte, by a task of its own.
        settle().await;
        String::from_utf8(body.to_vec()).unwrap()
    }
}

pub(crate) fn request(method: Method, path: &str, fields: &[(&str, &str)]) -> Request<NoBody> {
    let mut request = Request::builder().method(method).uri(path).header("host", "example.org");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(NoBody::new()).unwrap()
}

/// Lets all tasks go on until they wait.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
