//! From a node to a connection of it.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::PoolError;
use tokio::time::Instant;

use super::lease::Lease;
use super::node::{ConnectError, Member, News, Wait};
use super::shared::Shared;
use crate::backend::{Access, Backend, Fault};
use crate::cluster::NodeState;
use crate::error::{Error, ErrorKind};

/// Why a node gives no connection.
pub(crate) enum Trouble {
    /// All are in use: the node is as good as before.
    Busy(Error),
    /// The node is not there, or does not take anybody; another may.
    Node(Error),
    /// Another node will say the same.
    Final(Error),
}

impl Trouble {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Busy(error) | Self::Node(error) | Self::Final(error) => error,
        }
    }
}

impl<B: Backend> Shared<B> {
    /// A connection of this node; if all are in use, waits until `patience` ends, if it is given.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        member: Arc<Member<B>>,
        access: Access,
        patience: impl FnOnce() -> Option<Instant>,
        answer: Duration,
    ) -> Result<Lease<B>, Trouble> {
        let wait = || self.wait_until(patience()?);
        match member.connection(access, wait).await {
            Ok(mut object) => {
                if let Some(news) = object.news.take() {
                    self.greet(&member, access, &news)?;
                }
                Ok(Lease::new(self, member, object, access, answer))
            }
            Err(error) => Err(self.trouble(&member, error)),
        }
    }

    /// Takes note of what a node said on a new connection. An error, if it is not (any more) what
    /// was wanted.
    fn greet(&self, member: &Member<B>, access: Access, news: &News) -> Result<(), Trouble> {
        self.learn(|belief| {
            belief.cluster.observed(member.id, news.asked, news.answered, &news.observation);
        });
        let snapshot = self.snapshot();
        let state = snapshot.view.nodes.iter().find(|n| n.id == member.id).map(|n| n.state);
        let serves = match access {
            Access::ReadWrite => state == Some(NodeState::Primary),
            Access::ReadOnly => {
                matches!(state, Some(NodeState::Primary | NodeState::Replica | NodeState::Lagging))
            }
        };
        if serves {
            return Ok(());
        }
        let kind = match (access, state) {
            (_, Some(NodeState::Foreign)) => ErrorKind::ForeignCluster,
            (Access::ReadWrite, _) => ErrorKind::NotPrimary,
            (Access::ReadOnly, _) => ErrorKind::Disconnected,
        };
        Err(Trouble::Node(Error::before(kind).node(member.name())))
    }

    fn wait_until(&self, deadline: Instant) -> Option<Wait> {
        let limit = deadline.saturating_duration_since(Instant::now());
        if limit.is_zero() {
            return None;
        }
        let place = Arc::clone(&self.waiting).try_acquire_owned().ok()?;
        Some(Wait { limit, _place: place })
    }

    fn trouble(&self, member: &Member<B>, error: PoolError<ConnectError<B::Error>>) -> Trouble {
        let failed = |kind| Error::before(kind).node(member.name());
        match error {
            PoolError::Timeout(_) => {
                self.telemetry.exhausted();
                Trouble::Busy(failed(ErrorKind::Busy))
            }
            PoolError::Backend(ConnectError::Lost) => {
                Trouble::Node(failed(ErrorKind::Disconnected).message("the node was lost"))
            }
            PoolError::Backend(ConnectError::TooSlow) => {
                member.wake.notify_one();
                Trouble::Node(failed(ErrorKind::Timeout).message("connecting took too long"))
            }
            PoolError::Backend(ConnectError::NotPrimary) => {
                self.learn(|belief| belief.cluster.not_primary(member.id, Instant::now()));
                member.wake.notify_one();
                Trouble::Node(failed(ErrorKind::NotPrimary))
            }
            PoolError::Backend(ConnectError::Backend(error)) => {
                member.note(&error);
                member.wake.notify_one();
                if self.backend.fault(&error) == Fault::Denied {
                    return Trouble::Final(failed(ErrorKind::Denied).source_of(error));
                }
                Trouble::Node(failed(ErrorKind::Disconnected).source_of(error))
            }
            // The node was removed while we came.
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Trouble::Node(failed(ErrorKind::Disconnected))
            }
        }
    }
}
