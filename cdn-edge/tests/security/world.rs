//! An application that answers by what it is asked, behind the edge or behind a cache that knows no danger.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use terrace_cdn_edge::{BoxError, EdgeBuilder, EdgeHandle, EdgeLayer, Profile};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

/// What the wall clock says in the beginning.
pub(crate) const START: u64 = 1_800_000_000;

/// What the application was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn host(&self) -> &str {
        self.uri.host().unwrap_or_else(|| self.field("host"))
    }
}

/// What a client got.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What the edge says in Cache-Status.
    pub(crate) fn said(&self) -> &str {
        let last = self.headers.get_all("cache-status").iter().next_back();
        last.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.said().contains("; hit")
    }
}

/// A page that everybody may have for a minute.
pub(crate) fn page(body: impl Into<Bytes>) -> Response<Bytes> {
    with(body, &[("cache-control", "max-age=60")])
}

/// A page with these fields.
pub(crate) fn with(body: impl Into<Bytes>, fields: &[(&str, &str)]) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    for (name, value) in fields {
        response.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    response
}

type App = Arc<dyn Fn(&Asked) -> Response<Bytes> + Send + Sync>;
/// How many there were, and the last.
type Log = Arc<Mutex<(usize, Option<Asked>)>>;
pub(crate) type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Bytes>, BoxError>;

/// An application behind a cache.
#[derive(Debug)]
pub(crate) struct World {
    log: Log,
    client: Client,
    edge: Option<EdgeHandle>,
}

impl World {
    /// Behind the edge as it comes.
    pub(crate) fn edge(app: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self::with(app, |builder| builder)
    }

    /// Behind an edge that does all that RFC 9111 allows, and is in no one's way.
    pub(crate) fn rfc(app: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self::with(app, |builder| builder.profile(Profile::Rfc))
    }

    /// Behind an edge with other settings.
    pub(crate) fn with(
        app: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static,
        change: impl FnOnce(EdgeBuilder) -> EdgeBuilder,
    ) -> Self {
        let (app, log): (App, Log) = (Arc::new(app), Log::default());
        let layer = change(builder()).build().unwrap();
        let (seen, edge) = (Arc::clone(&log), layer.handle());
        let origin =
            tower::service_fn(move |request| answer(Arc::clone(&app), Arc::clone(&seen), request));
        let client = layer.layer(origin).map_err(BoxError::from).and_then(whole);
        Self { log, client: BoxCloneSyncService::new(client), edge: Some(edge) }
    }

    /// Behind a cache whose key is the path, that stores every answer for ever, and passes on all that it gets.
    pub(crate) fn naive(app: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        let (app, log): (App, Log) = (Arc::new(app), Log::default());
        let seen = Arc::clone(&log);
        let stored: Arc<Mutex<HashMap<String, Response<Bytes>>>> = Arc::default();
        let client = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let path = request.uri().path().to_owned();
            let (app, seen, stored) = (Arc::clone(&app), Arc::clone(&seen), Arc::clone(&stored));
            async move {
                if let Some(response) = stored.lock().unwrap().get(&path) {
                    return Ok(response.clone());
                }
                let Ok(response) = answer(app, seen, request).await;
                let response = whole(response.map(|body| body.map_err(BoxError::from))).await?;
                stored.lock().unwrap().insert(path, response.clone());
                Ok::<_, BoxError>(response)
            }
        });
        Self { log, client: BoxCloneSyncService::new(client), edge: None }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, fields).await
    }

    /// Sends a request to `site.example`, unless the fields name a host or the target does.
    pub(crate) async fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        if target.starts_with('/') && !fields.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "site.example");
        }
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// Sends a request, and lets what goes on behind its answer end.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.client.clone().oneshot(request).await.unwrap();
        settle().await;
        let (parts, body) = response.into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// One GET of very many: a fill has two steps to take behind its answer.
    pub(crate) async fn hurry(&self, path: &str) {
        let request = Request::get(path).header("host", "site.example");
        let request = request.body(Full::default()).unwrap();
        assert_eq!(self.client.clone().oneshot(request).await.unwrap().status(), 200);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }

    /// How often the application was asked.
    pub(crate) fn asked(&self) -> usize {
        self.log.lock().unwrap().0
    }

    /// What it was asked last.
    pub(crate) fn last(&self) -> Asked {
        self.log.lock().unwrap().1.clone().unwrap()
    }

    pub(crate) fn handle(&self) -> &EdgeHandle {
        self.edge.as_ref().unwrap()
    }
}

/// An edge whose clocks only the test moves.
pub(crate) fn builder() -> EdgeBuilder {
    let start = Instant::now();
    let wall = move || START + Instant::now().saturating_duration_since(start).as_secs();
    EdgeLayer::builder().seed(1).wall_clock(wall)
}

async fn answer<B: Body<Data = Bytes, Error: std::fmt::Debug>>(
    app: App,
    log: Log,
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let response = app(&asked).map(Full::new);
    let mut log = log.lock().unwrap();
    *log = (log.0 + 1, Some(asked));
    Ok(response)
}

/// The answer with all of its body.
pub(crate) async fn whole<B: Body<Data = Bytes, Error = BoxError>>(
    response: Response<B>,
) -> Result<Response<Bytes>, BoxError> {
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}

/// Moves the clocks.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
    settle().await;
}

/// Lets all tasks go on until they wait: fills are tasks of their own.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
