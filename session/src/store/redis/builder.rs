use std::sync::Arc;
use std::time::Duration;

use super::Redis;
use super::error::{OpenError, without_password};
use super::link::{Link, Target};
use super::names::Names;
use crate::clock::Clock;

/// Longer than the 250 ms after which a layer gives up waiting for a store: it is for those who use a store without one.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How a store on Redis is to be opened.
#[derive(Clone)]
#[must_use = "nothing is opened before `connect` or `open`"]
pub struct RedisBuilder {
    urls: Vec<String>,
    cluster: bool,
    prefix: String,
    timeout: Duration,
    clock: Option<Arc<dyn Clock>>,
}

impl RedisBuilder {
    pub(super) fn new(urls: Vec<String>, cluster: bool) -> Self {
        let prefix = "terrace".into();
        Self { urls, cluster, prefix, timeout: TIMEOUT, clock: None }
    }

    /// The server is a node of a cluster. The others are found through it.
    pub fn cluster(self) -> Self {
        Self { cluster: true, ..self }
    }

    /// What all keys begin with, for several applications on one server. Default `terrace`. Without braces.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long connecting may take, and how long an answer. Default a second: longer than the 250 ms after which a layer
    /// gives up waiting. At least a millisecond.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.max(Duration::from_millis(1)), ..self }
    }

    /// Goes by this clock instead of the server's, for tests. Redis then removes sessions an hour after their end by its own
    /// clock, which knows nothing of this one.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// The store, once a server answers.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if a URL or the prefix cannot be used, or no server answers in time.
    pub async fn connect(self) -> Result<Redis, OpenError> {
        let store = self.open()?;
        match store.link.up().await {
            Ok(()) => Ok(store),
            Err(error) => Err(OpenError::Unreachable { source: error.into() }),
        }
    }

    /// The store, whether or not a server answers: for applications that start before their Redis does. It connects when it is
    /// asked for the first time, from the runtime that it is asked on.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if a URL or the prefix cannot be used.
    pub fn open(self) -> Result<Redis, OpenError> {
        let names = Names::new(&self.prefix)?;
        let target = match &*self.urls {
            [url] if !self.cluster => Target::server(url),
            urls => Target::cluster(urls, self.timeout),
        };
        let target = target.map_err(|source| {
            let urls: Vec<_> = self.urls.iter().map(|url| without_password(url)).collect();
            OpenError::Url { url: urls.join(", "), source: source.into() }
        })?;
        let link = Link::new(target, self.timeout);
        Ok(Redis { link, names, clock: self.clock })
    }
}

impl std::fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|url| without_password(url)).collect();
        f.debug_struct("RedisBuilder")
            .field("urls", &urls)
            .field("cluster", &self.cluster)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
