//! What an operator may want of the app servers, beside what may happen to the rest of the site.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Count;
use super::roll::{Roll, replace};
use crate::edge;
use crate::launch::{self, DataDir};

/// How many app servers an operator wants, or an event of [`edge::Event`].
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Event {
    /// Has so many app servers, whatever their load; auto leaves it to that again
    Scale {
        /// How many
        #[arg(value_name = "N|auto")]
        to: Wanted,
        /// The site's data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Something that happens to the edge or the database.
    #[command(flatten)]
    Site(edge::Event),
}

/// How many app servers an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// As many as the load needs.
    Auto,
    /// So many.
    Fixed(Count),
}

impl FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Fixed).map_err(|_| "it is a number from 1 to 64, or auto")
    }
}

impl Wanted {
    /// What was said last.
    pub(super) fn read(data: &Path) -> Self {
        let said = fs::read_to_string(file(data));
        said.ok().and_then(|said| said.parse().ok()).unwrap_or(Self::Auto)
    }

    /// Forgets what was said to a site that was here before.
    pub(super) fn forget(data: &Path) {
        let _not_there = fs::remove_file(file(data));
    }

    fn say(self, data: &Path) -> io::Result<()> {
        let text = match self {
            Self::Auto => "auto".to_owned(),
            Self::Fixed(count) => count.get().to_string(),
        };
        replace(&file(data), text.as_bytes())
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("servers.wanted")
}

impl Event {
    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// When there is no such site or part of it, or it does not go with its state.
    pub async fn happen(&self) -> Result<(), launch::Error> {
        match self {
            Self::Scale { to, data } if Roll::read(data).is_some() => Ok(to.say(data)?),
            Self::Scale { data, .. } => Err(launch::Error::new(format!(
                "no site with app servers has its data in {}",
                data.display()
            ))),
            Self::Site(event) => event.happen().await,
        }
    }

    /// What to try on a site with this data directory, this public address and this one behind the
    /// edge, for [`launch::on_air`].
    #[must_use]
    pub fn tries(data: &DataDir, public: SocketAddr, origin: SocketAddr) -> Vec<String> {
        let executable = std::env::args().next().unwrap_or_default();
        let directory = data.path().display();
        let mut tries =
            vec![format!("{executable} scale 4 --data {directory}   # and then: scale auto")];
        tries.extend(edge::Event::tries(data, public, origin));
        tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_said_last_counts_until_it_is_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        assert_eq!(Wanted::read(data), Wanted::Auto);
        let three: Wanted = "3".parse().unwrap();
        three.say(data).unwrap();
        assert_eq!(Wanted::read(data), three);
        Wanted::Auto.say(data).unwrap();
        assert_eq!(Wanted::read(data), Wanted::Auto);
        three.say(data).unwrap();
        Wanted::forget(data);
        assert_eq!(Wanted::read(data), Wanted::Auto);
        for text in ["0", "many", "65", ""] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }
}
