//! Where sessions live.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use terrace_session::store::{Memory, Postgres, Redis, Sqlite, Store, Sweeper, Sweeping};
use terrace_session::{Cookie, Expiry, Keys, SessionLayer};

use crate::launch;

/// A radio is no bank: who comes back within a month is still signed in, for a year.
const EXPIRY: Expiry = Expiry::new(days(30), days(365));

/// A file that is busy is not away, as a server would be that takes that long: its writers take turns.
const PATIENCE: Duration = Duration::from_secs(1);

/// More than the file's patience, so that waiting in vain is an answer.
const FILE_LIMIT: Duration = Duration::from_secs(2);

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// Where sessions live: `file`, `memory`, `redis://…` or `postgres://…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// One file in the data directory, for all app servers of this machine.
    #[default]
    File,
    /// In each app server for itself, to see what that breaks.
    Memory,
    /// A Redis server.
    Redis(String),
    /// A PostgreSQL database.
    Postgres(String),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once("://").map(|(scheme, _)| scheme) {
            Some("redis" | "rediss") => Ok(Self::Redis(text.to_owned())),
            Some("postgres" | "postgresql") => Ok(Self::Postgres(text.to_owned())),
            None if text == "file" => Ok(Self::File),
            None if text == "memory" => Ok(Self::Memory),
            _ => Err(
                "it is file, memory, redis://HOST:PORT or postgres://USER:PASSWORD@HOST:PORT/NAME",
            ),
        }
    }
}

/// Sessions that are open. What is over is cleared away until it is dropped.
#[derive(Debug)]
pub struct Opened {
    layer: SessionLayer,
    _sweeper: Sweeper,
}

impl Opened {
    /// The layer that gives each request its session.
    #[must_use]
    pub fn layer(&self) -> SessionLayer {
        self.layer.clone()
    }
}

/// Opens sessions at this place, with the keys of the data directory, which the first who asks makes.
///
/// # Errors
///
/// When the place cannot be reached, or the keys not be read.
pub async fn open(place: &Place, data: &Path) -> Result<Opened, launch::Error> {
    let store: Arc<dyn Store> = match place {
        Place::File => {
            let file = Sqlite::builder(data.join("sessions.db")).patience(PATIENCE);
            Arc::new(file.open().await?)
        }
        Place::Memory => Arc::new(Memory::new()),
        Place::Redis(url) => Arc::new(Redis::connect(url).await?),
        Place::Postgres(url) => Arc::new(Postgres::connect(url).await?),
    };
    let keys = Keys::from_file(data.join("sessions.key"))?;
    // The stages speak plain HTTP. With a certificate in front, the default is the right cookie.
    let mut layer =
        SessionLayer::builder(Arc::clone(&store), keys).cookie(Cookie::dev()).expiry(EXPIRY);
    if *place == Place::File {
        layer = layer.store_timeout(FILE_LIMIT);
    }
    let sweeping = Sweeping::default().seed(std::process::id().into());
    Ok(Opened { layer: layer.build()?, _sweeper: Sweeper::spawn(store, sweeping) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_of_four() {
        for (text, place) in [
            ("file", Place::File),
            ("memory", Place::Memory),
            ("redis://127.0.0.1:1", Place::Redis("redis://127.0.0.1:1".to_owned())),
            ("postgres://a@b/c", Place::Postgres("postgres://a@b/c".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(place));
        }
        for text in ["", "File", "mysql://a", "redis", "/tmp/sessions.db"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
