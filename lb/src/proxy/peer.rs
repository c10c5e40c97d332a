//! Who is at the other end of an accepted connection.

use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};

/// The client's end of an accepted connection: the only facts about a client that it cannot make up.
///
/// [`serve`](crate::serve) puts one into the extensions of every request, or hands it to the
/// service once a connection ([`ReverseProxy::for_peer`](super::ReverseProxy::for_peer)).
///
/// # Clone
///
/// Cheap: the address' text is shared.
#[derive(Debug, Clone)]
pub struct Peer {
    address: Option<SocketAddr>,
    secure: bool,
    /// The address as `X-Forwarded-For` spells it, formatted once a connection.
    text: Option<HeaderValue>,
}

impl Peer {
    /// A peer on TCP. An IPv4 address that arrived on an IPv6 socket is told as IPv4, so that a
    /// list of trusted networks matches on both kinds of listener.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        Self {
            address: Some(SocketAddr::new(ip, address.port())),
            secure: false,
            text: HeaderValue::try_from(ip.to_string()).ok(),
        }
    }

    /// A peer on a Unix domain socket, which has no address.
    #[must_use]
    pub fn unix() -> Self {
        Self { address: None, secure: false, text: None }
    }

    /// Says that the client's bytes arrived over TLS: backends are told `https`.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// The address and port, if the connection has one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The IP address, if the connection has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// Whether the connection came over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn text(&self) -> Option<&HeaderValue> {
        self.text.as_ref()
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}
