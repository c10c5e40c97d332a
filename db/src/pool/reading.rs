use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lease::{Lease, Reader, Watch};
use super::verdict::Effect;
use crate::backend::{Backend, Role};
use crate::error::Error;
use crate::position::Position;

/// A connection for reading. It is given back when it is dropped.
///
/// The database itself refuses writes on it, on the primary too.
pub struct ReadConnection<B: Backend> {
    pub(super) lease: Lease<B>,
    pub(super) role: Role,
    /// The node has yet to say that it has reached this offset.
    pub(super) pending: Option<u64>,
    pub(super) place: usize,
    /// The cluster's, when this node was chosen.
    pub(super) timeline: u32,
}

impl<B: Backend> ReadConnection<B> {
    /// The name of the node.
    #[must_use]
    pub fn served_by(&self) -> &str {
        self.lease.member().name()
    }

    /// Whether the primary serves this read, or a replica.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Carries out statements under one deadline; an error says what it means.
    ///
    /// End the transactions that you begin: the next one to read gets the connection as it is.
    ///
    /// # Errors
    ///
    /// When the database says no, or nothing in time.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut B::Connection) -> Result<T, B::Error>,
    ) -> Result<T, Error> {
        let notes = self.notes_position();
        let (connection, watch, backend) = self.parts();
        let exchange = async {
            let value = work(connection).await?;
            // Asked for afterwards, it covers all that the work can have seen.
            let position = if notes { Some(backend.readable(connection).await?) } else { None };
            Ok((value, position))
        };
        let (value, position) = watch.over(Effect::Read, pin!(exchange)).await?;
        if let Some(position) = position {
            self.read_up_to(position);
        }
        Ok(value)
    }

    pub(crate) fn parts(&mut self) -> (&mut B::Connection, Watch<'_, B>, &B) {
        self.lease.parts()
    }

    /// The offset that the node has yet to say it has reached.
    pub(crate) fn pending(&self) -> Option<u64> {
        self.pending
    }

    /// The node says that it has reached this offset. Whether that is enough.
    ///
    /// An offset behind a fork means another place on each timeline. If a promotion was seen since
    /// the node was chosen, it has to be chosen anew.
    pub(crate) fn reached(&mut self, offset: u64) -> bool {
        let same = self.lease.shared().snapshot().view.timeline == self.timeline;
        if same && self.pending.is_some_and(|pending| offset >= pending) {
            self.pending = None;
        }
        self.pending.is_none()
    }

    /// Whether the position of what is read here is to be asked for, and
    /// [noted](Self::read_up_to).
    pub(crate) fn notes_position(&self) -> bool {
        self.lease.noting().is_some()
    }

    /// All that was read here lies before this position.
    pub(crate) fn read_up_to(&self, position: Position) {
        if let Some(Reader { context, system, under }) = self.lease.noting() {
            context.read_up_to(*system, position, *under);
        }
    }

    /// Waits until the node has come far enough. `false` if it has not within `limit`.
    pub(crate) async fn settle(&mut self, limit: Duration) -> Result<bool, Error> {
        if self.pending.is_none() {
            return Ok(true);
        }
        let shared = Arc::clone(self.lease.shared());
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let (connection, watch, backend) = self.parts();
            let asking = backend.replayed(connection);
            let offset = watch.unseen().over(Effect::Read, pin!(asking)).await?;
            if self.reached(offset) {
                shared.telemetry.caught_up(true);
                return Ok(true);
            }
            if Instant::now().saturating_duration_since(begun) + pause > limit {
                shared.telemetry.caught_up(false);
                return Ok(false);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(8));
        }
    }
}

impl<B: Backend> fmt::Debug for ReadConnection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadConnection")
            .field("node", &self.served_by())
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
