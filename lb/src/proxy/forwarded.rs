//! Who the backend is told the client is: `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded`
//! (RFC 7239).
//!
//! The socket's peer is a fact and everything in the request is a claim. Claims are believed only
//! from peers on the [`TrustedProxies`] list, and only as far as an unbroken row of such proxies
//! vouches for them: the row of addresses is walked from the right and cut at the first one that
//! is not a trusted proxy. So the leftmost address that a backend sees is always one that the
//! outermost trusted proxy saw itself; a backend that naively takes the first is right.
//!
//! All functions are pure and never fail on any bytes.

use super::headers::{self, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP};
use super::host;
use super::peer::Peer;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The networks whose proxies are believed about their clients. Empty by default: the edge of a
/// system believes nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Nobody is believed.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Believes proxies in this network.
    #[must_use]
    pub fn network(mut self, network: IpNet) -> Self {
        self.networks.push(network);
        self
    }

    /// Believes peers on Unix domain sockets, which have no address to compare. Off by default:
    /// whoever may open the socket's file could claim any client.
    #[must_use]
    pub fn unix(mut self, trusted: bool) -> Self {
        self.unix = trusted;
        self
    }

    /// Whether this address is in a trusted network. IPv4-mapped IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }

    fn trusts(&self, peer: &Peer) -> bool {
        match peer.ip() {
            Some(ip) => self.contains(ip),
            None => self.unix,
        }
    }
}

impl FromIterator<IpNet> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self { networks: networks.into_iter().collect(), unix: false }
    }
}

/// A network that could not be read: neither an address nor an address with a prefix length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseNetworkError {
    value: String,
}

impl std::fmt::Display for ParseNetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a network such as 10.0.0.0/8", self.value)
    }
}

impl std::error::Error for ParseNetworkError {}

/// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
///
/// # Errors
///
/// The text is neither; the error carries it.
pub fn parse_network(text: &str) -> Result<IpNet, ParseNetworkError> {
    let network = IpNet::from_str(text).ok();
    let network = network.or_else(|| IpAddr::from_str(text).ok().map(IpNet::from));
    network.ok_or_else(|| ParseNetworkError { value: text.to_owned() })
}

/// What the proxy tells backends about the client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwarding {
    pub(crate) trusted: TrustedProxies,
    /// Write `Forwarded` too, not only `X-Forwarded-*`.
    pub(crate) rfc7239: bool,
}

impl Forwarding {
    /// Replaces the forwarding fields of a request. `claims` tells whether it came with any, so
    /// that the common request costs three insertions and no look-up.
    pub(crate) fn apply(
        &self,
        headers: &mut HeaderMap,
        peer: Option<&Peer>,
        host: &HeaderValue,
        claims: bool,
    ) {
        let believed = claims && peer.is_some_and(|peer| self.trusted.trusts(peer));
        let scheme = peer.map_or("http", Peer::scheme);
        if believed {
            self.extend(headers, peer, host, scheme);
            return;
        }
        if claims {
            remove_claims(headers);
        }
        if let Some(text) = peer.and_then(Peer::text) {
            headers.insert(X_FORWARDED_FOR, text.clone());
        }
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
        headers.insert(X_FORWARDED_HOST, host.clone());
        if self.rfc7239 {
            let element = element(peer.and_then(Peer::ip), scheme, host);
            if let Ok(value) = HeaderValue::try_from(element) {
                headers.insert(header::FORWARDED, value);
            }
        }
    }

    /// The peer is a trusted proxy: keeps the part of its claims that trusted proxies vouch for.
    fn extend(
        &self,
        headers: &mut HeaderMap,
        peer: Option<&Peer>,
        host: &HeaderValue,
        scheme: &'static str,
    ) {
        let mut row = self.vouched_addresses(headers);
        row.extend(peer.and_then(Peer::ip).map(|ip| ip.to_string()));
        let forwarded = self.vouched_elements(headers);
        let proto = single(headers, &X_FORWARDED_PROTO).filter(is_scheme);
        let proto = proto.unwrap_or_else(|| HeaderValue::from_static(scheme));
        let asked = single(headers, &X_FORWARDED_HOST).filter(host::is_authority);
        let asked = asked.unwrap_or_else(|| host.clone());
        let wants_forwarded = self.rfc7239 || headers.contains_key(header::FORWARDED);
        remove_claims(headers);

        if let Ok(value) = HeaderValue::try_from(row.join(", "))
            && !value.is_empty()
        {
            headers.insert(X_FORWARDED_FOR, value);
        }
        headers.insert(X_FORWARDED_PROTO, proto);
        headers.insert(X_FORWARDED_HOST, asked);
        if wants_forwarded {
            let mut elements = forwarded;
            elements.push(element(peer.and_then(Peer::ip), scheme, host));
            if let Ok(value) = HeaderValue::try_from(elements.join(", ")) {
                headers.insert(header::FORWARDED, value);
            }
        }
    }

    /// The addresses of `X-Forwarded-For`, left to right, cut so that only the leftmost may lie
    /// outside the trusted networks.
    fn vouched_addresses(&self, headers: &HeaderMap) -> Vec<String> {
        let claimed: Vec<&[u8]> = headers::members(headers, &X_FORWARDED_FOR).collect();
        let mut row = Vec::new();
        for claim in claimed.into_iter().rev() {
            // What is no address breaks the row: nobody can vouch for what is left of it.
            let Some(ip) = parse_node(claim) else { break };
            row.push(ip.to_string());
            if !self.contains_proxy(ip) {
                break;
            }
        }
        row.reverse();
        row
    }

    /// The elements of `Forwarded`, cut by the same rule.
    fn vouched_elements(&self, headers: &HeaderMap) -> Vec<String> {
        let lines: Vec<&str> = headers
            .get_all(header::FORWARDED)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .collect();
        let joined = lines.join(",");
        let Some(elements) = split_quoted(&joined, b',') else {
            return Vec::new();
        };
        let mut row = Vec::new();
        for element in elements.into_iter().rev() {
            let element = element.trim();
            if element.is_empty() {
                continue;
            }
            let Some(ip) = node_of(element).as_deref().and_then(parse_node_text) else {
                break;
            };
            row.push(element.to_owned());
            if !self.contains_proxy(ip) {
                break;
            }
        }
        row.reverse();
        row
    }

    fn contains_proxy(&self, ip: IpAddr) -> bool {
        self.trusted.contains(ip)
    }
}

fn remove_claims(headers: &mut HeaderMap) {
    let claimed: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
    headers.remove(X_REAL_IP);
    headers.remove(header::FORWARDED);
}

/// The value of a field that came exactly once and is no list.
fn single(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then(|| value.clone())
}

fn is_scheme(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), b"http" | b"https" | b"ws" | b"wss")
}

/// An address as proxies write it: bare, with a port, IPv6 in brackets or not.
fn parse_node(bytes: &[u8]) -> Option<IpAddr> {
    parse_node_text(std::str::from_utf8(bytes).ok()?)
}

fn parse_node_text(text: &str) -> Option<IpAddr> {
    let ip = IpAddr::from_str(text).ok();
    let ip = ip.or_else(|| SocketAddr::from_str(text).ok().map(|address| address.ip()));
    let ip = ip.or_else(|| {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse().ok().map(IpAddr::V6)
    });
    ip.map(|ip| ip.to_canonical())
}

/// The `for` parameter of one `Forwarded` element, unquoted.
fn node_of(element: &str) -> Option<String> {
    for pair in split_quoted(element, b';')? {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            let value = match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(quoted) => quoted.replace('\\', ""),
                None => value.to_owned(),
            };
            return Some(value);
        }
    }
    None
}

/// Splits at a separator outside quoted strings; `None` if a quote is left open.
fn split_quoted(text: &str, separator: u8) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// One `Forwarded` element about this hop.
fn element(ip: Option<IpAddr>, scheme: &str, host: &HeaderValue) -> String {
    let mut element = String::with_capacity(64);
    // Writing to a String cannot fail.
    let _ = match ip {
        Some(IpAddr::V4(ip)) => write!(element, "for={ip}"),
        Some(IpAddr::V6(ip)) => write!(element, "for=\"[{ip}]\""),
        None => write!(element, "for=unknown"),
    };
    if let Ok(host) = host.to_str() {
        let _ = write!(element, ";host=\"{host}\"");
    }
    let _ = write!(element, ";proto={scheme}");
    element
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
