//! Where pages have their pictures from.

use std::net::SocketAddr;
use std::time::Duration;

use terrace_cdn_edge::failover::{AssetUrls, CdnHost, ProbeSettings, probe};
use terrace_cdn_edge::origin::Client;

use crate::{assets, launch};

/// URLs of pictures: at the edge, or at the site after the edge has failed two probes in a row, until it
/// has served two. There are none if a browser could not ask both.
pub(super) fn watched(
    edge: SocketAddr,
    site: SocketAddr,
) -> Result<Option<AssetUrls>, launch::Error> {
    if !are_both_for_browsers(edge, site) {
        return Ok(None);
    }
    let (edge, site) = (format!("http://{edge}"), format!("http://{site}"));
    let urls = AssetUrls::new(CdnHost::new(&edge)?.thresholds(2, 2)?, &site)?;
    let settings =
        ProbeSettings::default().period(Duration::from_secs(1)).seed(std::process::id().into());
    // Small, and in the edge's memory for good after the first time.
    let asset = assets::address(assets::ICON);
    tokio::spawn(probe(Client::to(&edge)?, &asset, &urls, settings)?);
    Ok(Some(urls))
}

/// An address of all interfaces is none to ask, and one of this machine means another to everybody
/// who came from elsewhere.
fn are_both_for_browsers(edge: SocketAddr, site: SocketAddr) -> bool {
    let (edge, site) = (edge.ip(), site.ip());
    let named = !edge.is_unspecified() && !site.is_unspecified();
    named && edge.is_loopback() == site.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_only_addresses_that_its_readers_can_ask() {
        for (edge, site, are) in [
            ("127.0.0.1:80", "127.0.0.1:81", true),
            ("127.0.0.1:80", "[::1]:81", true),
            ("192.0.2.1:80", "192.0.2.1:81", true),
            ("0.0.0.0:80", "192.0.2.1:81", false),
            ("[::]:80", "127.0.0.1:81", false),
            ("192.0.2.1:80", "0.0.0.0:81", false),
            ("192.0.2.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "192.0.2.1:81", false),
        ] {
            let both = are_both_for_browsers(edge.parse().unwrap(), site.parse().unwrap());
            assert_eq!(both, are, "{edge} and {site}");
        }
    }
}
