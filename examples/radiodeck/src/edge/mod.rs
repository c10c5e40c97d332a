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

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use terrace_cdn_edge::Stats;
use terrace_cdn_edge::failover::AssetUrls;

use crate::launch;

pub use control::take_orders;
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
    /// From now on the edge is asked once a second whether it serves. An address of all interfaces
    /// is none that a browser could ask: with one, nobody asks, and pages have their pictures from
    /// where they come from themselves.
    ///
    /// # Errors
    ///
    /// When an address makes no URL.
    pub fn new(edge: SocketAddr, site: SocketAddr, data: &Path) -> Result<Self, launch::Error> {
        let urls = urls::watched(edge, site)?;
        Ok(Self { urls, remote: Remote::of(data) })
    }
}

/// Where the edge of a site with this data directory takes orders.
#[must_use]
pub fn socket(data: &Path) -> PathBuf {
    data.join("edge.sock")
}

/// What an edge has saved, in one line.
#[must_use]
pub fn summary(stats: &Stats) -> String {
    let hits = stats.hits + stats.collapsed;
    let all = hits + stats.misses + stats.failures;
    let per_mille = (hits * 1000).checked_div(all).unwrap_or(0);
    format!("{all} answers, {hits} without the site: {}.{} %", per_mille / 10, per_mille % 10)
}
