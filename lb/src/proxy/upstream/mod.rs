//! One endpoint's connections as a tower service.
//!
//! hyper-util's pooled client keeps the connections of all hosts behind one lock, keeps idle ones
//! for 90 seconds and may repeat a request after errors that do not prove it unsent. A proxy needs
//! the opposite of each: an [`Upstream`] belongs to one endpoint, lets idle connections go before
//! the endpoint does, and says of every failure whether the request got out.

mod body;
mod builder;
mod connect;
mod error;
mod h1;
mod h2;
mod pool;
mod relay;
mod send_body;

pub use body::UpstreamBody;
pub use builder::{Protocol, UpstreamBuildError, UpstreamBuilder};
pub use connect::Connect;
#[cfg(unix)]
pub use connect::UnixConnector;
pub use error::{Phase, UpstreamError};

pub(crate) use crate::BoxError;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::Instant;
use tower_service::Service;

use self::h1::{Answer, H1};
use self::h2::H2;
use self::pool::{Limits, Pool};
use self::send_body::SendBody;
use super::ProxyBody;

/// One endpoint's connection pool: sends requests over connections that it opens, reuses and
/// closes.
///
/// Requests come as a server gets them: a path for a target and the authority in `Host`, which
/// passes as it is. The body's kind decides the framing, whatever the head says. Hop-by-hop fields
/// are the [`ReverseProxy`](super::ReverseProxy)'s business.
///
/// # Examples
///
/// ```
/// use terrace_lb::proxy::{ProxyBody, Upstream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let upstream: Upstream = Upstream::new("127.0.0.1:3001")?;
/// # drop(upstream);
/// # Ok(())
/// # }
/// ```
///
/// A server on a Unix socket, whose idle connections may stay for a minute:
///
/// ```
/// # #[cfg(unix)]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use terrace_lb::proxy::{ProxyBody, UnixConnector, Upstream};
///
/// let upstream: Upstream<_, ProxyBody> = Upstream::builder("app.internal")
///     .connector(UnixConnector::new("/run/app.sock"))
///     .idle_timeout(Duration::from_secs(60))
///     .build()?;
/// # drop(upstream);
/// # Ok(())
/// # }
/// # #[cfg(not(unix))] fn main() {}
/// ```
///
/// # Errors
///
/// [`UpstreamError`] says at which [`Phase`] the exchange failed and whether the request may have
/// reached the endpoint. A pooled connection that turns out dead before anything was written is
/// replaced without an error.
///
/// # Cancel safety
///
/// Dropping the response future, or the response body before its end, closes the connection (or
/// resets the stream, on HTTP/2): bytes that nobody read are never taken for the next response.
///
/// # Clone
///
/// Clones share the pool. It closes with the last of them.
pub struct Upstream<C = HttpConnector, B = ProxyBody> {
    shared: Arc<Shared<C, B>>,
}

struct Shared<C, B> {
    connector: C,
    config: Config,
    protocol: Connections<B>,
}

enum Connections<B> {
    H1(Arc<Pool<B>>),
    H2(H2<B>),
}

/// What the builder settles.
#[derive(Debug, Clone)]
struct Config {
    uri: Uri,
    connect_timeout: Duration,
    head_timeout: Duration,
    limits: Limits,
}

impl<B> Upstream<HttpConnector, B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// An HTTP/1 endpoint at `host:port`, with the defaults of [`UpstreamBuilder`].
    ///
    /// # Errors
    ///
    /// The address is not a host with a port.
    pub fn new(address: &str) -> Result<Self, UpstreamBuildError> {
        Upstream::builder(address).build()
    }
}

impl Upstream {
    /// Starts describing an endpoint at this `host:port`.
    pub fn builder(address: impl Into<String>) -> UpstreamBuilder {
        UpstreamBuilder::new(address.into())
    }
}

impl<C, B> Upstream<C, B>
where
    C: Connect,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    fn from_parts(connector: C, config: Config, protocol: Protocol) -> Self {
        let protocol = match protocol {
            Protocol::Http1 => Connections::H1(Pool::new(config.limits)),
            Protocol::Http2 => Connections::H2(H2::new()),
        };
        let shared = Shared { connector, config, protocol };
        Self { shared: Arc::new(shared) }
    }

    /// How many HTTP/1 connections wait for a request now.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        match &self.shared.protocol {
            Connections::H1(pool) => pool.idle_count(),
            Connections::H2(_) => 0,
        }
    }

    /// Opens a connection of its own, outside the pool: what a health check asks on.
    pub(super) async fn dial(&self) -> Result<(C::Io, Protocol, Uri), UpstreamError<B>> {
        let config = &self.shared.config;
        let protocol = match self.shared.protocol {
            Connections::H1(_) => Protocol::Http1,
            Connections::H2(_) => Protocol::Http2,
        };
        match connect_within(&self.shared.connector, config).await {
            Ok(io) => Ok((io, protocol, config.uri.clone())),
            Err((phase, source)) => Err(UpstreamError::not_connected(phase, source)),
        }
    }
}

impl<C, B> Shared<C, B>
where
    C: Connect,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    async fn exchange(
        self: Arc<Self>,
        request: Request<B>,
    ) -> Result<Response<UpstreamBody<B>>, UpstreamError<B>> {
        match &self.protocol {
            Connections::H1(pool) => self.exchange_h1(pool, request).await,
            Connections::H2(connections) => {
                let exchanged = connections.exchange(&self.connector, &self.config, request).await;
                exchanged.map(|(response, stream)| {
                    response.map(|incoming| UpstreamBody::h2(incoming, stream))
                })
            }
        }
    }

    async fn exchange_h1(
        &self,
        pool: &Arc<Pool<B>>,
        mut request: Request<B>,
    ) -> Result<Response<UpstreamBody<B>>, UpstreamError<B>> {
        h1::frame(&mut request);
        loop {
            let now = Instant::now();
            let pooled = pool.checkout(now);
            let reused = pooled.is_some();
            let connection = match pooled {
                Some(connection) => connection,
                None => match self.connect_h1().await {
                    Ok(connection) => connection,
                    Err((phase, source)) => {
                        return Err(UpstreamError::unsent(phase, request, source));
                    }
                },
            };
            let sending = request.map(SendBody::new);
            let answered = connection.exchange(sending, self.config.head_timeout, now).await;
            return Ok(match answered {
                Ok(Answer::Idle(response, connection)) => {
                    pool.checkin(connection);
                    response.map(UpstreamBody::detached)
                }
                Ok(Answer::Streaming(response, connection)) => response
                    .map(|incoming| UpstreamBody::h1(incoming, connection, Arc::clone(pool))),
                Ok(Answer::Detached(response)) => response.map(UpstreamBody::detached),
                Err(mut error) => {
                    // The endpoint closed an idle connection while we took it out. Each round
                    // uses one up, so this ends at the latest with a fresh connection.
                    if reused && let Some(unsent) = error.take_request() {
                        request = unsent;
                        continue;
                    }
                    return Err(error);
                }
            });
        }
    }

    async fn connect_h1(&self) -> Result<Box<H1<B>>, (Phase, Option<BoxError>)> {
        let io = connect_within(&self.connector, &self.config).await?;
        let opened = H1::handshake(io, Instant::now()).await;
        opened.map_err(|error| (Phase::Connect, Some(error.into())))
    }
}

async fn connect_within<C: Connect>(
    connector: &C,
    config: &Config,
) -> Result<C::Io, (Phase, Option<BoxError>)> {
    let connecting = connector.connect(config.uri.clone());
    match tokio::time::timeout(config.connect_timeout, connecting).await {
        Ok(Ok(io)) => Ok(io),
        Ok(Err(error)) => Err((Phase::Connect, Some(error))),
        Err(elapsed) => Err((Phase::ConnectTimeout, Some(elapsed.into()))),
    }
}

impl<C, B> Service<Request<B>> for Upstream<C, B>
where
    C: Connect,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UpstreamBody<B>>;
    type Error = UpstreamError<B>;
    type Future = UpstreamFuture<B>;

    /// Always ready: whether a connection is at hand is found out in the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        UpstreamFuture { inner: Box::pin(Arc::clone(&self.shared).exchange(request)) }
    }
}

impl<C, B> Clone for Upstream<C, B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C, B> fmt::Debug for Upstream<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("uri", &self.shared.config.uri).finish_non_exhaustive()
    }
}

type Exchange<B> = dyn Future<Output = Result<Response<UpstreamBody<B>>, UpstreamError<B>>> + Send;

/// The future of [`Upstream`]: a response whose body is still to come.
#[must_use = "futures do nothing unless polled"]
pub struct UpstreamFuture<B> {
    inner: Pin<Box<Exchange<B>>>,
}

impl<B> Future for UpstreamFuture<B> {
    type Output = Result<Response<UpstreamBody<B>>, UpstreamError<B>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx)
    }
}

impl<B> fmt::Debug for UpstreamFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamFuture").finish_non_exhaustive()
    }
}
