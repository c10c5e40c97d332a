use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Token;
use crate::cluster::Seen;
use crate::position::{Position, SystemId};

/// What one user, or one request, has written and seen so far.
///
/// # Clone
///
/// All clones are the same context.
#[derive(Clone, Debug, Default)]
pub struct CausalContext {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    written: Option<(SystemId, Position)>,
    seen: Option<(SystemId, Seen)>,
    lost: Option<Position>,
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
        let _ = (token, now);
        Self::default()
    }

    /// The position that all of this context's writes lie before, if it has written, and that
    /// covers what it has read on a primary.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.state().written.map(|(_, position)| position)
    }

    /// The latest position of an acknowledged write that a promotion has dropped, if the pool has
    /// found one.
    #[must_use]
    pub fn lost(&self) -> Option<Position> {
        self.state().lost
    }

    pub(crate) fn requirement(&self) -> Requirement {
        let state = self.state();
        Requirement { written: state.written, seen: state.seen }
    }

    /// A write was acknowledged, and lies before this position.
    pub(crate) fn wrote(&self, system: SystemId, position: Position) {
        let mut state = self.state();
        let older = state.written.filter(|(of, _)| *of == system).map(|(_, position)| position);
        state.written = Some((system, older.max(Some(position)).unwrap_or(position)));
    }

    /// A read was served by this incarnation of a node, now or earlier.
    pub(crate) fn read_from(&self, system: SystemId, incarnation: u32, now: Instant) {
        self.state().seen = Some((system, Seen { incarnation, at: now }));
    }

    /// All that was read so far lies before this position.
    pub(crate) fn read_up_to(&self, system: SystemId, position: Position) {
        self.wrote(system, position);
        self.state().seen = None;
    }

    /// What was written before this position, and after the fork, is gone: no node is asked for it
    /// any more.
    pub(crate) fn mark_lost(&self, position: Position) {
        let mut state = self.state();
        state.lost = state.lost.max(Some(position));
        if state.written.is_some_and(|(_, written)| written <= position) {
            state.written = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
