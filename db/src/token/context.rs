use std::sync::{Arc, Mutex};

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
    seen: Option<Seen>,
}

/// What a context asks of a read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requirement {
    pub(crate) written: Option<(SystemId, Position)>,
    pub(crate) seen: Option<Seen>,
}

impl CausalContext {
    /// Nothing written, nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on where a token was made.
    #[must_use]
    pub fn from_token(token: Token, now: Instant) -> Self {
        let _ = (token, now);
        Self::default()
    }

    pub(crate) fn requirement(&self) -> Requirement {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Requirement { written: state.written, seen: state.seen }
    }
}
