//! Describing an endpoint.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, Scheme};
use http_body::Body;
use hyper_util::client::legacy::connect::HttpConnector;

use super::pool::Limits;
use super::{BoxError, Config, Connect, Upstream};

/// The protocol spoken to an endpoint. There is no negotiation: an operator knows the servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1, one request at a time on a connection. The default, because every server speaks
    /// it.
    #[default]
    Http1,
    /// HTTP/2 from the first byte, without an upgrade.
    Http2,
}

/// Settings of an [`Upstream`], each with a default fit for production.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct UpstreamBuilder<C = HttpConnector> {
    address: String,
    connector: C,
    protocol: Protocol,
    secure: bool,
    connect_timeout: Duration,
    head_timeout: Duration,
    limits: Limits,
}

impl UpstreamBuilder {
    pub(super) fn new(address: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            address,
            connector,
            protocol: Protocol::default(),
            secure: false,
            connect_timeout: Duration::from_secs(1),
            head_timeout: Duration::from_secs(60),
            limits: Limits {
                max_idle: 1024,
                idle_timeout: Duration::from_secs(4),
                max_age: Duration::from_secs(3600),
            },
        }
    }
}

impl<C> UpstreamBuilder<C> {
    /// Sets what opens connections. Default: TCP with `TCP_NODELAY`, because a request is written
    /// whole and waiting to fill a packet only delays it.
    pub fn connector<D>(self, connector: D) -> UpstreamBuilder<D> {
        UpstreamBuilder {
            address: self.address,
            connector,
            protocol: self.protocol,
            secure: self.secure,
            connect_timeout: self.connect_timeout,
            head_timeout: self.head_timeout,
            limits: self.limits,
        }
    }

    /// Sets the protocol. Default: [`Protocol::Http1`].
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Tells the connector, by the URI's scheme, to open TLS connections. The default connector
    /// cannot; bring one that can.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Sets how long opening a connection may take. Default: 1 s, time for one lost SYN packet to
    /// be sent again; a live endpoint in the same data centre answers in a millisecond.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long the endpoint may take from the request's last byte to the response's head.
    /// Default: 60 s, as proxies in the field have it: long enough for the slowest report, short
    /// enough that a hung endpoint frees its requests.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// Sets how long an unused connection is kept. Default: 4 s, because Node.js servers close
    /// theirs after 5 and a request that meets the close half-way cannot always be repeated. Raise
    /// it for servers that wait longer.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// Sets how many unused connections are kept. Default: 1024, more than any server wants at
    /// once; the idle timeout is what closes them.
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.limits.max_idle = connections;
        self
    }

    /// Sets how long a connection is used at all. Default: 1 h, so that a changed address behind a
    /// name is noticed within the hour.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.limits.max_age = age;
        self
    }

    /// Builds the service. No connection is opened before the first request.
    ///
    /// # Errors
    ///
    /// The address is not a host with an optional port.
    pub fn build<B>(self) -> Result<Upstream<C, B>, UpstreamBuildError>
    where
        C: Connect,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let bad = || UpstreamBuildError { address: self.address.clone() };
        let authority: Authority = self.address.parse().map_err(|_| bad())?;
        let port_is_number = authority.port().is_none() || authority.port_u16().is_some();
        if authority.host().is_empty() || self.address.contains('@') || !port_is_number {
            return Err(bad());
        }
        let scheme = if self.secure { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/");
        let uri = uri.build().map_err(|_| bad())?;
        let config = Config {
            uri,
            connect_timeout: self.connect_timeout,
            head_timeout: self.head_timeout,
            limits: self.limits,
        };
        Ok(Upstream::from_parts(self.connector, config, self.protocol))
    }
}

/// The address of an endpoint is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamBuildError {
    address: String,
}

impl fmt::Display for UpstreamBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an address such as 127.0.0.1:8080", self.address)
    }
}

impl StdError for UpstreamBuildError {}
