//! What may happen to a site with an edge, to try from another terminal while it serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Remote;
use crate::launch::{self, DataDir};
use crate::storage::replicated;

/// Something that happens to a node of the database, or an order for the edge.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Event {
    /// Has the edge forget a URL, in all its versions
    Purge {
        /// The URL as visitors have it; its query does not count
        #[arg(value_name = "URL")]
        url: String,
        /// The site's data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Something that happens to a node.
    #[command(flatten)]
    Node(replicated::Event),
}

impl Event {
    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// When there is no such node or no edge, or it does not go with its state.
    pub async fn happen(&self) -> Result<(), launch::Error> {
        match self {
            Self::Purge { url, data } => Remote::of(data).purge(url).await,
            Self::Node(event) => event.happen(),
        }
    }

    /// What to try on a site with this data directory, this public address and this one behind the
    /// edge, for [`launch::on_air`].
    #[must_use]
    pub fn tries(data: &DataDir, public: SocketAddr, origin: SocketAddr) -> Vec<String> {
        let executable = std::env::args().next().unwrap_or_default();
        let directory = data.path().display();
        let cover = format!("http://{public}/covers/7.svg");
        let mut tries = vec![
            format!("curl -s -o /dev/null -D - '{cover}?v=1' | grep cache-status   # twice"),
            format!("{executable} purge {cover} --data {directory}"),
            format!("curl http://{origin}/   # past the edge, which you may kill"),
        ];
        tries.extend(replicated::Event::tries(data));
        tries
    }
}
