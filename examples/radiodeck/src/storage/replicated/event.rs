//! What may happen to a cluster of files, to try from another terminal while the site serves.

use std::path::PathBuf;
use std::time::Duration;

use terrace_db::backend::sqlite::SqliteCluster;

use crate::launch::{self, DataDir};

/// Something that happens to a node: an accident, or what an operator does about it.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Event {
    /// Kills a node, as a crash would
    Kill(Which),
    /// Starts a killed node again, in the role it had
    Start(Which),
    /// Stops a node in the middle of what it does
    Freeze(Which),
    /// Lets a frozen node go on
    Thaw(Which),
    /// Lets a replica show writes that much later
    Delay {
        /// Which replica
        #[command(flatten)]
        which: Which,
        /// How much later, in milliseconds; 0 ends it
        #[arg(value_name = "MS")]
        by: u32,
    },
    /// Makes a replica the primary
    Promote(Which),
    /// Makes an old primary a replica of the new one
    Follow(Which),
}

/// Which node of which site.
#[derive(Clone, Debug, clap::Args)]
pub struct Which {
    /// Its name
    #[arg(value_name = "NODE")]
    node: String,
    /// The site's data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Event {
    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// When there is no such cluster or node, or it does not go with the node's state.
    pub fn happen(&self) -> Result<(), launch::Error> {
        let (Self::Kill(which)
        | Self::Start(which)
        | Self::Freeze(which)
        | Self::Thaw(which)
        | Self::Delay { which, .. }
        | Self::Promote(which)
        | Self::Follow(which)) = self;
        let cluster = SqliteCluster::open(which.data.join("cluster"))?;
        let node = which.node.as_str();
        match self {
            Self::Kill(_) => cluster.kill(node)?,
            Self::Start(_) => cluster.start(node)?,
            Self::Freeze(_) => cluster.freeze(node)?,
            Self::Thaw(_) => cluster.thaw(node)?,
            Self::Delay { by, .. } => cluster.delay(node, Duration::from_millis((*by).into()))?,
            Self::Promote(_) => {
                cluster.promote(node)?;
            }
            Self::Follow(_) => cluster.follow(node)?,
        }
        Ok(())
    }

    /// What to try on a site with this data directory, for [`launch::on_air`].
    #[must_use]
    pub fn tries(data: &DataDir) -> Vec<String> {
        let executable = std::env::args().next().unwrap_or_default();
        let directory = data.path().display();
        let line = |event, what| format!("{executable} {event} --data {directory}   # {what}");
        if !data.file("cluster").is_dir() {
            return Vec::new();
        }
        vec![
            line("kill db-2", "a replica"),
            line("kill db-1", "the primary: pages go on, writes do not"),
            line("promote db-3", "writes go on"),
        ]
    }
}
