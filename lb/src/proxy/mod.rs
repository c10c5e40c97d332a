//! A reverse proxy as a tower service: HTTP in, HTTP out, the bytes untouched in between.
//!
//! [`ReverseProxy`] decides what of a request may cross, [`Balance`](crate::Balance) where it goes,
//! and an [`Upstream`] for each endpoint carries it there. All three are plain services: any may be
//! used without the others, and any tower layer fits in between.
//!
//! # What it keeps
//!
//! - **Bodies stream** both ways, frame by frame, never collected: a slow reader slows the writer.
//!   Trailers pass where the protocol of the next hop has them. `Expect: 100-continue` is met here,
//!   when the endpoint begins to take the body; other interim responses (103) do not pass.
//! - **Framing is made anew.** HTTP is parsed by hyper and written by hyper; no length or coding is
//!   copied from one connection to another, and a connection whose body was not read to its end is
//!   closed. That is what request smuggling needs and does not get.
//! - **Connection fields stay behind**: `Connection` and whatever it names (but it cannot name
//!   `Host`, `Authorization`, `Cookie` or `X-*`), `Keep-Alive`, `Proxy-*`, `TE` but for `trailers`,
//!   `Transfer-Encoding`, `Upgrade`. `Trailer` passes.
//! - **One host a request.** `Host` passes as the client sent it. A request without one, with two,
//!   or with another in its target is answered 400. The path is neither decoded nor normalised.
//! - **Facts about the client.** `X-Forwarded-For`, `-Proto` and `-Host` are overwritten unless the
//!   peer is one of the [`TrustedProxies`]. `Via` is not written, as other proxies in the field do
//!   not: it tells strangers what software runs.
//! - **Failures are answers** of a fixed line: 502, 503 or 504 with `Retry-After`, no text from the
//!   endpoint, and the [`Reason`] in the response's extensions.
//! - **Upgrades** (WebSocket) become a tunnel of bytes only after the endpoint's 101 for the
//!   protocol that the client asked for. CONNECT is refused.
//!
//! # When not to use it
//!
//! A few static backends without special needs are nginx's or HAProxy's home ground, and both cost
//! no build. Take this where the proxy is part of a program: with tower layers around it, endpoints
//! that come and go, or tests that must see what it does.
//!
//! # Examples
//!
//! Two servers behind one address:
//!
//! ```no_run
//! use terrace_lb::proxy::{HttpRetry, ReverseProxy, Upstream};
//! use terrace_lb::{Balance, Endpoint, serve};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (balance, driver) = Balance::builder()
//!     .endpoints([
//!         Endpoint::new("app-1", Upstream::new("127.0.0.1:3001")?)?,
//!         Endpoint::new("app-2", Upstream::new("127.0.0.1:3002")?)?,
//!     ])
//!     .http()
//!     .retry(HttpRetry)
//!     .build()?;
//! tokio::spawn(driver);
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let stop = async { drop(tokio::signal::ctrl_c().await) };
//! serve::serve(listener, ReverseProxy::new(balance), stop).await;
//! # Ok(())
//! # }
//! ```
//!
//! Behind another proxy whose word about clients counts:
//!
//! ```
//! use terrace_lb::proxy::{ReverseProxy, TrustedProxies, Upstream, parse_network};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let upstream: Upstream = Upstream::new("127.0.0.1:3001")?;
//! let edge = TrustedProxies::none().network(parse_network("10.0.0.0/8")?);
//! let proxy = ReverseProxy::new(upstream).trusted_proxies(edge);
//! # drop(proxy);
//! # Ok(())
//! # }
//! ```

mod body;
pub(crate) mod call;
mod check;
mod failure;
mod forwarded;
mod future;
mod headers;
mod host;
mod peer;
mod response;
mod retry;
mod service;
mod upgrade;
mod upstream;

pub use body::ProxyBody;
pub use check::{HttpCheck, TcpCheck};
pub use failure::{Failure, Reason};
pub use forwarded::{ParseNetworkError, TrustedProxies, parse_network};
pub use future::ProxyFuture;
pub use headers::HeaderRejection;
pub use host::HostRejection;
pub use peer::Peer;
pub use response::ProxyResponseBody;
pub use retry::HttpRetry;
pub use service::ReverseProxy;
#[cfg(unix)]
pub use upstream::UnixConnector;
pub use upstream::{
    Connect, Phase, Protocol, Upstream, UpstreamBody, UpstreamBuildError, UpstreamBuilder,
    UpstreamError, UpstreamFuture,
};
