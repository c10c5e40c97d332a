use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::acquire::Trouble;
use super::lease::{Lease, Watch};
use super::node::Member;
use super::shared::Shared;
use super::verdict::Effect;
use crate::backend::{Access, Backend, Role};
use crate::cluster::{Route, Seen, Standing, Want};
use crate::error::{Error, ErrorKind};
use crate::position::{Position, SystemId};
use crate::token::{CausalContext, Token};

/// A read that is being described. Await it for a connection, or ask it at once with the methods
/// of its backend.
#[must_use = "a read does nothing until it is awaited"]
pub struct Read<'a, B: Backend> {
    pub(crate) shared: &'a Arc<Shared<B>>,
    context: Option<CausalContext>,
    after: Option<(SystemId, Position)>,
    max_staleness: Option<Duration>,
    tag: Option<&'a str>,
    primary: bool,
    answer: Duration,
    progress: Progress,
}

/// How far the search for a node has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    deadline: Option<Instant>,
    tried: u64,
    /// Only the primary will do now: no replica has caught up in time.
    only_primary: bool,
}

impl<'a, B: Backend> Read<'a, B> {
    pub(crate) fn new(shared: &'a Arc<Shared<B>>) -> Self {
        Self {
            shared,
            context: None,
            after: None,
            max_staleness: None,
            tag: None,
            primary: false,
            answer: shared.config.answer,
            progress: Progress::default(),
        }
    }

    /// Reads at least what this context has written and seen: read your writes, and never go back.
    pub fn context(mut self, context: &CausalContext) -> Self {
        self.context = Some(context.clone());
        self
    }

    /// Reads at least what was written before this token was made.
    pub fn after(mut self, token: Token) -> Self {
        self.after = Some((token.system, token.position));
        self
    }

    /// Refuses data that is older than this. The primary's never is.
    ///
    /// Without it a replica may be as stale as [`PoolConfig::max_lag`](crate::PoolConfig::max_lag)
    /// allows, and staler if no fresher node is left.
    pub fn max_staleness(mut self, bound: Duration) -> Self {
        self.max_staleness = Some(bound);
        self
    }

    /// Reads on nodes with this tag, and nowhere else.
    pub fn tag(mut self, tag: &'a str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Reads on the primary, and nowhere else; still read-only.
    pub fn primary(mut self) -> Self {
        self.primary = true;
        self
    }

    /// How long an answer may take, instead of [`PoolConfig::answer`](crate::PoolConfig::answer).
    pub fn deadline(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }

    /// A connection to a node that may serve this read.
    ///
    /// [`ReadConnection::pending`] is set if the node must first say that it has come far enough.
    /// Called again after [`give_up`](Self::give_up), it finds another node.
    pub(crate) async fn pick(&mut self) -> Result<ReadConnection<B>, Error> {
        let deadline = match self.progress.deadline {
            Some(deadline) => deadline,
            None => {
                let deadline = Instant::now() + self.shared.config.checkout;
                self.progress.deadline = Some(deadline);
                deadline
            }
        };
        let mut last = None;
        loop {
            let choice = match self.choose() {
                Ok(choice) => choice,
                Err(none) => return Err(last.unwrap_or(none)),
            };
            let fallback = match self.fallback(&choice, deadline).await {
                Ok(place) => place,
                Err(busy) => return Err(busy),
            };
            // Only the last resort is waited for: a busy replica has neighbours.
            let patience = if choice.last { deadline } else { Instant::now() };
            let acquired = self.shared.acquire(
                Arc::clone(&choice.member),
                Access::ReadOnly,
                patience,
                self.answer,
            );
            match acquired.await {
                Ok(lease) => {
                    let reader = self.context.clone().map(|context| (context, choice.incarnation));
                    return Ok(ReadConnection {
                        lease: lease.read_by(reader).fallback(fallback),
                        role: choice.role,
                        pending: choice.check,
                        place: choice.place,
                    });
                }
                Err(Trouble::Final(error)) => return Err(error),
                Err(trouble) => {
                    self.progress.tried |= bit(choice.place);
                    last = Some(trouble.into_error());
                }
            }
        }
    }

    /// Does not come back to the node of this connection, and, if it was too far behind, to no
    /// replica.
    pub(crate) fn give_up(&mut self, connection: &ReadConnection<B>) {
        if connection.pending.is_some() {
            self.progress.only_primary = true;
        } else {
            self.progress.tried |= bit(connection.place);
        }
    }

    /// How long to wait for a replica to catch up.
    pub(crate) fn catch_up(&self) -> Duration {
        self.shared.config.catch_up
    }

    /// Whether this read was refused by a node in a way that another node may not.
    pub(crate) fn may_retry(&self, error: &Error) -> bool {
        error.is_retryable()
            && self.progress.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    fn choose(&self) -> Result<Choice<B>, Error> {
        let snapshot = self.shared.snapshot();
        let view = &snapshot.view;
        let (after, seen) = self.demand(view)?;
        let want = Want {
            after,
            seen,
            max_staleness: self.max_staleness,
            tag: self.tag,
            primary: self.primary || self.progress.only_primary,
            tried: self.progress.tried,
        };
        let members = &snapshot.members;
        let load = |place: usize| members.get(place).map_or(u64::MAX, |member| member.load());
        let now = Instant::now();
        let (place, role, check) = match view.route(&want, now, self.shared.draw(), load) {
            Route::Replica(place) => (place, Role::Replica, None),
            Route::Check(place, offset) => (place, Role::Replica, Some(offset)),
            Route::Primary(place) => (place, Role::Primary, None),
            Route::NoNode => return Err(Error::before(ErrorKind::NoNode)),
            Route::TooStale => return Err(Error::before(ErrorKind::TooStale)),
        };
        let (Some(member), Some(node)) = (members.get(place), view.nodes.get(place)) else {
            return Err(Error::before(ErrorKind::NoNode));
        };
        self.shared.telemetry.routed(role, check.is_some());
        let untried = |other: &&usize| want.tried & bit(**other) == 0 && **other != place;
        Ok(Choice {
            member: Arc::clone(member),
            place,
            role,
            check,
            incarnation: node.incarnation,
            last: role == Role::Primary || !view.read_set.iter().any(|other| untried(&other)),
            fallback: role == Role::Primary
                && !self.primary
                && view.nodes.iter().enumerate().any(|(i, n)| i != place && n.tag.is_none()),
        })
    }

    /// What the context and the token demand of a node.
    fn demand(
        &self,
        view: &crate::cluster::View,
    ) -> Result<(Option<Position>, Option<Seen>), Error> {
        let requirement = self.context.as_ref().map(CausalContext::requirement);
        let (written, seen) = requirement.map_or((None, None), |r| (r.written, r.seen));
        let mut after: Option<Position> = None;
        for (system, position) in [written, self.after].into_iter().flatten() {
            if view.system.is_some_and(|ours| ours != system) {
                return Err(Error::before(ErrorKind::ForeignToken)
                    .message(format!("it speaks of system {system}")));
            }
            match view.standing(position) {
                // It is nowhere: no node can be asked for it.
                Standing::Lost => {
                    self.shared.telemetry.lost(position);
                    if let Some(context) = &self.context {
                        context.mark_lost(position);
                    }
                }
                Standing::Kept | Standing::Uncertain | Standing::Ahead => {
                    after = after.max(Some(position));
                }
            }
        }
        Ok((after, seen))
    }

    async fn fallback(
        &self,
        choice: &Choice<B>,
        deadline: Instant,
    ) -> Result<Option<tokio::sync::OwnedSemaphorePermit>, Error> {
        if !choice.fallback {
            return Ok(None);
        }
        let busy = || {
            Error::before(ErrorKind::Busy)
                .node(choice.member.name())
                .message("as many reads as the primary may take are on it for want of a replica")
        };
        let places = Arc::clone(&self.shared.fallback);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Some(place));
        }
        let Ok(_waiting) = Arc::clone(&self.shared.waiting).try_acquire_owned() else {
            return Err(busy());
        };
        match tokio::time::timeout_at(deadline, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(Some(place)),
            _ => Err(busy()),
        }
    }

    async fn connect(mut self) -> Result<ReadConnection<B>, Error> {
        loop {
            let mut connection = self.pick().await?;
            match connection.settle(self.catch_up()).await {
                Ok(true) => return Ok(connection),
                Ok(false) => self.give_up(&connection),
                Err(error) if self.may_retry(&error) => {
                    connection.pending = None;
                    self.give_up(&connection);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl<'a, B: Backend> IntoFuture for Read<'a, B> {
    type Output = Result<ReadConnection<B>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl<B: Backend> fmt::Debug for Read<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read")
            .field("after", &self.after)
            .field("max_staleness", &self.max_staleness)
            .field("tag", &self.tag)
            .field("primary", &self.primary)
            .finish_non_exhaustive()
    }
}

struct Choice<B: Backend> {
    member: Arc<Member<B>>,
    place: usize,
    role: Role,
    check: Option<u64>,
    incarnation: u32,
    /// No other node is left to try.
    last: bool,
    /// A replica would have been better, and the primary is to be spared.
    fallback: bool,
}

fn bit(place: usize) -> u64 {
    1 << place.min(63)
}

/// A connection for reading. It is given back when it is dropped.
///
/// The database itself refuses writes on it, on the primary too.
pub struct ReadConnection<B: Backend> {
    pub(crate) lease: Lease<B>,
    role: Role,
    /// The node has yet to say that it has reached this offset.
    pub(crate) pending: Option<u64>,
    place: usize,
}

impl<B: Backend> ReadConnection<B> {
    /// The name of the node.
    #[must_use]
    pub fn served_by(&self) -> &str {
        self.lease.member().name()
    }

    /// Whether the primary serves this read, or a replica.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Carries out statements under one deadline; an error says what it means.
    ///
    /// # Errors
    ///
    /// When the database says no, or nothing in time.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut B::Connection) -> Result<T, B::Error>,
    ) -> Result<T, Error> {
        let (connection, watch) = self.parts();
        watch.over(Effect::Read, work(connection)).await
    }

    /// What an error means that came from the connection directly.
    pub fn diagnose(&mut self, error: B::Error) -> Error {
        self.lease.diagnose(Effect::Read, error)
    }

    pub(crate) fn parts(&mut self) -> (&mut B::Connection, Watch<'_, B>) {
        self.lease.parts()
    }

    /// Waits until the node has come far enough. `false` if it has not within `limit`.
    pub(crate) async fn settle(&mut self, limit: Duration) -> Result<bool, Error> {
        let Some(offset) = self.pending else { return Ok(true) };
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let shared = Arc::clone(self.lease.shared());
            let (connection, watch) = self.parts();
            let reached = watch.over(Effect::Read, shared.backend.replayed(connection)).await?;
            if reached >= offset {
                self.pending = None;
                shared.telemetry.caught_up(true);
                return Ok(true);
            }
            if Instant::now().saturating_duration_since(begun) + pause > limit {
                shared.telemetry.caught_up(false);
                return Ok(false);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(8));
        }
    }
}

impl<B: Backend> Deref for ReadConnection<B> {
    type Target = B::Connection;

    fn deref(&self) -> &B::Connection {
        self.lease.connection()
    }
}

impl<B: Backend> DerefMut for ReadConnection<B> {
    fn deref_mut(&mut self) -> &mut B::Connection {
        self.lease.connection_mut()
    }
}

impl<B: Backend> fmt::Debug for ReadConnection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadConnection")
            .field("node", &self.served_by())
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

