use std::sync::Arc;

use super::turn::to_its_end;
use crate::error::SessionError;
use crate::layer::Shared;
use crate::store::{Epoch, Listed};
use crate::telemetry::Security;

/// The sessions of all users, for operators and for an application's own rules: a user who is locked out, a password that was
/// reset, a list for the support desk.
///
/// Comes from [`SessionLayer::sessions`](crate::SessionLayer::sessions). Its methods fail as those of the store do:
/// [`SessionError::Unavailable`], [`SessionError::Unknown`], [`SessionError::Invalid`].
///
/// # Clone
///
/// Clones share the store.
#[derive(Clone, Debug)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The sessions of a user, the last used first.
    ///
    /// # Errors
    ///
    /// Those of the [store](Self).
    pub async fn list(&self, user: &str) -> Result<Vec<Listed>, SessionError> {
        self.shared.list(&self.shared.keys.subject(user)).await
    }

    /// Ends all sessions of a user, also those that begin at this moment, and gives how many were known.
    ///
    /// # Errors
    ///
    /// Those of the [store](Self).
    ///
    /// # Cancel safety
    ///
    /// Once begun, it is finished, whoever waits for it. It may be done twice.
    pub async fn revoke(&self, user: &str) -> Result<u64, SessionError> {
        let (shared, subject) = (Arc::clone(&self.shared), self.shared.keys.subject(user));
        to_its_end(async move {
            let ended = shared.revoke(&subject, None).await?;
            shared.telemetry.security(Security::Revoke);
            Ok(ended)
        })
        .await
    }

    /// A user's epoch, for [`Login::epoch`](crate::Login::epoch): to be asked for before their password is looked at.
    ///
    /// # Errors
    ///
    /// Those of the [store](Self).
    pub async fn epoch(&self, user: &str) -> Result<Epoch, SessionError> {
        self.shared.epoch(&self.shared.keys.subject(user)).await
    }

    /// Removes what is over, at most `limit` sessions, and gives how many it were.
    ///
    /// # Errors
    ///
    /// Those of the [store](Self).
    pub async fn sweep(&self, limit: usize) -> Result<usize, SessionError> {
        self.shared.sweep(limit).await
    }
}
