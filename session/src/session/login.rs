use std::sync::Arc;

use super::plan::{self, Start};
use super::state::{Asked, Held};
use super::{Session, security::Moved};
use crate::error::SessionError;
use crate::record::{Device, Values};
use crate::store::{Authentication, Change, Created, Epoch, Loaded, NewSession};
use crate::telemetry::Security;

/// Who logs in, and with what.
///
/// A name alone is a login: `session.login("user")`.
#[derive(Clone, Debug)]
pub struct Login {
    subject: Arc<str>,
    device: Device,
    epoch: Option<Epoch>,
}

impl Login {
    /// The login of a user, by the application's id of them: one that never becomes somebody else's.
    #[must_use]
    pub fn new(subject: impl Into<Arc<str>>) -> Self {
        Self { subject: subject.into(), device: Device::default(), epoch: None }
    }

    /// What they use, for the list of their sessions.
    #[must_use]
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The user's epoch from before their password was looked at ([`Sessions::epoch`](super::Sessions::epoch)): if all their sessions
    /// are ended meanwhile, this login is of the past as well.
    #[must_use]
    pub fn epoch(self, epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..self }
    }
}

impl From<&str> for Login {
    fn from(subject: &str) -> Self {
        Self::new(subject)
    }
}

impl From<String> for Login {
    fn from(subject: String) -> Self {
        Self::new(subject)
    }
}

impl Session {
    /// Logs somebody in, at once: the session moves to a new token, and the old one is dead.
    ///
    /// A stranger's values are kept. So are those of the same subject, who logs in once more. Another subject's are dropped,
    /// and so is what this request has set before.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooManySessions`], [`SessionError::Revoked`] if the [epoch](Login::epoch) is another one,
    /// [`SessionError::Committed`], and those of the [store](Self#errors).
    ///
    /// # Cancel safety
    ///
    /// Once it asks the store for the new session, it is finished, whoever waits for it.
    pub async fn login(&self, login: impl Into<Login>) -> Result<(), SessionError> {
        let login = login.into();
        let turn = self.begin().await?;
        let start = {
            let mut state = self.state();
            let start = plan::login(&state, &login.subject);
            self.noted(&mut state, Asked::Security, start)?
        };
        let session = self.clone();
        self.finish(turn, async move { session.log_in(start, login).await }).await
    }

    async fn log_in(&self, start: Start, login: Login) -> Result<(), SessionError> {
        let shared = self.shared();
        let subject = shared.keys.subject(&login.subject);
        let held = Held::new(shared.mint(Some(subject.tag))?);
        let authentication = Authentication {
            subject,
            device: login.device.kept(),
            epoch: login.epoch,
            limit: shared.subject_limit,
        };
        let (moved, keeps) = match start {
            Start::Create => (Moved::Gone, true),
            Start::Rotate { keep_values } => {
                let authentication = authentication.clone();
                let change = Change::Login { authentication, keep_values };
                (self.rotate(&held, change).await?, keep_values)
            }
        };
        let (loaded, keeps) = match (moved, start) {
            (Moved::To(loaded), _) => (loaded, keeps),
            // What was set in this request was set for a session that has ended.
            (Moved::Gone, Start::Rotate { .. }) => {
                (self.begin_new(&held, authentication).await?, false)
            }
            (Moved::Gone, Start::Create) => (self.begin_new(&held, authentication).await?, true),
        };
        shared.telemetry.security(Security::Login);
        let mut state = self.state();
        if !keeps {
            state.log.clear();
        }
        state.moved(held, loaded);
        Ok(())
    }

    async fn begin_new(
        &self,
        held: &Held,
        authentication: Authentication,
    ) -> Result<Loaded, SessionError> {
        let shared = self.shared();
        let new = NewSession {
            authentication: Some(authentication),
            values: Values::new(),
            lifetime: shared.expiry.lifetime(),
        };
        match shared.create(&held.key, &new).await {
            Ok(Created::Created { loaded, .. }) => Ok(loaded),
            Ok(Created::Exists) => Err(SessionError::TokenTaken),
            Ok(Created::Full) => Err(SessionError::TooManySessions),
            Ok(Created::Revoked) => Err(SessionError::Revoked),
            Err(error) => self.resolve(held, error).await,
        }
    }
}
