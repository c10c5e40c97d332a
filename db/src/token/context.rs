#![expect(
    clippy::disallowed_types,
    reason = "callers pass the wall time in; nothing reads it here"
)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::{Extensions, Request};
use tokio::time::Instant;

use super::{Token, key};
use crate::cluster::Seen;
use crate::position::{Position, SystemId};

/// What one user, or one request, has written and seen so far.
///
/// Pass it to the reads and writes of a request: its reads then see its writes, and never less than
/// an earlier read of it. [`CausalLayer`](crate::CausalLayer) gives one to each HTTP request and
/// carries it on to the same user's next one; [`token`](Self::token) is for other ways, as a
/// message in a queue.
///
/// A context speaks of one database cluster. What happens on another one, or a token of another
/// one, replaces all it knew: positions of different clusters cannot be compared, and the one of
/// last is the one that is in use. An application with two clusters keeps two contexts.
///
/// # Clone
///
/// All clones are the same context.
#[derive(Clone, Debug, Default)]
pub struct CausalContext {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    system: Option<SystemId>,
    written: Option<Position>,
    seen: Option<Seen>,
    lost: Option<Position>,
    /// Something was read or written, even if nothing moved by it.
    used: bool,
}

/// What a context asks of a read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requirement {
    pub(crate) written: Option<(SystemId, Position)>,
    pub(crate) seen: Option<(SystemId, Seen)>,
}

impl CausalContext {
    /// Nothing written, nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on where a token was made. `now` is the latest time at which what the token speaks of
    /// can have been seen.
    #[must_use]
    pub fn from_token(token: Token, now: Instant) -> Self {
        let context = Self::new();
        context.observe(token, now);
        context
    }

    /// The context that [`CausalLayer`](crate::CausalLayer) has given to this request.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Self::from_extensions(request.extensions())
    }

    /// The same, from the extensions alone: of `http::request::Parts`, for example.
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Also knows what a token says from now on: the later of two positions counts, in whichever
    /// order they come. `now` is as in [`from_token`](Self::from_token).
    ///
    /// If the token and the context have seen different nodes, the next read goes where both can be
    /// seen, to the primary if need be.
    pub fn observe(&self, token: Token, now: Instant) {
        self.of_system(token.system).join(token.written(), token.seen(now));
    }

    /// Also knows all that `other` knows at this moment, as with [`observe`](Self::observe). What
    /// either learns later, the other does not.
    pub fn merge(&self, other: &Self) {
        // Read first: both may be the same context, or merge into each other at the same time.
        let theirs = *other.state();
        let Some(system) = theirs.system else { return };
        let mut state = self.of_system(system);
        state.join(theirs.written, theirs.seen);
        state.lost = state.lost.max(theirs.lost);
        state.used |= theirs.used;
    }

    /// What can travel of it, made `now`; `None` if nothing was written or seen.
    #[must_use]
    pub fn token(&self, now: SystemTime) -> Option<Token> {
        let state = self.state();
        if state.written.is_none() && state.seen.is_none() {
            return None;
        }
        Some(Token {
            system: state.system?,
            position: state.written.unwrap_or(Position::new(0, 0)),
            seen: state.seen.map_or(0, |seen| seen.incarnation),
            issued: key::issued(now),
        })
    }

    /// The position that all of this context's writes lie before, if it has written, and that
    /// covers what it has read on a primary.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.state().written
    }

    /// The latest position of an acknowledged write that a promotion has dropped, if the pool has
    /// found one.
    #[must_use]
    pub fn lost(&self) -> Option<Position> {
        self.state().lost
    }

    /// Whether anything was read or written in it, in this process.
    pub(crate) fn used(&self) -> bool {
        self.state().used
    }

    pub(crate) fn requirement(&self) -> Requirement {
        let state = self.state();
        Requirement { written: state.system.zip(state.written), seen: state.system.zip(state.seen) }
    }

    /// A write was acknowledged, and lies before this position.
    pub(crate) fn wrote(&self, system: SystemId, position: Position) {
        let mut state = self.of_system(system);
        state.join(Some(position), None);
        state.used = true;
    }

    /// A read was served by this incarnation of a node, now or earlier.
    ///
    /// Its node was chosen to show what the context had seen then (`under`), so that it stands for
    /// that too. What other reads have seen meanwhile is another thing.
    pub(crate) fn read_from(&self, system: SystemId, seen: Seen, under: Option<Seen>) {
        let mut state = self.of_system(system);
        if state.seen == under {
            state.seen = None;
        }
        state.join(None, Some(seen));
        state.used = true;
    }

    /// All that a read saw lies before this position, and so does what the context had seen when
    /// its node was chosen.
    pub(crate) fn read_up_to(&self, system: SystemId, position: Position, under: Option<Seen>) {
        let mut state = self.of_system(system);
        state.join(Some(position), None);
        if state.seen == under {
            state.seen = None;
        }
        state.used = true;
    }

    /// What was written before this position, and after the fork, is gone: no node is asked for it
    /// any more. What lies before the fork, at `kept`, is still owed.
    pub(crate) fn mark_lost(&self, position: Position, kept: Option<Position>) {
        let mut state = self.state();
        state.lost = state.lost.max(Some(position));
        if state.written.is_some_and(|written| written <= position) {
            state.written = kept;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, empty if it was another cluster's.
    fn of_system(&self, system: SystemId) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.system != Some(system) {
            *state = State { system: Some(system), used: state.used, ..State::default() };
        }
        state
    }
}

impl State {
    fn join(&mut self, written: Option<Position>, seen: Option<Seen>) {
        self.written = self.written.max(written);
        self.seen = Seen::both(self.seen, seen);
    }
}
