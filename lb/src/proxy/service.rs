//! The service: check, clean, forward.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::ProxyBody;
use super::call::Call;
use super::failure::{Failure, Reason};
use super::forwarded::{Forwarding, TrustedProxies};
use super::future::ProxyFuture;
use super::peer::Peer;
use super::response::ProxyResponseBody;
use super::upgrade::Asked;
use super::{headers, host};
use crate::BoxError;

/// Forwards HTTP requests to the service inside it: a [`Balance`](crate::Balance) over
/// [`Upstream`](super::Upstream)s, one `Upstream`, or anything else that answers requests.
///
/// See the [module](super) for the rules it keeps. Its error is [`Infallible`]: what fails becomes
/// a response, with the [`Reason`] in its extensions.
///
/// # Cancel safety
///
/// Dropping the response future or its body drops the exchange with the endpoint.
///
/// # Clone
///
/// Clones share the settings and clone the inner service.
#[derive(Clone)]
pub struct ReverseProxy<S> {
    inner: S,
    settings: Arc<Settings>,
    peer: Option<Peer>,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    forwarding: Forwarding,
    upgrades: Vec<String>,
    pub(super) retry_after: Option<Duration>,
}

impl<S> ReverseProxy<S> {
    /// A proxy with the defaults: no proxy in front of it is trusted, WebSocket upgrades pass,
    /// clients of a failed request are asked back in a second.
    pub fn new(inner: S) -> Self {
        let settings = Settings {
            forwarding: Forwarding::default(),
            upgrades: vec!["websocket".to_owned()],
            retry_after: Some(Duration::from_secs(1)),
        };
        Self { inner, settings: Arc::new(settings), peer: None }
    }

    /// Sets whose word about clients is believed. Default: nobody's.
    #[must_use]
    pub fn trusted_proxies(mut self, trusted: TrustedProxies) -> Self {
        self.settings_mut().forwarding.trusted = trusted;
        self
    }

    /// Writes the `Forwarded` field (RFC 7239) beside `X-Forwarded-*`. Default: off, because few
    /// applications read it.
    #[must_use]
    pub fn forwarded(mut self, on: bool) -> Self {
        self.settings_mut().forwarding.rfc7239 = on;
        self
    }

    /// Sets the protocols that clients may upgrade to. Default: `websocket` alone.
    #[must_use]
    pub fn upgrades<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.settings_mut().upgrades = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the `Retry-After` of 502, 503 and 504, in whole seconds and at least one. Default: one
    /// second, in which a health check or a restart may have changed the picture. `None` leaves
    /// the field out.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.settings_mut().retry_after = wait;
        self
    }

    /// Says who all requests of this clone come from, instead of a [`Peer`] in each request's
    /// extensions: cheaper where a clone serves one connection.
    #[must_use]
    pub fn for_peer(mut self, peer: Peer) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    /// Makes of the client's request the one that the endpoint gets.
    fn prepare<B>(&self, request: &mut Request<B>) -> Result<Option<Asked>, Reason> {
        let method = request.method();
        if method == Method::CONNECT {
            return Err(Reason::Connect);
        }
        let takes_asterisk = method == Method::OPTIONS;
        let counts_hops = takes_asterisk || method == Method::TRACE;
        let host = settle_host(request, takes_asterisk)?;
        let removed = headers::clean_request(request.headers_mut()).map_err(Reason::Header)?;
        if counts_hops && removed.max_forwards {
            let left = headers::count_down_max_forwards(request.headers_mut());
            if !left.map_err(Reason::Header)? {
                return Err(Reason::MaxForwards);
            }
        }
        let asked = Asked::take(request, removed.upgrade, &self.settings.upgrades);
        let known;
        let peer = match &self.peer {
            Some(peer) => Some(peer),
            None => {
                known = request.extensions().get::<Peer>().cloned();
                known.as_ref()
            }
        };
        let forwarding = &self.settings.forwarding;
        forwarding.apply(request.headers_mut(), peer, &host, removed.forwarding);
        Ok(asked)
    }
}

fn settle_host<B>(request: &mut Request<B>, takes_asterisk: bool) -> Result<HeaderValue, Reason> {
    // Both are parts of one request: taken out for a moment to be changed together.
    let mut uri = std::mem::take(request.uri_mut());
    let settled = host::settle(&mut uri, request.headers_mut());
    let is_asterisk = uri.path() == "*";
    *request.uri_mut() = uri;
    if is_asterisk && !takes_asterisk {
        return Err(Reason::Host(host::HostRejection::Target));
    }
    settled.map_err(Reason::Host)
}

impl<S, B, ResB> Service<Request<B>> for ReverseProxy<S>
where
    S: Service<Request<ProxyBody>, Response = Response<ResB>> + Clone,
    S::Error: Failure,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ProxyResponseBody<ResB>>;
    type Error = Infallible;
    type Future = ProxyFuture<S>;

    /// Always ready: some requests never reach the inner service, so its readiness must not be
    /// used up before the request is seen.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ProxyFuture<S> {
        match self.prepare(&mut request) {
            Ok(asked) => {
                let call = Call::new(&mut self.inner, request.map(ProxyBody::new));
                ProxyFuture::forward(call, asked, Arc::clone(&self.settings))
            }
            Err(reason) => ProxyFuture::refuse(reason, Arc::clone(&self.settings)),
        }
    }
}

impl<S> fmt::Debug for ReverseProxy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReverseProxy").field("settings", &self.settings).finish_non_exhaustive()
    }
}
