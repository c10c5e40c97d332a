//! Accidents to try on a cluster of files, from another terminal, while the site serves.

use std::path::PathBuf;

use terrace_db::backend::sqlite::SqliteCluster;

#[allow(unused_imports)]
use crate::launch;

/// What may happen to a node.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Accident {
    /// Kills a node, as a crash would
    Kill(Victim),
    /// Starts a killed node again, with the role it had
    Start(Victim),
    /// Stops a node in the middle of what it does
    Freeze(Victim),
    /// Lets a frozen node go on
    Thaw(Victim),
    /// Lets a replica apply writes so much later
    Delay {
        #[command(flatten)]
        victim: Victim,
        /// How much later, in milliseconds; 0 ends it
        #[arg(value_name = "MS")]
        by: u32,
    },
    /// Makes a replica the primary, and lets the other nodes follow it
    Promote(Victim),
}

/// Which node of which site.
#[derive(Clone, Debug, clap::Args)]
pub struct Victim {
    /// Its name
    #[arg(value_name = "NODE")]
    node: String,
    /// The site's data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}
