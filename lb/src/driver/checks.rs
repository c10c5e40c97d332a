//! Health checks under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use super::erased::Check;
use crate::EndpointId;
use crate::health::schedule::Schedule;
use crate::health::{CheckError, HealthConfig};
use crate::policy::Rng;

/// Runs the checks that the schedule says are due, each as a task of its own: a check that blocks
/// or panics hurts nobody else.
pub(super) struct Checks<S> {
    check: Arc<dyn Check<S>>,
    config: HealthConfig,
    schedule: Schedule,
    running: JoinSet<Result<(), CheckError>>,
    endpoints: HashMap<Id, EndpointId>,
}

impl<S: Clone + Send + Sync + 'static> Checks<S> {
    pub(super) fn new(check: Arc<dyn Check<S>>, config: HealthConfig, rng: Rng) -> Self {
        let schedule = Schedule::new(&config, rng);
        Self { check, config, schedule, running: JoinSet::new(), endpoints: HashMap::new() }
    }

    pub(super) fn thresholds(&self) -> (u32, u32) {
        (self.config.rise, self.config.fall)
    }

    pub(super) fn join(&mut self, id: EndpointId) {
        self.schedule.join(id);
    }

    /// Starts whatever is due; `service` finds an endpoint's service unless it has left.
    pub(super) fn start<'a>(&mut self, now: Instant, service: impl Fn(EndpointId) -> Option<&'a S>)
    where
        S: 'a,
    {
        while let Some(id) = self.schedule.start(now) {
            let Some(service) = service(id).cloned() else {
                self.schedule.gone();
                continue;
            };
            let (check, limit) = (Arc::clone(&self.check), self.config.timeout);
            let task = self.running.spawn(async move { bounded(check, service, limit).await });
            self.endpoints.insert(task.id(), id);
        }
    }

    /// When something is due next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.schedule.next(now)
    }

    /// Waits for the next result; for ever if no check is running.
    ///
    /// Cancel safe: a result is only taken when it is returned.
    pub(super) async fn finished(&mut self) -> (EndpointId, Result<(), CheckError>) {
        loop {
            let (task, result) = match self.running.join_next_with_id().await {
                Some(Ok((task, result))) => (task, result),
                Some(Err(error)) => (error.id(), Err(CheckError::new("the check panicked"))),
                None => std::future::pending().await,
            };
            if let Some(id) = self.endpoints.remove(&task) {
                return (id, result);
            }
        }
    }

    /// A check has ended and its endpoint is still (or no longer) a member.
    pub(super) fn done(&mut self, id: EndpointId, member: bool, now: Instant) {
        if member {
            self.schedule.done(id, now);
        } else {
            self.schedule.gone();
        }
    }
}

async fn bounded<S>(
    check: Arc<dyn Check<S>>,
    service: S,
    limit: Duration,
) -> Result<(), CheckError> {
    match timeout(limit, check.check(&service)).await {
        Ok(result) => result,
        Err(_) => Err(CheckError::new(format!("no answer within {limit:?}"))),
    }
}
