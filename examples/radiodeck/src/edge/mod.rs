//! What the site has to do with an edge cache in front of it.
//!
//! The edge is a process of its own: it can die while the site lives, and the other way round. It
//! answers visitors at the site's public address and asks the site at another one. What the two have
//! to say to each other beside that goes over a socket in the data directory, signed: who may enter
//! that directory may purge.
//!
//! - [`Front`] is what an app server knows of it: its pages name their pictures at the edge, and at the
//!   site while that is away.
//! - [`take_orders`] is the edge's ear: purges, and the question of how it is doing.
//! - [`Remote`] is the way there, for the status page and for [`Event`], the operator's commands.

mod control;
mod event;
mod key;
mod remote;
mod urls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use terrace_cdn_edge::failover::AssetUrls;
use tokio::net::TcpListener;

use crate::launch;

pub use control::{Orders, take_orders};
pub use event::Event;
pub use remote::{EdgeCounts, EdgeState, Remote};

/// What an app server knows of the edge in front of it, for [`App::behind`](crate::App::behind).
#[derive(Debug)]
pub struct Front {
    pub(crate) urls: Option<AssetUrls>,
    pub(crate) remote: Remote,
}

impl Front {
    /// The edge at this address, the site at that one, and their data directory.
    ///
    /// From now on the edge is asked once a second whether it serves. If a browser cannot ask both
    /// addresses, nobody asks, and pages have their pictures from where they come from themselves.
    ///
    /// # Errors
    ///
    /// When the site has no address, or one makes no URL.
    pub fn new(
        edge: SocketAddr,
        site: Option<SocketAddr>,
        data: &Path,
    ) -> Result<Self, launch::Error> {
        let urls = urls::watched(edge, given(site)?)?;
        Ok(Self { urls, remote: Remote::of(data) })
    }
}

/// Listens where the site itself answers, behind an edge that answers at this public address: at the
/// address that was given, or else on this machine alone, at the port after the edge's.
///
/// # Errors
///
/// When it cannot: the line names the address and `--origin`.
pub async fn behind(
    edge: SocketAddr,
    given: Option<SocketAddr>,
) -> Result<TcpListener, launch::Error> {
    launch::bind_to("--origin", given.unwrap_or_else(|| next_to(edge))).await
}

/// The URL of a site that listens there, for its edge.
///
/// # Errors
///
/// When it has no address.
pub fn origin_url(site: Option<SocketAddr>) -> Result<String, launch::Error> {
    given(site).map(|site| format!("http://{site}"))
}

/// A child has been told the site's address.
fn given(site: Option<SocketAddr>) -> Result<SocketAddr, launch::Error> {
    site.ok_or_else(|| launch::Error::new("where is the site? say it with --origin"))
}

/// The port after this one, or any if this is any or the last one.
fn next_to(edge: SocketAddr) -> SocketAddr {
    let port = if edge.port() == 0 { 0 } else { edge.port().wrapping_add(1) };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Where the edge of a site with this data directory takes orders.
#[must_use]
pub fn socket(data: &Path) -> PathBuf {
    data.join("edge.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_at_the_port_after_its_edges_and_on_this_machine_alone() {
        for (edge, site) in [
            ("127.0.0.1:8080", "127.0.0.1:8081"),
            ("0.0.0.0:80", "127.0.0.1:81"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:65535", "127.0.0.1:0"),
        ] {
            assert_eq!(next_to(edge.parse().unwrap()), site.parse().unwrap(), "{edge}");
        }
    }
}
