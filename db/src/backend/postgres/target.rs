//! Where a node is.

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::backend::Access;

/// Where one PostgreSQL server is, and who connects to it.
///
/// Made from a URL or a connection string, or from a [`Config`] where those do not suffice. Its
/// `Debug` says where, and as whom, and never the password.
///
/// # Clone
///
/// A copy.
#[derive(Clone, PartialEq, Eq)]
pub struct PgTarget {
    config: Config,
}

/// Why this is not where a node is.
#[derive(Debug)]
#[non_exhaustive]
pub enum TargetError {
    /// It cannot be read.
    Syntax(tokio_postgres::Error),
    /// It names no host.
    NoHost,
    /// It names this many hosts. A node is one server: the pool finds out by itself which of its
    /// nodes is the primary, and must not be led to another one behind its back.
    ManyHosts(usize),
}

impl PgTarget {
    /// The configuration for a connection with this access.
    pub(super) fn config(&self, access: Access) -> Config {
        let mut config = self.config.clone();
        // Warnings say when a commit is not as safe as it should be. Before the caller's own
        // options, so that those can still differ.
        let mut options = String::from("-c client_min_messages=warning");
        if let Some(own) = self.config.get_options() {
            options.push(' ');
            options.push_str(own);
        }
        // Behind them, so that they cannot.
        if access == Access::ReadOnly {
            options.push_str(" -c default_transaction_read_only=on");
        }
        config.options(options);
        config
    }
}

impl TryFrom<Config> for PgTarget {
    type Error = TargetError;

    fn try_from(mut config: Config) -> Result<Self, TargetError> {
        match config.get_hosts().len().max(config.get_hostaddrs().len()) {
            0 => return Err(TargetError::NoHost),
            1 => {}
            many => return Err(TargetError::ManyHosts(many)),
        }
        // Each connection would ask, and the monitor would not get to see a replica.
        config.target_session_attrs(TargetSessionAttrs::Any);
        if config.get_application_name().is_none() {
            config.application_name("terrace-db");
        }
        Ok(Self { config })
    }
}

impl FromStr for PgTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        text.parse::<Config>().map_err(TargetError::Syntax)?.try_into()
    }
}

impl fmt::Debug for PgTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut target = f.debug_struct("PgTarget");
        for host in self.config.get_hosts() {
            match host {
                Host::Tcp(name) => target.field("host", name),
                #[cfg(unix)]
                Host::Unix(path) => target.field("host", path),
            };
        }
        for address in self.config.get_hostaddrs() {
            target.field("hostaddr", address);
        }
        if let Some(port) = self.config.get_ports().first() {
            target.field("port", port);
        }
        target.field("user", &self.config.get_user());
        target.field("dbname", &self.config.get_dbname());
        target.finish_non_exhaustive()
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "not a PostgreSQL URL or connection string: {error}"),
            Self::NoHost => f.write_str("no host is named"),
            Self::ManyHosts(many) => {
                write!(f, "{many} hosts are named, but a node is one: add a node for each")
            }
        }
    }
}

impl StdError for TargetError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Syntax(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str, access: Access) -> String {
        let target: PgTarget = url.parse().unwrap();
        target.config(access).get_options().unwrap().to_owned()
    }

    #[test]
    fn a_url_and_a_connection_string_lead_to_the_same_node() {
        let url: PgTarget = "postgres://ann:pw@db-1:5433/shop".parse().unwrap();
        let text = "host=db-1 port=5433 user=ann password=pw dbname=shop";
        assert_eq!(url, text.parse().unwrap());
        assert_eq!(url.config.get_application_name(), Some("terrace-db"));
    }

    #[test]
    fn an_application_name_of_ones_own_is_kept() {
        let target: PgTarget = "postgres://h?application_name=shop".parse().unwrap();
        assert_eq!(target.config.get_application_name(), Some("shop"));
    }

    #[test]
    fn a_node_is_one_host() {
        let error = "postgres://a,b,c/shop".parse::<PgTarget>().unwrap_err();
        assert!(matches!(error, TargetError::ManyHosts(3)), "{error:?}");
        assert!(error.to_string().contains("3 hosts"), "{error}");
        let error = "hostaddr=127.0.0.1,127.0.0.2".parse::<PgTarget>().unwrap_err();
        assert!(matches!(error, TargetError::ManyHosts(2)), "{error:?}");
        let error = "user=ann".parse::<PgTarget>().unwrap_err();
        assert!(matches!(error, TargetError::NoHost), "{error:?}");
        let error = "postgres://h:port".parse::<PgTarget>().unwrap_err();
        assert!(matches!(error, TargetError::Syntax(_)), "{error:?}");
    }

    #[test]
    fn the_password_is_not_shown() {
        let target: PgTarget = "postgres://ann:opensesame@db-1/shop".parse().unwrap();
        let shown = format!("{target:?}");
        assert!(!shown.contains("opensesame"), "{shown}");
        assert!(shown.contains("db-1") && shown.contains("ann"), "{shown}");
    }

    #[test]
    fn only_connections_for_reading_are_read_only_and_the_caller_cannot_change_that() {
        let url = "postgres://h?options=-c%20default_transaction_read_only%3Doff";
        let read = options(url, Access::ReadOnly);
        assert!(read.ends_with("=off -c default_transaction_read_only=on"), "{read}");
        let write = options("postgres://h", Access::ReadWrite);
        assert!(!write.contains("read_only"), "{write}");
    }
}
