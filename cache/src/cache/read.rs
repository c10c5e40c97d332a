//! A reader: what it waits for, and what it gets.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::batch::{Batch, Job};
use super::core::{Ask, Core};
use super::level;
use super::{Cached, Status, Why};
use crate::error::LoadError;
use crate::flight::{Boarding, Flight, From, Landed, Node};
use crate::freshness::{Deadlines, Meanwhile, Wait};
use crate::key::CacheKey;
use crate::load::Once;

impl<K, V> Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Starts the load that this reader's value needs and does not wait for it.
    pub(crate) fn refresh(self: &Arc<Self>, key: K, ask: Ask<V>, own: Option<Once<V>>) {
        if self.meanwhile(&ask).0 != Meanwhile::Load {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let node = Node::new();
        if let Boarding::Leads(landing) =
            self.flights.board(&ask.placed, &ask.captured, &self.versions, &node)
        {
            let job = Job::new(key, ask, landing, own);
            runtime.spawn(Arc::clone(self).run(Batch::new(node, vec![job])));
        }
    }

    /// Waits for a load of the key, its own or another one's.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        key: K,
        mut ask: Ask<V>,
        mut own: Option<Once<V>>,
    ) -> Result<Cached<V>, LoadError> {
        let deadlines = self.freshness.deadlines(ask.came, level::lifetime(ask.held.as_ref()));
        // Whether what this reader waits for was begun after it came.
        let mut later = false;
        loop {
            if let Some(answer) = self.without_a_load(&ask) {
                return answer;
            }
            let node = Node::new();
            let (flight, leads) =
                match self.flights.board(&ask.placed, &ask.captured, &self.versions, &node) {
                    Boarding::Joined(flight) => (flight, false),
                    Boarding::Leads(landing) => {
                        let flight = Arc::clone(landing.flight());
                        let job = Job::new(key.clone(), ask.again(), landing, own.take());
                        let batch = Batch::new(node, vec![job]);
                        match Handle::try_current() {
                            Ok(runtime) => drop(runtime.spawn(Arc::clone(self).run(batch))),
                            Err(_) => return Err(LoadError::NoRuntime),
                        }
                        (flight, true)
                    }
                };
            if let Some(answer) = self.wait(&flight, leads, later, &deadlines, &ask).await {
                return answer;
            }
            // What it waited for is too old for it. The next load begins after this reader came, so
            // it will do in any case.
            later = true;
            ask.captured = self.versions.capture(ask.placed.place);
        }
    }

    /// The answer of a reader whose key has failed a moment ago.
    pub(crate) fn without_a_load(&self, ask: &Ask<V>) -> Option<Result<Cached<V>, LoadError>> {
        match self.meanwhile(ask) {
            (Meanwhile::Load, _) => None,
            (Meanwhile::Stale, error) => Some(self.stale_or(ask, Why::FailedLoad, error?)),
            (Meanwhile::Error, error) => Some(Err(error?)),
        }
    }

    pub(crate) fn meanwhile(&self, ask: &Ask<V>) -> (Meanwhile, Option<LoadError>) {
        let Some(failure) = self.level.failure(ask.placed.place) else {
            return (Meanwhile::Load, None);
        };
        let now = self.now();
        let what = failure.backoff.meanwhile(now, level::lifetime(ask.held.as_ref()));
        let error = match failure.error {
            LoadError::Failed { source, .. } => {
                LoadError::Failed { source, retry_after: failure.backoff.until().since(now) }
            }
            other => other,
        };
        (what, Some(error))
    }

    /// Waits for a load as long as this reader may. `None`: its value is not for this reader.
    pub(crate) async fn wait(
        &self,
        flight: &Flight<V>,
        leads: bool,
        later: bool,
        deadlines: &Deadlines,
        ask: &Ask<V>,
    ) -> Option<Result<Cached<V>, LoadError>> {
        let Ok(_waiting) = Node::wait_for(&flight.node) else {
            return Some(Err(LoadError::Reentrant));
        };
        let mut deadlines = *deadlines;
        loop {
            let until = match deadlines.at(self.now()) {
                Wait::Until(until) => until,
                Wait::ServeStale => match self.fallback(&ask.placed) {
                    Some(entry) => {
                        return Some(Ok(Cached::new(entry, Status::Stale(Why::SlowLoad))));
                    }
                    // Invalidated while this reader waited.
                    None => {
                        deadlines.serve_stale_at = None;
                        continue;
                    }
                },
                Wait::GiveUp => {
                    let error = LoadError::TimedOut { after: self.freshness.hard_timeout };
                    return Some(self.stale_or(ask, Why::SlowLoad, error));
                }
            };
            let outcome = match until.instant(self.origin) {
                Some(until) => timeout_at(until, flight.landed()).await.ok(),
                None => Some(flight.landed().await),
            };
            let Some(outcome) = outcome else { continue };
            return match &outcome.result {
                Ok(landed) => {
                    // That it was current when it was kept is not enough for who joined a moment
                    // later, when a tag had been bumped. And a load that takes longer than
                    // `l1_max_age` has read too early for who joined at its end.
                    let mine = leads
                        || later
                        || (ask.came <= landed.entry.lifetime.l1_until
                            && ((landed.current && self.is_current(&landed.entry))
                                || flight.captured.serves(&ask.captured)));
                    mine.then(|| Ok(Cached::new(Arc::clone(&landed.entry), landed.status(leads))))
                }
                Err(error) => Some(self.stale_or(ask, Why::FailedLoad, error.clone())),
            };
        }
    }

    fn stale_or(&self, ask: &Ask<V>, why: Why, error: LoadError) -> Result<Cached<V>, LoadError> {
        match self.fallback(&ask.placed) {
            Some(entry) => Ok(Cached::new(entry, Status::Stale(why))),
            None => Err(error),
        }
    }
}

impl<V> Landed<V> {
    fn status(&self, leads: bool) -> Status {
        match self.from {
            From::L1 => Status::L1,
            _ if !leads => Status::Joined,
            From::L2 => Status::L2,
            From::Loader => Status::Loaded,
        }
    }
}

impl<V> Ask<V> {
    /// The same, for another who needs it.
    pub(crate) fn again(&self) -> Self {
        Self {
            placed: self.placed.clone(),
            captured: self.captured,
            came: self.came,
            held: self.held.clone(),
        }
    }
}
