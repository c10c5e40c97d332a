//! What a server gets before its first start: settings, port, directory, data.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::settings::Settings;
use super::{Cause, Postgres, PostgresCluster, template, user};
use crate::dirs::TempDir;
use crate::error::StartError;
use crate::ports::Port;
use crate::tools;

/// How servers are to be started, from [`Postgres::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "nothing starts before `start`"]
pub struct PostgresBuilder {
    settings: Vec<(String, String)>,
}

impl PostgresBuilder {
    /// Whether commits reach the disk. Default: no, because only a power cut tells the difference
    /// and tests start faster; turn it on for tests of durability and for measurements.
    pub fn fsync(self, on: bool) -> Self {
        self.setting("fsync", if on { "on" } else { "off" })
    }

    /// Sets any parameter of `postgresql.conf`, on every node.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts a single server.
    ///
    /// # Errors
    ///
    /// [`StartError`] when PostgreSQL is not installed or the server does not come up within 30 s.
    pub async fn start(self) -> Result<Postgres, StartError> {
        let node = self.prepare("postgres").await?;
        node.launch().await?;
        Ok(node)
    }

    /// Starts a primary and `replicas` streaming replicas, see [`PostgresCluster::start`].
    ///
    /// # Errors
    ///
    /// [`StartError`] as for [`PostgresBuilder::start`], also when a replica does not stream.
    pub async fn start_cluster(self, replicas: usize) -> Result<PostgresCluster, StartError> {
        PostgresCluster::start_with(&self, replicas).await
    }

    /// Everything but the start: port, directory, data, settings.
    pub(super) async fn prepare(&self, name: &str) -> Result<Postgres, StartError> {
        let failed = |step: &str, cause: Cause| StartError::new(name, step, cause);
        let first = tools::find("postgres").ok_or_else(|| {
            failed("PostgreSQL is not installed", "try `apt-get install postgresql`".into())
        })?;
        let bin = first.parent().unwrap_or(Path::new("/")).to_owned();
        let owner = user::server_owner();
        let port = Port::reserve().map_err(|e| failed("reserving a port", e.into()))?;
        let dir = TempDir::new(name, owner).map_err(|e| failed("making a directory", e.into()))?;
        template::copy(&bin, owner, dir.path().join("data"))
            .await
            .map_err(|e| failed("making its data directory", e))?;
        let mut settings = Settings::base();
        settings.set("port", port.number().to_string());
        settings.set("cluster_name", name);
        for (name, value) in &self.settings {
            settings.set(name, value);
        }
        Ok(Postgres {
            name: name.to_owned(),
            bin,
            owner,
            port,
            settings: Mutex::new(settings),
            process: Mutex::new(None),
            frozen: AtomicBool::new(false),
            dir,
        })
    }
}
