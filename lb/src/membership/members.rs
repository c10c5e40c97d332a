//! Changing membership by hand.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Change;
use crate::{Endpoint, MembershipError};

/// A change and whom to tell when it is made.
pub(crate) type Command<S> = (Change<S>, oneshot::Sender<Result<(), MembershipError>>);

/// Commands that may wait for the driver. It takes them in microseconds, so a full queue means that
/// it is not running, and the callers wait instead of piling up memory.
const QUEUE: usize = 64;

pub(crate) fn commands<S>() -> (Members<S>, mpsc::Receiver<Command<S>>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Members { sender }, receiver)
}

/// A handle that adds, removes, weighs and replaces endpoints of a running balancer.
///
/// Each call returns once the change is published: a request that is made afterwards sees it.
///
/// # Errors
///
/// All calls return [`MembershipError`] if the change cannot be made, or if the
/// [`Driver`](crate::Driver) is gone. Then nothing has changed.
///
/// # Cancel safety
///
/// A call that is dropped before it returns may or may not take effect.
///
/// # Clone
///
/// Clones act on the same balancer. They do not keep it alive.
pub struct Members<S> {
    sender: mpsc::Sender<Command<S>>,
}

#[allow(clippy::missing_errors_doc)] // On the type, once for all calls.
impl<S> Members<S> {
    /// Makes this the whole list of endpoints, as [`Change::Replace`] says. An empty list is
    /// possible: requests then fail until it is filled.
    pub async fn replace(
        &self,
        endpoints: impl IntoIterator<Item = Endpoint<S>>,
    ) -> Result<(), MembershipError> {
        self.make(Change::Replace(endpoints.into_iter().collect())).await
    }

    /// Adds an endpoint.
    pub async fn add(&self, endpoint: Endpoint<S>) -> Result<(), MembershipError> {
        self.make(Change::Add(endpoint)).await
    }

    /// Removes an endpoint; what it has in flight ends in its own time.
    pub async fn remove(&self, name: impl Into<Arc<str>>) -> Result<(), MembershipError> {
        self.make(Change::Remove(name.into())).await
    }

    /// Sets an endpoint's weight; 0 drains it.
    pub async fn weight(
        &self,
        name: impl Into<Arc<str>>,
        weight: u16,
    ) -> Result<(), MembershipError> {
        self.make(Change::Weight(name.into(), weight)).await
    }

    async fn make(&self, change: Change<S>) -> Result<(), MembershipError> {
        let (done, made) = oneshot::channel();
        let sent = self.sender.send((change, done)).await;
        sent.map_err(|_| MembershipError::DriverStopped)?;
        made.await.unwrap_or(Err(MembershipError::DriverStopped))
    }
}

impl<S> Clone for Members<S> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

impl<S> fmt::Debug for Members<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}
