use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{EdgeBody, OriginBody};
use super::builder::EdgeBuilder;
use super::error::BoxError;
use super::fill::Fill;
use super::future::EdgeFuture;
use super::handle::EdgeHandle;
use super::miss::Miss;
use super::pass;
use super::shared::{Ask, Shared};
use crate::semantics::{Facts, Reason, Verb};

/// Puts an edge cache in front of a service: what it does to a request is drawn on the [crate's page](crate).
///
/// # Examples
///
/// As it comes, in front of a service:
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{Empty, Full};
/// use terrace_cdn_edge::{EdgeLayer, OriginBody};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let origin = service_fn(async |_: Request<OriginBody<Empty<Bytes>>>| {
///     Response::builder().header("cache-control", "max-age=60").body(Full::new(Bytes::from("hello")))
/// });
/// let edge = EdgeLayer::builder().build()?.layer(origin);
/// let request = Request::get("http://example.com/").body(Empty::new())?;
/// let response = edge.oneshot(request).await?;
/// assert_eq!(response.headers()["cache-status"], "terrace; fwd=uri-miss; fwd-status=200; ttl=60; stored; detail=miss");
/// # Ok(())
/// # }
/// ```
///
/// Adjusted, for a site with versioned images behind a TLS terminator, whose pages may be a minute late:
///
/// ```
/// use terrace_cdn_edge::EdgeLayer;
/// use terrace_cdn_edge::key::{KeyRules, Query, VersionParam};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = EdgeLayer::builder()
///     .name("edge-eu")
///     .memory(2 << 30)
///     .keys(KeyRules::default().https().query(Query::without(["utm_*"])).version(VersionParam::new("v", 4)))
///     .rules(|rules| rules.stale_while_revalidate = 60)
///     .build()?;
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
///
/// What cannot be is an error that names it:
///
/// ```
/// # use terrace_cdn_edge::EdgeLayer;
/// let error = EdgeLayer::builder().memory(10).build().unwrap_err();
/// assert_eq!(error.to_string(), "memory of 10 bytes: at least 65536 are needed");
/// ```
///
/// # Clone
///
/// Clones, and all services that they make, share one cache.
#[derive(Clone)]
pub struct EdgeLayer {
    pub(super) shared: Arc<Shared>,
}

impl EdgeLayer {
    /// A layer with other settings than the default ones.
    pub fn builder() -> EdgeBuilder {
        EdgeBuilder::new()
    }

    /// The way to purge, preload and look inside.
    #[must_use]
    pub fn handle(&self) -> EdgeHandle {
        EdgeHandle { shared: Arc::clone(&self.shared) }
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, shared: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for EdgeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EdgeLayer").field(&self.shared).finish()
    }
}

/// A service behind an edge cache.
///
/// It is always ready: a hit needs nothing of the service inside, which is driven to readiness where it is
/// called. Its errors are those of the service inside, for requests that were passed on; when a response that
/// may be stored cannot be had, the answer is a 502 or 504 with an [`EdgeFailure`](super::EdgeFailure) in its
/// extensions.
///
/// # Cancel safety
///
/// A request that is dropped takes its own answer along, and nothing of what others wait for: fills run in tasks
/// of their own.
#[derive(Clone)]
pub struct Edge<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

impl<S> Edge<S> {
    /// The way to purge, preload and look inside.
    #[must_use]
    pub fn handle(&self) -> EdgeHandle {
        EdgeHandle { shared: Arc::clone(&self.shared) }
    }
}

impl<S, B, RB> Service<Request<B>> for Edge<S>
where
    S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Response = Response<EdgeBody>;
    type Error = S::Error;
    type Future = EdgeFuture<S::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> EdgeFuture<S::Error> {
        let shared = &self.shared;
        let facts = Facts::read(&request, &shared.rules);
        let key = match shared.read(&request, &facts) {
            Ok(key) => key,
            Err(failure) => {
                let reason = failure.reason();
                return EdgeFuture::ready(shared.refusal(failure, reason));
            }
        };
        if matches!(facts.verb, Verb::Safe | Verb::Unsafe) {
            return self.pass(request, facts, key, Reason::Method);
        }
        let key = shared.settle(key);
        match shared.ask(&key, &facts, request.headers(), shared.clock.now()) {
            Ask::Answer(response, behind) => {
                if let Some(object) = behind {
                    self.refresh::<B, RB>(request, &facts, key, object);
                }
                EdgeFuture::ready(response)
            }
            Ask::Pass(reason) => self.pass(request, facts, key, reason),
            Ask::Origin(want) => {
                let (shared, inner) = (Arc::clone(shared), self.inner.clone());
                let (parts, _) = request.into_parts();
                let miss = Miss { shared, inner, parts: Arc::new(parts), facts, key, want };
                EdgeFuture::boxed(async move { Ok(miss.answer::<B, RB>().await) })
            }
        }
    }
}

impl<S> Edge<S> {
    fn pass<B, RB>(
        &self,
        request: Request<B>,
        facts: Facts,
        key: crate::key::Key,
        reason: Reason,
    ) -> EdgeFuture<S::Error>
    where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        EdgeFuture::boxed(pass::pass(
            Arc::clone(&self.shared),
            self.inner.clone(),
            request,
            facts,
            key,
            reason,
        ))
    }

    /// Asks for a stale response again while it is served, unless somebody does already.
    fn refresh<B, RB>(
        &self,
        request: Request<B>,
        facts: &Facts,
        key: crate::key::Key,
        object: Arc<crate::object::Object>,
    ) where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let varies = object.stored.selecting().map(|selecting| selecting.names().to_vec());
        // A stored response is refreshed as a whole, whatever part of it was asked for.
        let facts = Facts {
            verb: Verb::Get,
            range: facts.range && object.stored.span().is_some(),
            ..facts.clone()
        };
        let flight = self.shared.flight_key(&key, varies.as_deref(), &facts, request.headers());
        let Some(lead) = self.shared.flights.begin(flight, self.shared.changes.now()) else {
            return;
        };
        let (parts, _) = request.into_parts();
        let fill = Fill {
            shared: Arc::clone(&self.shared),
            inner: self.inner.clone(),
            parts: Arc::new(parts),
            facts,
            key,
            stored: Some(object),
            lead: Some(lead),
            first: None,
            began: self.shared.changes.now(),
        };
        tokio::spawn(fill.run::<B, RB>());
    }
}

impl<S: fmt::Debug> fmt::Debug for Edge<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("inner", &self.inner).field("shared", &self.shared).finish()
    }
}
