use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::acquire::Trouble;
use super::lease::{Lease, Reader};
use super::node::Member;
use super::patience::Coarse;
use super::reading::ReadConnection;
use super::shared::{Shared, Snapshot};
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
    /// What a token asks for.
    after: Option<Token>,
    max_staleness: Option<Duration>,
    tag: Option<&'a str>,
    primary: bool,
    answer: Duration,
    progress: Progress,
}

/// How far the search for a node has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    began: Option<Coarse>,
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

    /// Reads at least what the token speaks of.
    ///
    /// A token of another cluster fails the read with [`ForeignToken`](ErrorKind::ForeignToken); in a
    /// context, it is as if there were none.
    pub fn after(mut self, token: Token) -> Self {
        self.after = Some(token);
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
    /// Called again after [`forgive`](Self::forgive) or [`too_slow`](Self::too_slow), it finds
    /// another node.
    pub(crate) async fn pick(&mut self) -> Result<ReadConnection<B>, Error> {
        self.progress.began.get_or_insert_with(|| self.shared.ticks.now());
        let mut last = None;
        loop {
            let (member, choice) = match self.choose() {
                Ok(chosen) => chosen,
                Err(none) => return Err(last.unwrap_or(none)),
            };
            let fallback = match choice.fallback {
                true => {
                    let deadline = self.waits_until();
                    Some(Box::pin(self.fallback(member.name(), deadline)).await?)
                }
                false => None,
            };
            let (shared, answer) = (self.shared, self.answer);
            // Only the last resort is waited for: a busy replica has neighbours.
            let patience = || choice.last.then(|| self.waits_until());
            let acquired = shared.acquire(member, Access::ReadOnly, patience, answer);
            match acquired.await {
                Ok(lease) => {
                    // What was promised of the node was promised of this incarnation of it.
                    if choice.by_incarnation && lease.incarnation() != choice.incarnation {
                        self.progress.tried |= bit(choice.place);
                        continue;
                    }
                    return Ok(self.lend(lease.fallback(fallback), &choice));
                }
                Err(Trouble::Final(error)) => return Err(error),
                Err(trouble) => {
                    self.progress.tried |= bit(choice.place);
                    last = Some(trouble.into_error());
                }
            }
        }
    }

    fn lend(&self, lease: Lease<B>, choice: &Choice) -> ReadConnection<B> {
        // On a primary, what was read gets a position, so that its reader is free to go on to a
        // replica. Where there is none, there is nothing to note.
        let on_primary = choice.role == Role::Primary;
        let context = self.context.as_ref().filter(|_| !on_primary || choice.others);
        let reader = context.zip(choice.system).map(|(context, system)| Reader {
            context: context.clone(),
            system,
            under: choice.under,
        });
        ReadConnection {
            lease: lease.read_by(reader, on_primary),
            role: choice.role,
            pending: choice.check,
            place: choice.place,
            timeline: choice.timeline,
        }
    }

    /// The replica was too far behind for too long: only the primary will do now.
    pub(crate) fn too_slow(&mut self) {
        self.progress.only_primary = true;
    }

    /// How long to wait for a replica to catch up.
    pub(crate) fn catch_up(&self) -> Duration {
        self.shared.config.catch_up
    }

    /// Until when it waits for whatever it has to wait for, and looks for another node.
    fn waits_until(&self) -> Instant {
        let now = self.shared.ticks.now();
        let waited = self.progress.began.map_or(Duration::ZERO, |began| now.since(began));
        Instant::now() + self.shared.config.checkout.saturating_sub(waited)
    }

    fn choose(&self) -> Result<(Arc<Member<B>>, Choice), Error> {
        // Only these need to know the time, and a look at the clock costs each read a percent.
        let timed = self.max_staleness.is_some() || self.after.is_some();
        let now = if timed { Instant::now() } else { self.shared.ticks.began() };
        let snapshot = self.shared.snapshot();
        let view = &snapshot.view;
        let demand = self.demand(&snapshot, now)?;
        let want = Want {
            after: demand.after,
            seen: demand.seen,
            max_staleness: self.max_staleness,
            tag: self.tag,
            primary: self.primary || self.progress.only_primary,
            tried: self.progress.tried,
        };
        let members = &snapshot.members;
        let load = |place: usize| members.get(place).map_or(u64::MAX, |member| member.load());
        let (place, role, check) = match view.route(&want, now, self.shared.draw(), load) {
            Route::Replica(place) => (place, Role::Replica, None),
            Route::Check(place, offset) => (place, Role::Replica, Some(offset)),
            Route::Primary(place) => (place, Role::Primary, None),
            // With a tag there is no primary to go on to: the nodes are there, and behind.
            Route::NoNode if self.progress.only_primary && self.tag.is_some() => {
                return Err(Error::before(ErrorKind::TooStale));
            }
            Route::NoNode => return Err(Error::before(ErrorKind::NoNode)),
            Route::TooStale => return Err(Error::before(ErrorKind::TooStale)),
        };
        let (Some(member), Some(node)) = (members.get(place), view.nodes.get(place)) else {
            return Err(Error::before(ErrorKind::NoNode));
        };
        self.shared.telemetry.routed(role, check.is_some());
        let untried = |other: &&usize| want.tried & bit(**other) == 0 && **other != place;
        let choice = Choice {
            place,
            role,
            check,
            incarnation: node.incarnation,
            by_incarnation: want.seen.is_some(),
            under: demand.under,
            timeline: view.timeline,
            system: view.system,
            others: view.nodes.len() > 1,
            last: role == Role::Primary || !view.read_set.iter().any(|other| untried(&other)),
            fallback: role == Role::Primary
                && !self.primary
                && view.nodes.iter().enumerate().any(|(i, n)| i != place && n.tag.is_none()),
        };
        Ok((Arc::clone(member), choice))
    }

    /// What the context and the token demand of a node.
    ///
    /// What a context has of another cluster is ignored: a cluster that was rebuilt must not turn
    /// away everybody who still carries a token of the old one.
    fn demand(&self, snapshot: &Snapshot<B>, now: Instant) -> Result<Demand, Error> {
        let view = &snapshot.view;
        let mut demand = Demand::default();
        if let Some(context) = &self.context {
            let requirement = context.requirement();
            let ours = |system: &SystemId| view.system.is_none_or(|ours| ours == *system);
            demand.under = requirement.seen.map(|(_, seen)| seen);
            demand.see(requirement.seen.filter(|(system, _)| ours(system)).map(|(_, seen)| seen));
            let written = requirement.written.filter(|(system, _)| ours(system));
            demand.reach(written.and_then(|(_, position)| self.kept(snapshot, position)));
        }
        if let Some(token) = self.after {
            if view.system.is_some_and(|ours| ours != token.system) {
                let message = format!("it speaks of system {}", token.system);
                return Err(Error::before(ErrorKind::ForeignToken).message(message));
            }
            demand.see(token.seen(now));
            demand.reach(token.written().and_then(|position| self.kept(snapshot, position)));
        }
        Ok(demand)
    }

    /// The position; if it is lost, what is kept of what lies before it.
    fn kept(&self, snapshot: &Snapshot<B>, position: Position) -> Option<Position> {
        let view = &snapshot.view;
        match view.standing(position) {
            Standing::Kept | Standing::Uncertain => Some(position),
            // Somebody has seen a promotion that this pool has not: it looks now.
            Standing::Ahead => {
                snapshot.members.iter().for_each(|member| member.wake.notify_one());
                Some(position)
            }
            Standing::Lost => {
                let kept = view.kept(position);
                self.shared.telemetry.lost(position);
                if let Some(context) = &self.context {
                    context.mark_lost(position, kept);
                }
                kept
            }
        }
    }

    /// A place among the reads that the primary takes for want of a replica.
    async fn fallback(
        &self,
        node: &Arc<str>,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let busy = || {
            Error::before(ErrorKind::Busy)
                .node(node)
                .message("as many reads as the primary may take are on it for want of a replica")
        };
        let places = Arc::clone(&self.shared.fallback);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(place);
        }
        let Ok(_waiting) = Arc::clone(&self.shared.waiting).try_acquire_owned() else {
            return Err(busy());
        };
        match timeout_at(deadline, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(busy()),
        }
    }

    /// Awaits it, as `.await` does, and spares the box that `.await` needs.
    ///
    /// # Errors
    ///
    /// When no node can serve the read in time.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, nothing stays.
    pub async fn connect(mut self) -> Result<ReadConnection<B>, Error> {
        loop {
            let mut connection = self.pick().await?;
            match connection.settle(self.catch_up()).await {
                Ok(true) => return Ok(connection),
                Ok(false) => self.too_slow(),
                Err(error) => self.forgive(&connection, error)?,
            }
        }
    }

    /// The node failed in a way that another one may not: looks further. Else the error.
    pub(crate) fn forgive(
        &mut self,
        connection: &ReadConnection<B>,
        error: Error,
    ) -> Result<(), Error> {
        if !(error.is_retryable() && Instant::now() < self.waits_until()) {
            return Err(error);
        }
        self.progress.tried |= bit(connection.place);
        Ok(())
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

/// What a read must see.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    after: Option<Position>,
    seen: Option<Seen>,
    /// What the context had seen.
    under: Option<Seen>,
}

impl Demand {
    fn see(&mut self, seen: Option<Seen>) {
        self.seen = Seen::both(self.seen, seen);
    }

    fn reach(&mut self, position: Option<Position>) {
        self.after = self.after.max(position);
    }
}

/// Why a node was chosen, and for what.
struct Choice {
    place: usize,
    role: Role,
    check: Option<u64>,
    incarnation: u32,
    /// It was chosen for what this incarnation has served before.
    by_incarnation: bool,
    /// What the context had seen when the node was chosen.
    under: Option<Seen>,
    timeline: u32,
    system: Option<SystemId>,
    /// Other nodes are there, which a reader could go on to.
    others: bool,
    /// No other node is left to try.
    last: bool,
    /// A replica would have been better, and the primary is to be spared.
    fallback: bool,
}

fn bit(place: usize) -> u64 {
    1 << place.min(63)
}
