use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::acquire::Trouble;
use super::lease::{Lease, Watch};
use super::node::Member;
use super::shared::Shared;
use super::verdict::Effect;
use crate::backend::{Access, Backend};
use crate::cluster::Writable;
use crate::error::{Error, ErrorKind, Outcome};
use crate::position::{Position, SystemId};
use crate::token::CausalContext;

/// A write that is being described. Await it for a connection to the primary, or ask it at once with
/// the methods of its backend.
#[must_use = "a write does nothing until it is awaited"]
pub struct Write<'a, B: Backend> {
    pub(crate) shared: &'a Arc<Shared<B>>,
    context: Option<CausalContext>,
    answer: Duration,
    search: Search,
}

/// How the search for a primary stands.
#[derive(Default)]
struct Search {
    deadline: Option<Instant>,
    place: Option<OwnedSemaphorePermit>,
    /// What came of the last attempt.
    last: Option<Error>,
}

impl<'a, B: Backend> Write<'a, B> {
    pub(crate) fn new(shared: &'a Arc<Shared<B>>) -> Self {
        Self { shared, context: None, answer: shared.config.answer, search: Search::default() }
    }

    /// Notes the position of what is written in this context, for its later reads.
    pub fn context(mut self, context: &CausalContext) -> Self {
        self.context = Some(context.clone());
        self
    }

    /// How long an answer may take, instead of [`PoolConfig::answer`](crate::PoolConfig::answer).
    pub fn deadline(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }

    /// A connection to the primary; waits for a primary if there is none.
    ///
    /// Called again after [`forgive`](Self::forgive), it looks again.
    pub(crate) async fn pick(&mut self) -> Result<WriteConnection<B>, Error> {
        let shared = self.shared;
        // Before the view is read, so that no later one is missed.
        let mut published = None;
        loop {
            if let Some((member, system)) = self.primary()? {
                let patience = || Some(Instant::now() + shared.config.checkout);
                let acquired =
                    shared.acquire(member, Access::ReadWrite, patience, self.answer).await;
                match acquired {
                    Ok(lease) => {
                        let context = self.context.clone().zip(system);
                        return Ok(WriteConnection { lease, context });
                    }
                    Err(Trouble::Node(error)) => self.search.last = Some(error),
                    Err(trouble) => return Err(trouble.into_error()),
                }
            }
            let Some(news) = &mut published else {
                // The view may have changed while nobody listened: once more, then wait.
                published = Some(shared.published());
                continue;
            };
            let deadline = self.waits_until();
            if self.search.place.is_none() {
                let Ok(place) = Arc::clone(&shared.waiting).try_acquire_owned() else {
                    return Err(Error::before(ErrorKind::Busy)
                        .message("as many callers as may wait for a primary do so already"));
                };
                self.search.place = Some(place);
            }
            if !matches!(timeout_at(deadline, news.changed()).await, Ok(Ok(()))) {
                return Err(self.gave_up());
            }
        }
    }

    /// Until when it waits for a primary.
    fn waits_until(&mut self) -> Instant {
        let wait = self.shared.config.write_wait;
        *self.search.deadline.get_or_insert_with(|| Instant::now() + wait)
    }

    /// Who takes writes, if anybody does.
    fn primary(&self) -> Result<Option<(Arc<Member<B>>, Option<SystemId>)>, Error> {
        let snapshot = self.shared.snapshot();
        let view = &snapshot.view;
        match &view.writable {
            Writable::Primary(place) => {
                let member = snapshot.members.get(*place).cloned();
                Ok(member.map(|member| (member, view.system)))
            }
            Writable::Nobody => Ok(None),
            Writable::SplitBrain(places) => {
                let nodes = places.iter().filter_map(|place| view.nodes.get(*place));
                let names: Vec<&str> = nodes.map(|node| &*node.name).collect();
                Err(Error::before(ErrorKind::SplitBrain).message(format!(
                    "{} on timeline {}; demote all but one",
                    names.join(" and "),
                    view.timeline
                )))
            }
        }
    }

    fn gave_up(&mut self) -> Error {
        let waited = self.shared.config.write_wait;
        let error = Error::before(ErrorKind::NoPrimary)
            .message(format!("and none did for {} ms", waited.as_millis()));
        match self.search.last.take() {
            Some(last) => error.source_of(last),
            None => error,
        }
    }

    /// Nothing was executed, and a moment later it may be: looks again. Else the error.
    pub(crate) fn forgive(&mut self, error: Error) -> Result<(), Error> {
        let in_time = Instant::now() < self.waits_until();
        let elsewhere = matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::NotPrimary);
        if !(error.outcome() == Outcome::NotExecuted && elsewhere && in_time) {
            return Err(error);
        }
        self.search.last = Some(error);
        Ok(())
    }
}

impl<'a, B: Backend> IntoFuture for Write<'a, B> {
    type Output = Result<WriteConnection<B>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move { self.pick().await })
    }
}

impl<B: Backend> fmt::Debug for Write<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// A connection to the primary. It is given back when it is dropped.
pub struct WriteConnection<B: Backend> {
    pub(super) lease: Lease<B>,
    pub(super) context: Option<(CausalContext, SystemId)>,
}

impl<B: Backend> WriteConnection<B> {
    /// The name of the node.
    #[must_use]
    pub fn served_by(&self) -> &str {
        self.lease.member().name()
    }

    /// Carries out statements, each of which commits by itself, under one deadline.
    ///
    /// With a context, it asks afterwards how far the primary has come; only then is the write
    /// acknowledged, so that every acknowledged write of a context has a position.
    ///
    /// # Errors
    ///
    /// When the database says no, or nothing in time. With [`Outcome::Unknown`], what was under way
    /// was carried out once or not at all, and what stood before it in `work` was carried out.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and whether the statement was carried out is not
    /// known.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut B::Connection) -> Result<T, B::Error>,
    ) -> Result<T, Error> {
        let wants = self.wants_position();
        let (connection, watch, backend) = self.parts();
        let exchange = async {
            let value = work(connection).await?;
            if let Some(doubt) = backend.doubt(connection) {
                return Err(doubt);
            }
            let position = if wants { Some(backend.written(connection).await?) } else { None };
            Ok((value, position))
        };
        let (value, position) = watch.over(Effect::Write, pin!(exchange)).await?;
        if let Some(position) = position {
            self.wrote(position);
        }
        Ok(value)
    }

    pub(crate) fn parts(&mut self) -> (&mut B::Connection, Watch<'_, B>, &B) {
        self.lease.parts()
    }

    /// Whether the position of what is written here is to be asked for, and [noted](Self::wrote).
    pub(crate) fn wants_position(&self) -> bool {
        self.context.is_some()
    }

    /// What was written here lies before this position.
    pub(crate) fn wrote(&self, position: Position) {
        if let Some((context, system)) = &self.context {
            context.wrote(*system, position);
        }
        // A promotion that nobody has seen yet: this node was demoted and promoted between two looks.
        if position.timeline > self.lease.shared().snapshot().view.timeline {
            self.lease.member().wake.notify_one();
        }
    }
}

impl<B: Backend> fmt::Debug for WriteConnection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteConnection").field("node", &self.served_by()).finish_non_exhaustive()
    }
}
