use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::node::{Connector, Member, Slot};
use super::shared::Shared;
use super::verdict::{Effect, Mark, unanswered, verdict};
use crate::backend::{Access, Backend};
use crate::error::{Error, ErrorKind};
use crate::token::CausalContext;

/// How often a slow answer's node is looked at, to give up early if it is lost.
const PATIENCE: Duration = Duration::from_millis(250);

/// A connection on loan. Gives it back, or throws it away, when it is dropped.
pub(crate) struct Lease<B: Backend> {
    shared: Arc<Shared<B>>,
    member: Arc<Member<B>>,
    object: Option<Object<Connector<B>>>,
    marks: Marks,
    access: Access,
    answer: Duration,
    /// Whose reads these are, and the incarnation of the node that serves them.
    reader: Option<(CausalContext, u32)>,
    /// The place among reads that have fallen back to the primary.
    _fallback: Option<OwnedSemaphorePermit>,
}

/// What has become of the connection while it was on loan.
#[derive(Clone, Copy, Debug)]
struct Marks {
    /// An exchange has begun and not ended: what comes next on this connection is not known.
    busy: bool,
    /// It is broken.
    broken: bool,
    /// A transaction is open on it.
    open: bool,
    generation: u64,
}

/// Watches one exchange on a leased connection.
pub(crate) struct Watch<'a, B: Backend> {
    shared: &'a Shared<B>,
    member: &'a Member<B>,
    marks: &'a mut Marks,
    access: Access,
    answer: Duration,
    reader: Option<&'a (CausalContext, u32)>,
}

impl<B: Backend> Lease<B> {
    pub(crate) fn new(
        shared: &Arc<Shared<B>>,
        member: Arc<Member<B>>,
        object: Object<Connector<B>>,
        access: Access,
        answer: Duration,
    ) -> Self {
        member.begin();
        let marks =
            Marks { busy: false, broken: false, open: false, generation: object.generation };
        Self {
            shared: Arc::clone(shared),
            member,
            object: Some(object),
            marks,
            access,
            answer,
            reader: None,
            _fallback: None,
        }
    }

    pub(crate) fn read_by(mut self, reader: Option<(CausalContext, u32)>) -> Self {
        self.reader = reader;
        self
    }

    pub(crate) fn fallback(mut self, place: Option<OwnedSemaphorePermit>) -> Self {
        self._fallback = place;
        self
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<B>> {
        &self.shared
    }

    pub(crate) fn member(&self) -> &Arc<Member<B>> {
        &self.member
    }

    /// Whether a transaction is open, and is to be rolled back if nobody ends it.
    pub(crate) fn set_open(&mut self, open: bool) {
        self.marks.open = open;
    }

    pub(crate) fn connection(&self) -> &B::Connection {
        match &self.object {
            Some(object) => &object.connection,
            None => unreachable!("a lease holds its connection until it is dropped"),
        }
    }

    pub(crate) fn connection_mut(&mut self) -> &mut B::Connection {
        self.parts().0
    }

    /// The connection, and the watch over one exchange on it.
    pub(crate) fn parts(&mut self) -> (&mut B::Connection, Watch<'_, B>) {
        let Some(object) = &mut self.object else {
            unreachable!("a lease holds its connection until it is dropped")
        };
        let slot: &mut Slot<B> = object;
        let watch = Watch {
            shared: &self.shared,
            member: &self.member,
            marks: &mut self.marks,
            access: self.access,
            answer: self.answer,
            reader: self.reader.as_ref(),
        };
        (&mut slot.connection, watch)
    }

    /// What an error means that came from the connection behind the pool's back.
    pub(crate) fn diagnose(&mut self, effect: Effect, error: B::Error) -> Error {
        self.parts().1.diagnose(effect, error)
    }
}

impl<B: Backend> Watch<'_, B> {
    /// Carries out one exchange under a deadline, and learns from how it ends.
    ///
    /// Dropping it midway costs the connection.
    pub(crate) async fn over<T>(
        self,
        effect: Effect,
        exchange: impl Future<Output = Result<T, B::Error>>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        self.marks.busy = true;
        let mut exchange = pin!(exchange);
        let answered = loop {
            let waited = Instant::now().saturating_duration_since(started);
            let step = self.answer.saturating_sub(waited).min(PATIENCE);
            match timeout(step, &mut exchange).await {
                Ok(answered) => break Some(answered),
                Err(_) => {
                    let waited = Instant::now().saturating_duration_since(started);
                    let lost = self.member.generation() != self.marks.generation;
                    if lost || waited >= self.answer {
                        break None;
                    }
                }
            }
        };
        let now = Instant::now();
        let took = now.saturating_duration_since(started);
        match answered {
            Some(Ok(value)) => {
                self.marks.busy = false;
                self.member.answered(took);
                self.shared.telemetry.answered(self.access, took, None);
                if let Some((context, incarnation)) = self.reader {
                    context.read_from(*incarnation, now);
                }
                Ok(value)
            }
            Some(Err(error)) => {
                self.marks.busy = false;
                let error = self.diagnose(effect, error);
                Err(error)
            }
            None => {
                // Stays busy: the answer may still come, and would be taken for the next one's.
                self.member.wake.notify_one();
                self.shared.telemetry.answered(self.access, took, Some(ErrorKind::Timeout));
                Err(Error::new(ErrorKind::Timeout, unanswered(effect)).node(self.member.name()))
            }
        }
    }

    pub(crate) fn diagnose(self, effect: Effect, error: B::Error) -> Error {
        let fault = self.shared.backend.fault(&error);
        let (kind, outcome, mark) = verdict(fault, effect, self.access);
        match mark {
            Mark::Keep => {}
            Mark::Suspect => {
                self.marks.broken = true;
                self.member.note(&error);
                self.member.wake.notify_one();
            }
            Mark::NotPrimary => {
                self.marks.broken = true;
                self.shared
                    .learn(|belief| belief.cluster.not_primary(self.member.id, Instant::now()));
                self.member.wake.notify_one();
            }
        }
        self.shared.telemetry.answered(self.access, Duration::ZERO, Some(kind));
        Error::new(kind, outcome).node(self.member.name()).source_of(error)
    }
}

impl<B: Backend> Drop for Lease<B> {
    fn drop(&mut self) {
        self.member.end();
        let Some(mut object) = self.object.take() else { return };
        let lost = self.marks.generation != self.member.generation();
        if self.marks.busy || self.marks.broken || lost {
            drop(Object::take(object));
            return;
        }
        object.used = Instant::now();
        if self.marks.open {
            roll_back(&self.shared, object);
        }
    }
}

/// Rolls back what nobody has ended, and only then gives the connection to others.
fn roll_back<B: Backend>(shared: &Arc<Shared<B>>, mut object: Object<Connector<B>>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        // Nowhere to wait for the answer: closing the connection rolls back too.
        drop(Object::take(object));
        return;
    };
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        let rollback = shared.backend.rollback(&mut object.connection);
        let done = timeout(shared.config.probe_deadline, rollback).await;
        if !matches!(done, Ok(Ok(()))) {
            drop(Object::take(object));
        }
    });
}
