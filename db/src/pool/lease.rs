use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::node::{Connector, Member, Slot};
use super::patience::{Bell, Coarse};
use super::shared::Shared;
use super::verdict::{Effect, Mark, unanswered, verdict};
use crate::backend::{Access, Backend};
use crate::cluster::Seen;
use crate::error::{Error, ErrorKind};
use crate::position::SystemId;
use crate::token::CausalContext;

/// A connection on loan. Gives it back, or throws it away, when it is dropped.
pub(crate) struct Lease<B: Backend> {
    shared: Arc<Shared<B>>,
    member: Arc<Member<B>>,
    object: Option<Object<Connector<B>>>,
    marks: Marks,
    access: Access,
    answer: Duration,
    /// Whose reads these are.
    reader: Option<Reader>,
    /// What they see is noted by its position, and not by the node that showed it.
    positions: bool,
    /// The place among reads that have fallen back to the primary.
    fallback: Option<OwnedSemaphorePermit>,
}

/// Who reads: no later read of theirs may see less.
pub(crate) struct Reader {
    pub(crate) context: CausalContext,
    pub(crate) system: SystemId,
    /// What they had seen when this node was chosen: it has at least that.
    pub(crate) under: Option<Seen>,
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
    /// Of the node, when the connection was made.
    incarnation: u32,
    /// When it last answered.
    used: Coarse,
}

/// Watches one exchange on a leased connection.
pub(crate) struct Watch<'a, B: Backend> {
    shared: &'a Shared<B>,
    member: &'a Member<B>,
    marks: &'a mut Marks,
    bell: &'a Bell,
    access: Access,
    answer: Duration,
    reader: Option<&'a Reader>,
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
        let marks = Marks {
            busy: false,
            broken: false,
            open: false,
            generation: object.generation,
            incarnation: object.incarnation,
            used: object.used,
        };
        Self {
            shared: Arc::clone(shared),
            member,
            object: Some(object),
            marks,
            access,
            answer,
            reader: None,
            positions: false,
            fallback: None,
        }
    }

    pub(crate) fn read_by(mut self, reader: Option<Reader>, positions: bool) -> Self {
        self.reader = reader;
        self.positions = positions;
        self
    }

    /// Who reads, if their reads are noted by position.
    pub(crate) fn noting(&self) -> Option<&Reader> {
        self.reader.as_ref().filter(|_| self.positions)
    }

    pub(crate) fn fallback(mut self, place: Option<OwnedSemaphorePermit>) -> Self {
        self.fallback = place;
        self
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<B>> {
        &self.shared
    }

    pub(crate) fn member(&self) -> &Arc<Member<B>> {
        &self.member
    }

    /// Of the node, when the connection was made.
    pub(crate) fn incarnation(&self) -> u32 {
        self.marks.incarnation
    }

    /// Whether a transaction is open, and is to be rolled back if nobody ends it.
    pub(crate) fn set_open(&mut self, open: bool) {
        self.marks.open = open;
    }

    /// The connection, the watch over one exchange on it, and the backend.
    pub(crate) fn parts(&mut self) -> (&mut B::Connection, Watch<'_, B>, &B) {
        let Some(object) = &mut self.object else {
            unreachable!("a lease holds its connection until it is dropped")
        };
        let slot: &mut Slot<B> = object;
        let watch = Watch {
            shared: &self.shared,
            member: &self.member,
            marks: &mut self.marks,
            bell: &slot.bell,
            access: self.access,
            answer: self.answer,
            reader: self.reader.as_ref().filter(|_| !self.positions),
        };
        (&mut slot.connection, watch, &self.shared.backend)
    }
}

impl<B: Backend> Watch<'_, B> {
    /// An exchange whose answer its caller does not get to see.
    pub(crate) fn unseen(self) -> Self {
        Self { reader: None, ..self }
    }

    /// Carries out one exchange under a deadline, and learns from how it ends.
    ///
    /// Dropping it midway costs the connection.
    pub(crate) async fn over<T>(
        self,
        effect: Effect,
        exchange: Pin<&mut impl Future<Output = Result<T, B::Error>>>,
    ) -> Result<T, Error> {
        let (member, generation) = (self.member, self.marks.generation);
        let lost = || member.generation() != generation;
        // Nothing is sent to a node that was lost meanwhile: a revived old primary, say.
        if lost() || self.marks.broken || self.marks.busy {
            self.marks.broken = true;
            return Err(Error::before(ErrorKind::Disconnected)
                .node(member.name())
                .message("the connection is from before its node was lost"));
        }
        let started = Instant::now();
        self.marks.busy = true;
        let ticks = &member.ticks;
        let answered = ticks.answer(self.bell, started, self.answer, lost, exchange).await;
        let now = Instant::now();
        let took = now.saturating_duration_since(started);
        // What was shown to the caller counts as seen, even if more was to come and failed.
        if let (Some(reader), Some(_)) = (self.reader, &answered) {
            let seen = Seen { incarnation: self.marks.incarnation, at: now };
            reader.context.read_from(reader.system, seen, reader.under);
        }
        match answered {
            Some(Ok(value)) => {
                self.marks.busy = false;
                self.marks.used = ticks.now();
                member.answered(took);
                self.shared.telemetry.answered(self.access, took, None);
                Ok(value)
            }
            Some(Err(error)) => {
                self.marks.busy = false;
                Err(self.diagnose(effect, error, took))
            }
            None => {
                // Stays busy: the answer may still come, and would be taken for the next one's.
                member.wake.notify_one();
                self.shared.telemetry.answered(self.access, took, Some(ErrorKind::Timeout));
                Err(Error::new(ErrorKind::Timeout, unanswered(effect)).node(member.name()))
            }
        }
    }

    /// What an answer with an error means.
    pub(crate) fn diagnose(self, effect: Effect, error: B::Error, took: Duration) -> Error {
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
        self.shared.telemetry.answered(self.access, took, Some(kind));
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
        object.used = self.marks.used;
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
