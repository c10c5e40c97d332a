use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tower_layer::Layer;

use super::Guarded;
use crate::origin::breaker::{Admit, Breaker, Condition, Outcome, Ticket};
use crate::origin::rule::{Rule, on};
use crate::origin::{BreakerSettings, Cap, CapSettings, Invalid, OriginError, ServerErrors};

/// The breaker and the places of one origin. See the [module](super).
///
/// # Clone
///
/// Clones, and the services that they make, share both.
#[derive(Clone, Debug)]
pub struct Guard {
    pub(super) cap: Cap,
    pub(super) server_errors: ServerErrors,
    // Guards a few lines: ask, report, look.
    breaker: Arc<Mutex<Breaker>>,
}

impl Guard {
    /// A closed breaker, and all places free.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if a setting means nothing.
    pub fn new(breaker: BreakerSettings, cap: CapSettings) -> Result<Self, Invalid> {
        Ok(Self {
            cap: Cap::new(cap)?,
            server_errors: ServerErrors::default(),
            breaker: Arc::new(Mutex::new(Breaker::new(breaker)?)),
        })
    }

    /// Which statuses count as failures of the origin.
    #[must_use]
    pub fn server_errors(self, server_errors: ServerErrors) -> Self {
        Self { server_errors, ..self }
    }

    /// What the breaker thinks of the origin.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.breaker().condition()
    }

    /// How often the breaker has opened after it was closed.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.breaker().opened()
    }

    /// The places.
    #[must_use]
    pub fn cap(&self) -> &Cap {
        &self.cap
    }

    pub(super) fn refuses(&self) -> Result<(), OriginError> {
        match self.breaker().refuses(Instant::now()) {
            Some(retry_after) => Err(OriginError::Refused { retry_after }),
            None => Ok(()),
        }
    }

    pub(super) fn ask(&self) -> Result<Asking, OriginError> {
        match self.breaker().ask(Instant::now()) {
            Admit::Through(ticket) | Admit::Probe(ticket) => {
                Ok(Asking { guard: self.clone(), ticket, reported: false })
            }
            Admit::Refused { retry_after } => Err(OriginError::Refused { retry_after }),
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Its methods change it in one step each: a panic between two leaves it whole.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With the default settings.
impl Default for Guard {
    fn default() -> Self {
        Self {
            cap: Cap::default(),
            server_errors: ServerErrors::default(),
            breaker: Arc::new(Mutex::new(Breaker::default())),
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

/// A call that the breaker let through. Dropped without a report, nobody knows what came of it.
#[derive(Debug)]
pub(super) struct Asking {
    guard: Guard,
    ticket: Ticket,
    reported: bool,
}

impl Asking {
    pub(super) fn report(&mut self, outcome: Outcome) {
        self.reported = true;
        self.guard.breaker().report(self.ticket, outcome, Instant::now());
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.reported && on(Rule::ReportDropped) {
            self.report(Outcome::Unknown);
        }
    }
}
