//! Where the server is, and what its errors mean.

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::storage::{StoreError, StoreErrorKind};

/// Hosts, ports and the database's name.
pub(super) fn place(config: &Config) -> String {
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            }
        })
        .collect();
    format!("PostgreSQL at {}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

/// An error without a code, or with one of these classes, is about the connection and not about the
/// statement: 08 connection exceptions, 53 insufficient resources, 57P operator intervention.
pub(super) fn failed(operation: &'static str, error: tokio_postgres::Error) -> StoreError {
    let kind = match error.code().map(tokio_postgres::error::SqlState::code) {
        Some(code) if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => {
            StoreErrorKind::Unavailable
        }
        Some(_) => StoreErrorKind::Failed,
        None => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, operation, error)
}
