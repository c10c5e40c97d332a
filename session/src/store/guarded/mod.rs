//! A store that is given up on in time: a time limit for each operation, and a circuit around all of them.
//!
//! What decides is in `circuit`, and knows no store and no clock; `within` is a timer that costs nothing for stores that
//! are ready at once.

mod circuit;
mod error;
mod within;

#[cfg(test)]
mod tests;

pub use self::circuit::CircuitState;
pub use self::error::{CircuitOpen, TimedOut};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::circuit::{Circuit, Ticket};
use self::within::within;
use super::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Store, Subject,
};
use crate::error::StoreError;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::telemetry;
use crate::token::SessionKey;

/// A store in the same data centre answers in a few milliseconds; one that takes fifty times as long is in trouble, and
/// its callers are people who wait.
const TIME_LIMIT: Duration = Duration::from_millis(250);
/// With one failure, a connection that broke would count for an outage; every further one is a request that waited.
const FAILURES: u32 = 5;
/// A store that is back is in use within a second, and one that is away makes one request a second wait.
const PAUSE: Duration = Duration::from_secs(1);
/// A sweep deletes as many rows as it is told to, and nobody waits for it.
const SWEEP_LIMIT: Duration = Duration::from_secs(30);

/// A store with a time limit for each operation, and a circuit that opens when it fails.
///
/// A store that hangs would take every request with it, and one that is down would be asked by all of them. So after some
/// failures in a row the store is left alone for a pause; then one request finds out how it is. The layer puts
/// this around the store that it is given.
///
/// An operation that takes too long is [`StoreError::Unknown`] because of a [`TimedOut`], also if it only reads. While
/// the circuit is open, operations are [`StoreError::Unavailable`] because of a [`CircuitOpen`]. Only what says that
/// the store was not reached counts as a failure: [`StoreError::Invalid`] is an answer.
///
/// A [`sweep`](Store::sweep) may take 30 seconds. It is refused unless the circuit is closed, and what becomes of it does
/// not count: it is no measure for a request.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use terrace_session::store::{CircuitState, Guarded, Memory};
///
/// let store = Arc::new(Memory::new());
/// let as_it_comes = Guarded::new(store.clone());
/// assert_eq!(as_it_comes.state(), CircuitState::Closed);
///
/// let far_away = Guarded::new(store).time_limit(Duration::from_secs(1)).failures(3);
/// # let _ = far_away;
/// ```
///
/// # Cancel safety
///
/// As the store's. An operation that is dropped counts neither as an answer nor as a failure; if it was the one to find
/// out, the next one does.
pub struct Guarded {
    store: Arc<dyn Store>,
    limit: Duration,
    /// Held for a comparison and a count.
    circuit: Mutex<Circuit>,
}

impl Guarded {
    /// Guards a store, with the default limits.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, limit: TIME_LIMIT, circuit: Mutex::new(Circuit::new(FAILURES, PAUSE)) }
    }

    /// How long an operation may take. Default 250 ms: many times what a store in the same data centre needs.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// How many failures in a row open the circuit, at least one. Default 5: less could be one connection that broke, and
    /// each is a request that waited.
    #[must_use]
    pub fn failures(self, failures: u32) -> Self {
        let pause = self.circuit().pause();
        Self { circuit: Mutex::new(Circuit::new(failures, pause)), ..self }
    }

    /// How long a store is left alone before one request finds out whether it is back. Default 1 s: it is used again
    /// within that time, and one request in that time waits.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        let failures = self.circuit().failures();
        Self { circuit: Mutex::new(Circuit::new(failures, pause)), ..self }
    }

    /// Whether the store is asked at the moment: for a page of status.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.circuit().state()
    }

    /// How often failures have opened the circuit, probes that failed included.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.circuit().opened()
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store itself: an `Arc` of one is a store as well, and would box each call once more.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn admit(&self) -> Result<Asking<'_>, StoreError> {
        let mut circuit = self.circuit();
        let admitted = match circuit.closed() {
            Some(ticket) => Ok(ticket),
            None => circuit.admit(Instant::now()),
        };
        let ticket = admitted.map_err(|retry_after| CircuitOpen { retry_after }.unavailable())?;
        Ok(Asking { guarded: self, ticket, over: false })
    }

    /// Asks as the operations of [`Store`] do, without the box that each of those takes: for the layer, which asks with
    /// each request.
    pub(crate) async fn ask<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let asking = self.admit()?;
        let result = limited(self.limit, operation).await;
        match &result {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Unknown(_))) => {
                asking.failed(error);
            }
            Ok(_) | Err(StoreError::Invalid(_)) => asking.answered(),
        }
        result
    }
}

async fn limited<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let in_time = within(limit, operation).await;
    in_time.unwrap_or_else(|| Err(StoreError::Unknown(TimedOut { limit }.into())))
}

/// An operation under way. Dropped before its end, it lets another one find out.
struct Asking<'a> {
    guarded: &'a Guarded,
    ticket: Ticket,
    over: bool,
}

impl Asking<'_> {
    fn answered(mut self) {
        self.over = true;
        let (before, after) = self.report(Circuit::answered);
        if before == CircuitState::Probing && after == CircuitState::Closed {
            telemetry::store_is_back();
        }
    }

    fn failed(mut self, error: &StoreError) {
        self.over = true;
        let (before, after) = self.report(|circuit, ticket| circuit.failed(ticket, Instant::now()));
        if before == CircuitState::Closed && after == CircuitState::Open {
            telemetry::store_fails(error);
        }
    }

    /// Tells the circuit, and gives its state before and after it.
    fn report(&self, tell: impl FnOnce(&mut Circuit, Ticket)) -> (CircuitState, CircuitState) {
        let mut circuit = self.guarded.circuit();
        let before = circuit.state();
        tell(&mut circuit, self.ticket);
        (before, circuit.state())
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.guarded.circuit().abandoned(self.ticket, Instant::now());
        }
    }
}

#[async_trait]
impl Store for Guarded {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        self.ask(self.store().load(key, touch)).await
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        self.ask(self.store().create(key, new)).await
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        self.ask(self.store().patch(key, patch, guard, limits)).await
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        self.ask(self.store().rotate(old, new, rotation)).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.ask(self.store().delete(key)).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        self.ask(self.store().list(subject)).await
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        self.ask(self.store().revoke(subject, except)).await
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        self.ask(self.store().epoch(subject)).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        {
            let circuit = self.circuit();
            if circuit.closed().is_none() {
                return Err(CircuitOpen { retry_after: circuit.pause() }.unavailable());
            }
        }
        limited(SWEEP_LIMIT, self.store().sweep(limit)).await
    }

    fn capabilities(&self) -> Capabilities {
        self.store().capabilities()
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("store", &self.store)
            .field("limit", &self.limit)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
