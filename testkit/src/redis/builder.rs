//! What a server gets before its first start: settings, port, directory.

use std::sync::Mutex;

use super::{Redis, slots};
use crate::dirs::TempDir;
use crate::error::StartError;
use crate::ports::Port;

/// How a server is to be started, from [`Redis::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "nothing starts before `start`"]
pub struct RedisBuilder {
    persistent: bool,
    settings: Vec<(String, String)>,
}

impl RedisBuilder {
    /// Whether every write is in the append-only file before it is answered, so that it survives
    /// [`Redis::kill`]. Default: no, as in a cache.
    pub fn persistent(mut self, on: bool) -> Self {
        self.persistent = on;
        self
    }

    /// Sets any parameter of `redis.conf`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts a single server.
    ///
    /// # Errors
    ///
    /// [`StartError`] when Redis is not installed or does not answer within 20 s.
    pub async fn start(self) -> Result<Redis, StartError> {
        let port = Port::reserve().map_err(no_port)?;
        self.start_on(port, None).await
    }

    /// Starts a cluster of one node, see [`Redis::start_cluster`].
    ///
    /// # Errors
    ///
    /// [`StartError`] as for [`RedisBuilder::start`], also when the cluster does not become whole.
    pub async fn start_cluster(self) -> Result<Redis, StartError> {
        let (port, bus) = Port::reserve_pair(slots::BUS_OFFSET).map_err(no_port)?;
        let server = self.start_on(port, Some(bus)).await?;
        let owned = slots::own_all(&server).await;
        owned.map_err(|cause| server.start_error("assigning the slots", cause))?;
        server.ready().await?;
        Ok(server)
    }

    async fn start_on(self, port: Port, bus: Option<Port>) -> Result<Redis, StartError> {
        let dir = TempDir::new("redis", None)
            .map_err(|cause| StartError::new("redis", "making a directory", cause))?;
        let server = Redis {
            port,
            bus,
            persistent: self.persistent,
            settings: self.settings,
            process: Mutex::new(None),
            dir,
        };
        server.launch().await?;
        Ok(server)
    }
}

fn no_port(cause: std::io::Error) -> StartError {
    StartError::new("redis", "reserving a port", cause)
}
