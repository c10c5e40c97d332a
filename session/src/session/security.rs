//! What acts at once, whatever the response will be.

use super::Session;
use super::state::{Asked, Held, Place, Send};
use super::turn::Turn;
use crate::error::SessionError;
use crate::expiry::Touch;
use crate::record::Patch;
use crate::store::{Change, Loaded, Rotated, Rotation, Subject};
use crate::telemetry::Security;

/// What became of a session that was to move.
pub(super) enum Moved {
    To(Loaded),
    Gone,
}

impl Session {
    /// Ends the session, at once, and has the browser forget the cookie. What was set in this request is dropped.
    ///
    /// What is set after that is a stranger's, in a new session. If the request brought several tokens of ours, of which none was
    /// taken for whose session this is, all their sessions end: one of them is the user's.
    ///
    /// # Errors
    ///
    /// [`SessionError::Committed`], and those of the [store](Self#errors). In all these cases the cookie stays: a session that may live must
    /// not look as if it had ended.
    ///
    /// # Cancel safety
    ///
    /// Once it has asked the store, it is finished, whoever waits for it.
    pub async fn logout(&self) -> Result<(), SessionError> {
        self.state().accessed = true;
        let turn = self.turn().await;
        let held = {
            let mut state = self.state();
            state.open()?;
            self.to_end(&mut state)
        };
        let session = self.clone();
        self.finish(turn, async move { session.log_out(held).await }).await
    }

    async fn log_out(&self, held: Vec<Held>) -> Result<(), SessionError> {
        for held in held {
            self.shared().delete(&held.key).await?;
        }
        self.shared().telemetry.security(Security::Logout);
        let mut state = self.state();
        state.place = Place::Nowhere;
        state.log.clear();
        state.send = Send::Remove;
        state.written = true;
        Ok(())
    }

    /// Notes that the subject has proved once more to be who they say, at once: the session moves to a new token, the old one is
    /// dead, and [`authenticated_within`](Self::authenticated_within) counts from now.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotLoggedIn`], [`SessionError::Gone`], [`SessionError::Committed`], and those of the [store](Self#errors).
    ///
    /// # Cancel safety
    ///
    /// Once it asks the store for the new token, it is finished, whoever waits for it.
    pub async fn elevate(&self) -> Result<(), SessionError> {
        let turn = self.begin().await?;
        let (old, _) = self.whose()?;
        let session = self.clone();
        self.finish(turn, async move { session.rise(&old).await }).await
    }

    async fn rise(&self, old: &Held) -> Result<(), SessionError> {
        let shared = self.shared();
        let held = Held::new(shared.mint(Some(old.key.tag()))?);
        match self.rotate(&held, Change::Elevate).await? {
            Moved::To(loaded) => {
                shared.telemetry.security(Security::Elevate);
                self.state().moved(held, loaded);
                Ok(())
            }
            Moved::Gone => {
                self.state().ended();
                Err(SessionError::Gone)
            }
        }
    }

    /// Moves the session to a new token, at once. The old one works until the new one was used, and 10 seconds more.
    ///
    /// [`Expiry::renewal`](crate::Expiry::renewal) does it from time to time. Where there is no session, and where another request has just
    /// done the same, nothing happens.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`], [`SessionError::Committed`], and those of the [store](Self#errors).
    ///
    /// # Cancel safety
    ///
    /// Once it asks the store for the new token, it is finished, whoever waits for it.
    pub async fn renew(&self) -> Result<(), SessionError> {
        let turn = self.begin().await?;
        {
            let mut state = self.state();
            let writable = state.writable();
            self.noted(&mut state, Asked::Security, writable)?;
        }
        let session = self.clone();
        self.finish(turn, async move { session.renew_with(Patch::default()).await }).await
    }

    /// Ends all other sessions of the subject, at once, also those that begin at this moment, and says how many were
    /// known.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotLoggedIn`], [`SessionError::Gone`], and those of the [store](Self#errors).
    ///
    /// # Cancel safety
    ///
    /// Once it has asked the store, it is finished, whoever waits for it.
    pub async fn revoke_others(&self) -> Result<u64, SessionError> {
        let turn = self.begin_late().await;
        let (held, subject) = self.whose()?;
        let session = self.clone();
        let revoke = async move {
            let shared = session.shared();
            let ended = shared.revoke(&subject, Some(&held.key)).await?;
            shared.telemetry.security(Security::Revoke);
            session.state().written = true;
            Ok(ended)
        };
        self.finish(turn, revoke).await
    }

    /// A turn for what needs a cookie, with the session loaded.
    pub(super) async fn begin(&self) -> Result<Turn, SessionError> {
        self.state().open()?;
        let turn = self.begin_late().await;
        // The head may have left while others were at it.
        self.state().open()?;
        Ok(turn)
    }

    /// A turn, with the session loaded.
    pub(super) async fn begin_late(&self) -> Turn {
        self.state().accessed = true;
        let turn = self.turn().await;
        self.load(&turn).await;
        turn
    }

    /// The session of somebody who is logged in.
    pub(super) fn whose(&self) -> Result<(Held, Subject), SessionError> {
        let mut state = self.state();
        let writable = state.writable();
        self.noted(&mut state, Asked::Security, writable)?;
        let Place::Here(held, loaded) = &state.place else { return Err(SessionError::NotLoggedIn) };
        let subject = loaded.record.subject.as_ref().ok_or(SessionError::NotLoggedIn)?;
        Ok((held.clone(), self.shared().keys.subject(subject)))
    }

    /// Moves the session that there is to a new key, under which nobody else can reach it.
    pub(super) async fn rotate(&self, new: &Held, change: Change) -> Result<Moved, SessionError> {
        let Some(old) = self.state().held().cloned() else { return Ok(Moved::Gone) };
        let shared = self.shared();
        let rotation = Rotation {
            change,
            patch: Patch::default(),
            limits: shared.limits,
            lifetime: shared.expiry.lifetime(),
        };
        match shared.rotate(&old.key, &new.key, &rotation).await {
            Ok(Rotated::Rotated { loaded, .. }) => Ok(Moved::To(loaded)),
            Ok(Rotated::Gone) => Ok(Moved::Gone),
            Ok(Rotated::Exists) => Err(SessionError::TokenTaken),
            Ok(Rotated::Full) => Err(SessionError::Full),
            Ok(Rotated::TooMany) => Err(SessionError::TooManySessions),
            Ok(Rotated::Revoked) => Err(SessionError::Revoked),
            // Only a renewal is told that another one was faster.
            Ok(Rotated::Moved) => Err(SessionError::Conflict),
            Err(error) => self.resolve(new, error).await.map(Moved::To),
        }
    }

    /// The answer was lost: whether it was done shows in whether there is a session under the new key. If it was, the old key is
    /// dead, and whoever has it would be logged out.
    pub(super) async fn resolve(
        &self,
        new: &Held,
        error: SessionError,
    ) -> Result<Loaded, SessionError> {
        if !matches!(error, SessionError::Unknown(_)) {
            return Err(error);
        }
        match self.shared().load(&new.key, Touch::Never).await {
            Ok(Some(loaded)) => Ok(loaded),
            Ok(None) | Err(_) => Err(error),
        }
    }
}
