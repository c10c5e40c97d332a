//! Before the head of the response leaves.

use http::{HeaderValue, StatusCode};

use super::Session;
use super::plan::{self, Commit};
use super::plan::{Readers, Verdict};
use super::state::{Asked, Held, Place, Send, State};
use super::turn::Turn;
use crate::error::SessionError;
use crate::layer::{GRACE, Outage};
use crate::record::{Patch, Values, size};
use crate::store::{Change, Created, Guard, NewSession, Patched, Rotated, Rotation};
use crate::telemetry::{Outcome, Security};

/// What a response has to say about a session that was asked for something.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) cookie: Option<HeaderValue>,
    pub(crate) readers: Readers,
    pub(crate) failure: Option<SessionError>,
    pub(crate) verdict: Verdict,
}

impl Session {
    /// Sends what was set to the store now, before a redirect for instance, whose target reads it.
    ///
    /// Without it, the same is done when the handler has answered.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] if the session has ended, [`SessionError::Full`], [`SessionError::Committed`] if there is no session and
    /// the head has left, and those of the [store](Self#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has sent all changes or none, and may send them again later.
    pub async fn commit(&self) -> Result<(), SessionError> {
        let turn = self.turn().await;
        self.state().accessed = true;
        let done = self.write(&turn, false).await;
        let mut state = self.state();
        if let Ok(true) = done {
            state.trouble.values = None;
        }
        self.noted(&mut state, Asked::Values, done.map(drop))
    }

    /// Ends the request's part in the session if it had none: nothing is to be done then, nor said.
    pub(crate) fn close_untouched(&self) -> bool {
        let mut state = self.state();
        if state.accessed {
            return false;
        }
        state.closed = true;
        drop(state);
        self.shared().telemetry.request(Outcome::Untouched);
        true
    }

    /// Ends it without a question to the store; `None` if there is one to ask.
    pub(crate) fn close_now(&self, status: StatusCode) -> Option<Closing> {
        let turn = self.turn_now()?;
        let mut state = self.state();
        self.drop_unkept(&mut state, status);
        self.read_cookie(&mut state);
        let nothing = plan::commit(&state, &self.shared().expiry) == Commit::Nothing;
        nothing.then(|| self.closing(&mut state, status, None, &turn))
    }

    /// Ends it with whatever is to be done.
    pub(crate) async fn close(&self, status: StatusCode) -> Closing {
        let turn = self.turn().await;
        self.drop_unkept(&mut self.state(), status);
        let failure = self.write(&turn, true).await.err();
        self.closing(&mut self.state(), status, failure, &turn)
    }

    fn drop_unkept(&self, state: &mut State, status: StatusCode) {
        if !plan::keeps_values(status, self.shared().commit_on_server_error) {
            state.log.clear();
        }
    }

    fn closing(
        &self,
        state: &mut State,
        status: StatusCode,
        failure: Option<SessionError>,
        _turn: &Turn,
    ) -> Closing {
        let shared = self.shared();
        state.closed = true;
        let anonymous = self.outage(state) == Outage::Anonymous;
        let failure = failure.or_else(|| state.trouble.any()).or_else(|| match &state.place {
            Place::Away(_, error) if !(anonymous && error.is_outage()) => Some(error.clone()),
            _ => None,
        });
        shared.telemetry.request(match &failure {
            Some(SessionError::Gone) => Outcome::Gone,
            Some(_) => Outcome::Failed,
            None if state.written => Outcome::Written,
            None => Outcome::Read,
        });
        let cookie = match &state.send {
            Send::Keep => None,
            Send::Set(token, lives) => Some(shared.cookie.set(token, *lives)),
            Send::Remove => Some(shared.cookie.removal()),
        };
        let verdict =
            failure.as_ref().map_or(Verdict::Pass, |failure| plan::verdict(status, failure));
        let readers = plan::readers(state, failure.is_some());
        Closing { cookie, readers, failure, verdict }
    }

    /// Sends all changes, and renews an id that is due. Says whether there was something to do.
    async fn write(&self, _turn: &Turn, last: bool) -> Result<bool, SessionError> {
        let (plan, patch) = {
            let mut state = self.state();
            self.read_cookie(&mut state);
            let plan = plan::commit(&state, &self.shared().expiry);
            // At the moment at which the changes are taken, not later: a task beside the handler may still wish for some.
            state.sealed |= last;
            if plan == Commit::Nothing {
                return Ok(false);
            }
            state.writable()?;
            (plan, state.log.sent())
        };
        match plan {
            Commit::Nothing => {}
            Commit::Create => self.create(patch.set).await?,
            Commit::Patch => self.patch(&patch, last).await?,
            Commit::Renew if patch.is_empty() => {
                // Nothing depends on it: the next request tries again, under the old id, which works until then.
                let _ = self.renew_with(patch).await;
            }
            Commit::Renew => self.renew_with(patch).await?,
        }
        Ok(true)
    }

    /// A session for somebody who has none.
    pub(super) async fn create(&self, values: Values) -> Result<(), SessionError> {
        if self.state().closed {
            return Err(SessionError::Committed);
        }
        let shared = self.shared();
        // The store looks at the limits of a session that is there, and nobody else at those of one that is not.
        if size(&values) > shared.limits.bytes || values.len() > shared.limits.values {
            return Err(SessionError::Full);
        }
        let held = Held::new(shared.mint(None)?);
        let lifetime = shared.expiry.lifetime();
        let new = NewSession { authentication: None, values, lifetime };
        match shared.create(&held.key, &new).await? {
            Created::Created { loaded, .. } => {
                let patch = Patch { set: new.values, remove: Vec::new() };
                let mut state = self.state();
                state.log.done(&patch);
                state.moved(held, loaded);
                Ok(())
            }
            Created::Exists => Err(SessionError::TokenTaken),
            Created::Full => Err(SessionError::TooManySessions),
            Created::Revoked => Err(SessionError::Revoked),
        }
    }

    async fn patch(&self, patch: &Patch, last: bool) -> Result<(), SessionError> {
        let held = {
            let mut state = self.state();
            if last {
                state.let_go();
            }
            state.held().cloned().ok_or(SessionError::Gone)?
        };
        let patched = self.shared().patch(&held.key, patch, Guard::Exists).await?;
        let mut state = self.state();
        match patched {
            Patched::Applied { version } => {
                state.log.done(patch);
                state.patched(patch, version);
                Ok(())
            }
            Patched::Full => Err(SessionError::Full),
            // A guard by existence knows no conflict; a store that reports one has not done it.
            Patched::Conflict(_) => Err(SessionError::Conflict),
            Patched::Gone => {
                state.ended();
                Err(SessionError::Gone)
            }
        }
    }

    /// A new id for a session whose id is old. The changes come along.
    pub(super) async fn renew_with(&self, patch: Patch) -> Result<(), SessionError> {
        let Some(old) = self.state().held().cloned() else { return Ok(()) };
        let shared = self.shared();
        let held = Held::new(shared.mint(Some(old.key.tag()))?);
        let rotation = Rotation {
            change: Change::Renew { grace: GRACE },
            patch,
            limits: shared.limits,
            lifetime: shared.expiry.lifetime(),
        };
        let rotated = shared.rotate(&old.key, &held.key, &rotation).await?;
        let patch = rotation.patch;
        match rotated {
            Rotated::Rotated { loaded, .. } => {
                shared.telemetry.security(Security::Renew);
                let mut state = self.state();
                state.log.done(&patch);
                state.moved(held, loaded);
                Ok(())
            }
            // Somebody else has renewed it. The old key still leads to it.
            Rotated::Moved => {
                self.state().overtaken();
                if patch.is_empty() { Ok(()) } else { self.patch(&patch, false).await }
            }
            Rotated::Gone => {
                self.state().ended();
                Err(SessionError::Gone)
            }
            Rotated::Exists => Err(SessionError::TokenTaken),
            Rotated::Full => Err(SessionError::Full),
            Rotated::TooMany => Err(SessionError::TooManySessions),
            Rotated::Revoked => Err(SessionError::Revoked),
        }
    }
}
