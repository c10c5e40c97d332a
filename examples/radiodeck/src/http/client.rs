//! Where a request came from.
//!
//! Anybody can write an `X-Forwarded-For` header. It means something only if nobody but our own
//! balancer can have written it, and there is one kind of connection for which that is sure: a Unix
//! socket in a directory that only this user may enter. Over TCP the peer's address is the truth.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::Connected;
use axum::http::Extensions;
use axum::http::HeaderMap;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody on the network.
    Tcp(SocketAddr),
    /// The balancer, over a socket that only it can reach.
    Balancer,
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::Tcp(*stream.remote_addr())
    }
}

/// The address of the client, as far as it can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub Option<IpAddr>);

impl ClientAddr {
    /// With an edge in front of the balancer, whoever the edge saw; else whoever the balancer saw.
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap, edge: bool) -> Self {
        let peer = extensions.get::<axum::extract::ConnectInfo<Peer>>().map(|info| info.0);
        Self(match peer {
            None => None,
            Some(Peer::Tcp(address)) => Some(address.ip()),
            Some(Peer::Balancer) => last_forwarded(headers, edge),
        })
    }
}

/// The entry that the balancer itself wrote: the last of the last header. Of an edge, the balancer
/// writes down what it said too: the one before.
fn last_forwarded(headers: &HeaderMap, edge: bool) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back()?;
    let mut entries = value.to_str().ok()?.rsplit(',');
    let last = entries.next()?;
    let entry = entries.next().filter(|_| edge).unwrap_or(last);
    entry.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::ConnectInfo;

    fn client(peer: Peer, edge: bool, forwarded: &str) -> Option<IpAddr> {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(peer));
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        ClientAddr::of(&extensions, &headers, edge).0
    }

    #[test]
    fn a_forwarded_address_from_the_network_is_not_believed() {
        let peer: SocketAddr = "203.0.113.9:1234".parse().unwrap();
        assert_eq!(client(Peer::Tcp(peer), false, "198.51.100.1"), Some(peer.ip()));
    }

    #[test]
    fn of_the_balancers_header_only_its_own_entry_is_believed() {
        let own: IpAddr = "203.0.113.9".parse().unwrap();
        assert_eq!(client(Peer::Balancer, false, "198.51.100.1, 203.0.113.9"), Some(own));
        assert_eq!(client(Peer::Balancer, false, "not an address"), None);
    }

    #[test]
    fn of_an_edges_visitors_the_balancer_wrote_down_one_entry_more() {
        let (visitor, edge) = ("203.0.113.9", "127.0.0.1");
        let row = format!("198.51.100.1, {visitor}, {edge}");
        assert_eq!(client(Peer::Balancer, true, &row), visitor.parse().ok());
        assert_eq!(client(Peer::Balancer, true, visitor), visitor.parse().ok(), "past the edge");
    }
}
