//! What an [`AdminService`](crate::admin::AdminService) does with an edge.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::body::OriginBody;
use super::error::BoxError;
use super::handle::EdgeHandle;
use super::miss::Miss;
use super::preload::Fetched;
use super::service::Edge;
use super::shared::Shared;
use crate::admin::{self, Control, Preloaded, Purge, PurgeOutcome, PurgeTarget, Report};
use crate::key::Key;
use crate::purge::{Mode, Sequence};
use crate::semantics::{Facts, Reason};

/// Preloads of one request that run at once: enough to hide the way to the origin, too few to be its load.
const AT_ONCE: usize = 8;
/// Keys in the report of those that are not found.
const TOP: usize = 32;

/// An edge as its operators see it: purged, filled and looked at. From [`Edge::control`].
///
/// **Purging** takes URLs as people write them: in any case of the host, with or without the default port, with
/// parameters that the key leaves out. A URL and a group are purged under the scheme that they name *and* under the
/// one that the key gives to requests without one ([`KeyRules`](crate::key::KeyRules)), so that nobody has to know
/// where TLS ends. Too much may be purged, too little never.
///
/// **Preloading** asks as a client of HTTP/1.1 would, with a path and a `Host`, and the fields that
/// [`with_headers`](Self::with_headers) names. Only hosts that were [listed](Self::with_host) are asked for: what
/// is inside the edge may be a client for any host. What is stored and fresh is left alone; what was purged is
/// fetched anew, also if it is on its way. Preloads are no requests of clients: they do not count in the hit ratio.
///
/// A result is `fetched`, `validated` (304), `fresh` (it was there) or `joined` (a client was fetching it); or it is
/// not stored, for a [`Reason`] or because it was `not-kept` by the memory or is of a `host-not-listed`.
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use http::{Request, Response, Uri};
/// use http_body_util::{Empty, Full};
/// use terrace_cdn_edge::admin::Control as _;
/// use terrace_cdn_edge::{EdgeLayer, OriginBody};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// type Body = Empty<Bytes>;
/// let origin = service_fn(|_: Request<OriginBody<Body>>| async {
///     let image = Response::builder().header("cache-control", "max-age=60");
///     Ok::<_, Infallible>(image.body(Full::from("image")).unwrap())
/// });
/// let edge = EdgeLayer::builder().build()?.layer(origin);
/// let control = edge.control::<Body>().with_host("example.org");
///
/// let done = control.preload(vec![Uri::from_static("https://example.org/a.png?v=2")]).await;
/// assert_eq!((done[0].stored, done[0].reason), (true, "fetched"));
///
/// let request = Request::get("/a.png?v=2").header("host", "example.org").body(Body::new())?;
/// edge.clone().oneshot(request).await?;
/// assert_eq!(control.report().hit_ratio, 1.0);
/// # Ok(())
/// # }
/// ```
pub struct EdgeControl<S, B> {
    // Locked for a clone: what is inside need not be `Sync`.
    inner: Mutex<S>,
    handle: EdgeHandle,
    hosts: Hosts,
    headers: HeaderMap,
    carries: PhantomData<fn(B)>,
}

enum Hosts {
    Listed(Vec<String>),
    Any,
}

impl<S: Clone> Edge<S> {
    /// What an [`AdminService`](crate::admin::AdminService) is built over. `B` is the body of clients' requests.
    ///
    /// It may preload nothing until hosts are [listed](EdgeControl::with_host).
    #[must_use]
    pub fn control<B>(&self) -> EdgeControl<S, B> {
        EdgeControl {
            inner: Mutex::new(self.inner.clone()),
            handle: self.handle(),
            hosts: Hosts::Listed(Vec::new()),
            headers: HeaderMap::new(),
            carries: PhantomData,
        }
    }
}

impl<S, B> EdgeControl<S, B> {
    /// Lets URLs of this host be preloaded: `example.org`, with a port if it is not the default one.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        let host = host.into().to_ascii_lowercase();
        match &mut self.hosts {
            Hosts::Listed(hosts) => hosts.push(host),
            Hosts::Any => {}
        }
        self
    }

    /// Lets URLs of any host be preloaded: where the service inside goes to one origin, whatever the host.
    #[must_use]
    pub fn with_any_host(mut self) -> Self {
        self.hosts = Hosts::Any;
        self
    }

    /// Fields of the requests that preload; none by default. Where the origin's answers vary on `Accept-Encoding`,
    /// what browsers send should be in it, or what is preloaded is not what they get.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    fn may_preload(&self, key: &Key) -> bool {
        match &self.hosts {
            Hosts::Listed(hosts) => hosts.iter().any(|host| host.as_bytes() == key.authority()),
            Hosts::Any => true,
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// What is to be asked for one URL, or what became of it already.
    fn ask_for(&self, url: &Uri) -> Result<Miss<S>, Fetched>
    where
        S: Clone,
    {
        let shared = self.shared();
        let invalid = || Fetched::no(Reason::BadHeader);
        let path = url.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = self.headers.clone();
        let key = Key::of(url, &HeaderMap::new(), &shared.keys, shared.seed);
        let key = key.map_err(|_| invalid())?;
        let host = HeaderValue::from_bytes(key.authority()).map_err(|_| invalid())?;
        request.headers_mut().insert(header::HOST, host);
        // Its key as a client's request has it, of whatever scheme the URL is.
        let facts = Facts::read(&request, &shared.rules);
        let key = shared.read(&request, &facts).map_err(|failure| Fetched::no(failure.reason()))?;
        if !self.may_preload(&key) {
            return Err(Fetched { stored: false, reason: "host-not-listed" });
        }
        let key = shared.settle(key);
        let want = shared.lacks(&key, &facts, request.headers(), shared.clock.now())?;
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (parts, ()) = request.into_parts();
        Ok(Miss { shared: Arc::clone(shared), inner, parts: Arc::new(parts), facts, key, want })
    }

    /// The forms of a URL under which a key may have it: with its own scheme, and with that of requests without one.
    fn forms(&self, url: &Uri) -> Vec<Uri> {
        let usual = self.shared().keys.scheme;
        let mut forms = vec![url.clone()];
        if url.scheme_str() != Some(usual) {
            let mut parts = url.clone().into_parts();
            parts.scheme = Some(if usual == "https" { Scheme::HTTPS } else { Scheme::HTTP });
            parts.authority = self.authority(url).parse().ok().or(parts.authority);
            forms.extend(Uri::from_parts(parts).ok());
        }
        forms
    }

    /// The host of a URL as a key has it: in lower case, and without the port that its scheme implies.
    fn authority(&self, url: &Uri) -> String {
        let shared = self.shared();
        let key = Key::of(url, &HeaderMap::new(), &shared.keys, shared.seed);
        key.map(|key| String::from_utf8_lossy(key.authority()).into_owned()).unwrap_or_default()
    }

    fn purge_url(&self, url: &str, mode: Mode) -> Option<Sequence> {
        let url: Uri = url.parse().ok()?;
        let numbers = self.forms(&url).into_iter();
        numbers.filter_map(|form| self.handle.purge_url(&form, mode)).last()
    }

    fn purge_path(&self, url: &str, mode: Mode) -> Option<Sequence> {
        let url: Uri = url.parse().ok()?;
        Some(self.handle.purge_path(&self.authority(&url), url.path(), mode))
    }

    fn purge_group(&self, origin: &str, name: &str, mode: Mode) -> Option<Sequence> {
        let url: Uri = origin.parse().ok()?;
        let numbers = self.forms(&url).into_iter().map(|form| {
            let scheme = form.scheme_str().unwrap_or("http");
            let origin = format!("{scheme}://{}", self.authority(&form));
            self.handle.purge_group(&origin, name, mode)
        });
        numbers.last()
    }

    fn purge_prefix(&self, prefix: &str, mode: Mode) -> Sequence {
        let (authority, path) = prefix.split_at(prefix.find('/').unwrap_or(prefix.len()));
        // Whether a port is the default one depends on the scheme, which a prefix does not have.
        let bare = authority.strip_suffix(":443").or(authority.strip_suffix(":80"));
        if let Some(bare) = bare {
            self.handle.purge_prefix(&format!("{bare}{path}"), mode);
        }
        self.handle.purge_prefix(prefix, mode)
    }
}

impl<S, B, RB> Control for EdgeControl<S, B>
where
    S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    fn purge(&self, purge: Purge) -> PurgeOutcome {
        let mode = purge.mode;
        let sequence = match &purge.target {
            PurgeTarget::Url(url) => self.purge_url(url, mode),
            PurgeTarget::UrlPath(url) => self.purge_path(url, mode),
            PurgeTarget::Tag(tag) => Some(self.handle.purge_tag(tag, mode)),
            PurgeTarget::Group { origin, name } => self.purge_group(origin, name, mode),
            PurgeTarget::Prefix(prefix) => Some(self.purge_prefix(prefix, mode)),
            PurgeTarget::All => Some(self.handle.purge_all(mode)),
        };
        // What cannot be a key is not stored, and so is gone.
        let sequence = sequence.unwrap_or_else(|| self.shared().invalidations.now());
        PurgeOutcome { sequence }
    }

    async fn preload(&self, urls: Vec<Uri>) -> Vec<Preloaded> {
        let fetches: Vec<_> = urls
            .into_iter()
            .map(|url| {
                // Looked up only when it is its turn: an earlier one may be the same.
                async move {
                    let fetched = match self.ask_for(&url) {
                        Ok(miss) => miss.preload::<B, RB>().await,
                        Err(fetched) => fetched,
                    };
                    let Fetched { stored, reason } = fetched;
                    Preloaded { url: url.to_string(), stored, reason }
                }
            })
            .collect();
        stream::iter(fetches).buffered(AT_ONCE).collect().await
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    fn report(&self) -> Report {
        let stats = self.handle.stats();
        let all = stats.hits + stats.misses + stats.collapsed + stats.failures;
        let mut decisions: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for decision in self.handle.decisions() {
            let reasons = decisions.entry(decision.outcome.as_str()).or_default();
            reasons.insert(decision.reason.as_str(), decision.count);
        }
        let shown = |miss: crate::telemetry::TopMiss| admin::Miss {
            url: miss.url,
            count: miss.count,
            reason: miss.reason.as_str(),
            bytes: miss.bytes,
        };
        Report {
            hit_ratio: (stats.hits + stats.collapsed) as f64 / all.max(1) as f64,
            origin_requests: stats.origin_requests,
            origin_down: stats.origin_down,
            purges: stats.purges,
            evictions: stats.evictions,
            objects: stats.objects as u64,
            bytes: stats.bytes,
            capacity: stats.capacity,
            in_flight: stats.in_flight as u64,
            from_origin_bytes: stats.origin_bytes,
            served_bytes: stats.served_bytes,
            top_misses: self.handle.top_misses(TOP).into_iter().map(shown).collect(),
            decisions,
        }
    }
}

impl<S, B> fmt::Debug for EdgeControl<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeControl").field("handle", &self.handle).finish_non_exhaustive()
    }
}
