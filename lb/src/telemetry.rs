//! Metrics and events of a balancer. Every `cfg` for them is in this file.
//!
//! Handles are made at first use, once per balancer: one made before the application installs its
//! recorder would be dead for ever. Nothing here runs for a request that succeeds at once.

use std::fmt;
use std::sync::Arc;

use crate::health::Status;
use crate::membership::EndpointStatus;
use crate::{BalanceError, Sent};

/// What a balancer tells the outside.
pub(crate) struct Telemetry {
    name: Arc<str>,
    #[cfg(feature = "metrics")]
    handles: std::sync::OnceLock<Handles>,
}

#[cfg(feature = "metrics")]
struct Handles {
    retries: metrics::Counter,
    endpoint_unsent: metrics::Counter,
    endpoint_maybe_sent: metrics::Counter,
    no_endpoints: metrics::Counter,
    all_unavailable: metrics::Counter,
    refused: metrics::Counter,
    up: metrics::Gauge,
    down: metrics::Gauge,
    unchecked: metrics::Gauge,
    draining: metrics::Gauge,
    went_up: metrics::Counter,
    went_down: metrics::Counter,
    discovery_failures: metrics::Counter,
    build_panics: metrics::Counter,
}

impl Telemetry {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            #[cfg(feature = "metrics")]
            handles: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A request goes to a second endpoint.
    pub(crate) fn retried(&self) {
        #[cfg(feature = "metrics")]
        self.handles().retries.increment(1);
    }

    /// A request fails with its endpoint's error.
    pub(crate) fn endpoint_failed(&self, sent: Sent) {
        #[cfg(feature = "metrics")]
        match sent {
            Sent::No => self.handles().endpoint_unsent.increment(1),
            Sent::Maybe => self.handles().endpoint_maybe_sent.increment(1),
        }
        #[cfg(not(feature = "metrics"))]
        let _ = sent;
    }

    /// A request fails because there is nobody to send it to.
    pub(crate) fn not_picked<E>(&self, error: &BalanceError<E>) {
        #[cfg(feature = "metrics")]
        match error {
            BalanceError::NoEndpoints => self.handles().no_endpoints.increment(1),
            BalanceError::AllUnavailable { .. } => self.handles().all_unavailable.increment(1),
            BalanceError::Refused { .. } => self.handles().refused.increment(1),
            BalanceError::Endpoint { .. } => {}
        }
        #[cfg(not(feature = "metrics"))]
        let _ = error;
    }

    /// A new snapshot is out.
    pub(crate) fn published(&self, endpoints: &[EndpointStatus]) {
        #[cfg(feature = "metrics")]
        {
            let count = |keep: &dyn Fn(&EndpointStatus) -> bool| {
                endpoints.iter().filter(|endpoint| keep(endpoint)).count() as f64
            };
            let serving = |status| count(&|e| e.weight > 0 && e.health == status);
            let handles = self.handles();
            handles.up.set(serving(Status::Up));
            handles.down.set(serving(Status::Down));
            handles.unchecked.set(serving(Status::Unchecked));
            handles.draining.set(count(&|e| e.weight == 0));
        }
        #[cfg(not(feature = "metrics"))]
        let _ = endpoints;
    }

    /// An endpoint's health has changed.
    pub(crate) fn health_changed(&self, endpoint: &str, to: Status, why: &dyn fmt::Display) {
        #[cfg(feature = "metrics")]
        match to {
            Status::Up => self.handles().went_up.increment(1),
            Status::Down => self.handles().went_down.increment(1),
            Status::Unchecked => {}
        }
        #[cfg(feature = "tracing")]
        tracing::info!(balancer = %self.name, endpoint, to = to.as_str(), %why, "endpoint health changed");
        #[cfg(not(feature = "tracing"))]
        let _ = (endpoint, to, why);
    }

    /// The members have changed.
    pub(crate) fn members_changed(&self, count: usize) {
        #[cfg(feature = "tracing")]
        tracing::info!(balancer = %self.name, endpoints = count, "members changed");
        #[cfg(not(feature = "tracing"))]
        let _ = count;
    }

    /// The source of changes failed, or its change could not be made; members stay as they are.
    pub(crate) fn discovery_failed(&self, why: &dyn fmt::Display) {
        #[cfg(feature = "metrics")]
        self.handles().discovery_failures.increment(1);
        #[cfg(feature = "tracing")]
        tracing::warn!(balancer = %self.name, %why, "discovery failed; keeping the known endpoints");
        #[cfg(not(feature = "tracing"))]
        let _ = why;
    }

    /// The policy panicked while it prepared; the last snapshot stays.
    pub(crate) fn build_panicked(&self) {
        #[cfg(feature = "metrics")]
        self.handles().build_panics.increment(1);
        #[cfg(feature = "tracing")]
        tracing::error!(balancer = %self.name, "policy panicked; keeping the last snapshot");
    }

    #[cfg(feature = "metrics")]
    fn handles(&self) -> &Handles {
        self.handles.get_or_init(|| Handles::new(&self.name))
    }
}

#[cfg(feature = "metrics")]
impl Handles {
    fn new(name: &Arc<str>) -> Self {
        use metrics::{counter, gauge};
        let failures = |reason: &'static str| counter!("terrace.lb.failures", "balancer" => Arc::clone(name), "reason" => reason);
        let endpoints = |state: &'static str| gauge!("terrace.lb.endpoints", "balancer" => Arc::clone(name), "state" => state);
        let health = |to: &'static str| counter!("terrace.lb.health_changes", "balancer" => Arc::clone(name), "to" => to);
        let driver = |kind: &'static str| counter!("terrace.lb.driver_failures", "balancer" => Arc::clone(name), "kind" => kind);
        Self {
            retries: counter!("terrace.lb.retries", "balancer" => Arc::clone(name)),
            endpoint_unsent: failures("endpoint_unsent"),
            endpoint_maybe_sent: failures("endpoint_maybe_sent"),
            no_endpoints: failures("no_endpoints"),
            all_unavailable: failures("all_unavailable"),
            refused: failures("refused"),
            up: endpoints("up"),
            down: endpoints("down"),
            unchecked: endpoints("unchecked"),
            draining: endpoints("draining"),
            went_up: health("up"),
            went_down: health("down"),
            discovery_failures: driver("discovery"),
            build_panics: driver("policy_panic"),
        }
    }
}
