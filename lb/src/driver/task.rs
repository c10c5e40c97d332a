//! The driver's loop: one event at a time, then a new snapshot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::checks::Checks;
use super::discovery::Discovery;
use super::erased;
use crate::health::{CheckError, HealthConfig};
use crate::membership::{Change, Command, Published, Table};
use crate::policy::{Policy, Rng};
use crate::telemetry::Telemetry;
use crate::{EndpointId, MembershipError};

/// The shortest time from one snapshot to the next. A fleet that restarts changes thousands of
/// times in a second; building for each change would keep a core busy and change nothing for users.
const COALESCE: Duration = Duration::from_millis(10);

/// What a driver is made of.
pub(crate) struct Parts<S, Req> {
    pub(crate) table: Table<S>,
    pub(crate) joined: Vec<EndpointId>,
    pub(crate) policy: Arc<dyn Policy<Req>>,
    pub(crate) published: Arc<Published<S, Req>>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) commands: mpsc::Receiver<Command<S>>,
    pub(crate) gone: oneshot::Receiver<()>,
    pub(crate) discovery: Option<Box<dyn erased::Discover<S>>>,
    pub(crate) health: Option<(Arc<dyn erased::Check<S>>, HealthConfig)>,
    pub(crate) rng: Rng,
}

pub(super) struct Task<S, Req> {
    table: Table<S>,
    policy: Arc<dyn Policy<Req>>,
    published: Arc<Published<S, Req>>,
    telemetry: Arc<Telemetry>,
    checks: Option<Checks<S>>,
    /// Callers to tell once their change is published.
    unpublished: Vec<oneshot::Sender<Result<(), MembershipError>>>,
    dirty: bool,
    publish_at: Instant,
    inputs: Inputs<S>,
}

struct Inputs<S> {
    commands: mpsc::Receiver<Command<S>>,
    gone: oneshot::Receiver<()>,
    discovery: Discovery<S>,
}

enum Event<S> {
    Gone,
    Command(Command<S>),
    Discovered(Result<Change<S>, crate::BoxError>),
    Checked(EndpointId, Result<(), CheckError>),
    Timer,
}

impl<S, Req> Task<S, Req>
where
    S: Clone + Send + Sync + 'static,
    Req: 'static,
{
    pub(super) fn new(parts: Parts<S, Req>) -> Self {
        let mut rng = parts.rng;
        let discovery = Discovery::new(parts.discovery, Rng::from_seed(rng.next_u64()));
        let mut checks = parts.health.map(|(check, config)| Checks::new(check, config, rng));
        if let Some(checks) = &mut checks {
            parts.joined.into_iter().for_each(|id| checks.join(id));
        }
        Self {
            table: parts.table,
            policy: parts.policy,
            published: parts.published,
            telemetry: parts.telemetry,
            checks,
            unpublished: Vec::new(),
            // The first round tells the metrics what was built.
            dirty: true,
            publish_at: Instant::now(),
            inputs: Inputs { commands: parts.commands, gone: parts.gone, discovery },
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let now = Instant::now();
            if self.dirty && self.publish_at <= now {
                self.publish(now);
            }
            if let Some(checks) = &mut self.checks {
                checks.start(now, |id| self.table.service(id));
            }
            match self.event(now).await {
                Event::Gone => return,
                Event::Command((change, caller)) => match self.apply(change) {
                    Ok(()) => self.unpublished.push(caller),
                    // Whoever asked and went away does not need the answer.
                    Err(error) => drop(caller.send(Err(error))),
                },
                Event::Discovered(Ok(change)) => {
                    if let Err(error) = self.apply(change) {
                        self.telemetry.discovery_failed(&error);
                    }
                }
                Event::Discovered(Err(error)) => self.telemetry.discovery_failed(&error),
                Event::Checked(id, result) => self.checked(id, &result),
                Event::Timer => {}
            }
        }
    }

    async fn event(&mut self, now: Instant) -> Event<S> {
        let publish = self.dirty.then_some(self.publish_at);
        let check = self.checks.as_ref().and_then(|checks| checks.next(now));
        let timer = publish.into_iter().chain(check).min();
        let Inputs { commands, gone, discovery } = &mut self.inputs;
        tokio::select! {
            biased;
            _ = gone => Event::Gone,
            () = sleep_until(timer.unwrap_or(now)), if timer.is_some() => Event::Timer,
            Some(command) = commands.recv() => Event::Command(command),
            change = discovery.next() => Event::Discovered(change),
            (id, result) = finished(&mut self.checks) => Event::Checked(id, result),
        }
    }

    fn apply(&mut self, change: Change<S>) -> Result<(), MembershipError> {
        let joined = self.table.apply(change)?;
        if let Some(checks) = &mut self.checks {
            joined.into_iter().for_each(|id| checks.join(id));
        }
        self.telemetry.members_changed(self.table.len());
        self.dirty = true;
        Ok(())
    }

    fn checked(&mut self, id: EndpointId, result: &Result<(), CheckError>) {
        let Some(checks) = &mut self.checks else {
            return;
        };
        let (rise, fall) = checks.thresholds();
        checks.done(id, self.table.service(id).is_some(), Instant::now());
        let Some(to) = self.table.observe(id, result.is_ok(), rise, fall) else {
            return;
        };
        self.dirty = true;
        if let Some(name) = self.table.name(id) {
            let why: &dyn std::fmt::Display = match result {
                Ok(()) => &"the check succeeded",
                Err(error) => error,
            };
            self.telemetry.health_changed(name, to, why);
        }
    }

    fn publish(&mut self, now: Instant) {
        // A policy is foreign code; if it panics the last snapshot stays.
        match catch_unwind(AssertUnwindSafe(|| self.table.snapshot(&*self.policy))) {
            Ok(snapshot) => {
                self.telemetry.published(&snapshot.statuses());
                self.published.store(Arc::new(snapshot));
            }
            Err(_) => self.telemetry.build_panicked(),
        }
        self.dirty = false;
        self.publish_at = now + COALESCE;
        for caller in self.unpublished.drain(..) {
            let _ = caller.send(Ok(()));
        }
    }
}

async fn finished<S>(checks: &mut Option<Checks<S>>) -> (EndpointId, Result<(), CheckError>)
where
    S: Clone + Send + Sync + 'static,
{
    match checks {
        Some(checks) => checks.finished().await,
        None => std::future::pending().await,
    }
}
