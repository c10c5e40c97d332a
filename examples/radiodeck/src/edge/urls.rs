//! Where pages have their pictures from.

use std::net::SocketAddr;
use std::time::Duration;

use terrace_cdn_edge::failover::{AssetUrls, CdnHost, ProbeSettings, probe};
use terrace_cdn_edge::origin::Client;

use crate::{assets, launch};

/// URLs of pictures: at the edge, or at the site after the edge has failed two probes in a row, until it
/// has served two. There are none if an address is not one that a browser could ask.
pub(super) fn watched(
    edge: SocketAddr,
    site: SocketAddr,
) -> Result<Option<AssetUrls>, launch::Error> {
    if edge.ip().is_unspecified() || site.ip().is_unspecified() {
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
