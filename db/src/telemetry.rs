//! Metrics and events of a pool. Every `cfg` for them is in this file.
//!
//! Handles are made at first use, once per pool: one made before the application installs its
//! recorder would be dead for ever.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Access, Role};
use crate::cluster::{Change, View};
use crate::error::ErrorKind;
use crate::position::Position;

/// What a pool tells the outside.
#[derive(Clone)]
pub(crate) struct Telemetry(
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "it has the handles"))]
    Arc<Inner>,
);

struct Inner {
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "a label of metrics"))]
    system: &'static str,
    #[cfg(feature = "metrics")]
    handles: std::sync::OnceLock<Handles>,
}

#[cfg(feature = "metrics")]
struct Handles {
    reads: metrics::Histogram,
    writes: metrics::Histogram,
    exhausted: metrics::Counter,
    on_replica: metrics::Counter,
    on_replica_checked: metrics::Counter,
    on_primary: metrics::Counter,
    caught_up: metrics::Counter,
    too_slow: metrics::Counter,
    lost: metrics::Counter,
}

impl Telemetry {
    pub(crate) fn new(system: &'static str) -> Self {
        Self(Arc::new(Inner {
            system,
            #[cfg(feature = "metrics")]
            handles: std::sync::OnceLock::new(),
        }))
    }

    /// An exchange with the database has ended.
    pub(crate) fn answered(&self, access: Access, took: Duration, error: Option<ErrorKind>) {
        #[cfg(feature = "metrics")]
        match (access, error) {
            (Access::ReadOnly, None) => self.handles().reads.record(took),
            (Access::ReadWrite, None) => self.handles().writes.record(took),
            (_, Some(kind)) => {
                let name = match access {
                    Access::ReadOnly => "read",
                    Access::ReadWrite => "write",
                };
                metrics::histogram!(
                    "db.client.operation.duration",
                    "db.system.name" => self.0.system,
                    "db.operation.name" => name,
                    "error.type" => kind.as_str(),
                )
                .record(took);
            }
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (access, took, error);
    }

    /// Nobody gave back a connection in time.
    pub(crate) fn exhausted(&self) {
        #[cfg(feature = "metrics")]
        self.handles().exhausted.increment(1);
    }

    /// A read was given to a node.
    pub(crate) fn routed(&self, role: Role, check: bool) {
        #[cfg(feature = "metrics")]
        match (role, check) {
            (Role::Replica, false) => self.handles().on_replica.increment(1),
            (Role::Replica, true) => self.handles().on_replica_checked.increment(1),
            (Role::Primary, _) => self.handles().on_primary.increment(1),
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (role, check);
    }

    /// A replica was waited for: in vain or not.
    pub(crate) fn caught_up(&self, in_time: bool) {
        #[cfg(feature = "metrics")]
        if in_time {
            self.handles().caught_up.increment(1);
        } else {
            self.handles().too_slow.increment(1);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = in_time;
    }

    /// A token speaks of a write that a promotion has dropped.
    pub(crate) fn lost(&self, position: Position) {
        #[cfg(feature = "metrics")]
        self.handles().lost.increment(1);
        #[cfg(feature = "tracing")]
        tracing::warn!(%position, "an acknowledged write lies behind the fork: it is lost");
        #[cfg(not(feature = "tracing"))]
        let _ = position;
    }

    /// The belief about the cluster has changed in a way that people want to know.
    pub(crate) fn changed(&self, change: &Change) {
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "terrace.db.changes", "db.system.name" => self.0.system, "change" => change.as_str()
        )
        .increment(1);
        #[cfg(feature = "tracing")]
        if change.is_alarming() {
            tracing::warn!(change = change.as_str(), "{change}");
        } else {
            tracing::info!(change = change.as_str(), "{change}");
        }
        #[cfg(not(feature = "tracing"))]
        let _ = (change.as_str(), change.is_alarming());
    }

    /// A new view is out.
    pub(crate) fn published(&self, view: &View) {
        #[cfg(feature = "metrics")]
        for node in &view.nodes {
            let Some(lag) = node.lag_bytes else { continue };
            // Offsets below 2^53 are exact, and lags are far below.
            metrics::gauge!("terrace.db.replica.lag", "node" => node.name.to_string())
                .set(lag as f64);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = view;
    }

    /// How many connections a node's pools have, and use.
    pub(crate) fn connections(&self, node: &str, access: Access, idle: usize, used: usize) {
        #[cfg(feature = "metrics")]
        {
            let pool = match access {
                Access::ReadOnly => format!("{node}/read"),
                Access::ReadWrite => format!("{node}/write"),
            };
            for (state, count) in [("idle", idle), ("used", used)] {
                metrics::gauge!(
                    "db.client.connection.count",
                    "db.client.connection.pool.name" => pool.clone(),
                    "db.client.connection.state" => state,
                )
                .set(count as f64);
            }
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (node, access, idle, used);
    }

    /// The highest timeline could not be written down: a restarted process would not know it.
    pub(crate) fn not_remembered(&self, why: &dyn fmt::Display) {
        #[cfg(feature = "tracing")]
        tracing::error!(%why, "the highest timeline is not remembered");
        #[cfg(not(feature = "tracing"))]
        let _ = why;
    }

    #[cfg(feature = "metrics")]
    fn handles(&self) -> &Handles {
        self.0.handles.get_or_init(|| {
            let system = self.0.system;
            let duration = |name: &'static str| {
                metrics::histogram!(
                    "db.client.operation.duration",
                    "db.system.name" => system,
                    "db.operation.name" => name,
                )
            };
            let routed = |to: &'static str| metrics::counter!("terrace.db.reads", "to" => to);
            let waited = |how: &'static str| metrics::counter!("terrace.db.catch_up", "end" => how);
            Handles {
                reads: duration("read"),
                writes: duration("write"),
                exhausted: metrics::counter!("db.client.connection.timeouts"),
                on_replica: routed("replica"),
                on_replica_checked: routed("replica-checked"),
                on_primary: routed("primary"),
                caught_up: waited("in-time"),
                too_slow: waited("too-late"),
                lost: metrics::counter!("terrace.db.lost_writes"),
            }
        })
    }
}
