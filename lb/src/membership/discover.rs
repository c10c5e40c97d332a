//! Endpoints that come and go by themselves.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{BoxError, Endpoint};

/// One change of membership.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change<S> {
    /// This is the whole list. Endpoints whose name stays keep their service, their connections and
    /// their counts, and take over the weight; the others leave or join.
    Replace(Vec<Endpoint<S>>),
    /// This endpoint joins.
    Add(Endpoint<S>),
    /// The endpoint of this name leaves; what it has in flight ends in its own time.
    Remove(Arc<str>),
    /// The endpoint of this name gets a weight; 0 drains it.
    Weight(Arc<str>, u16),
}

/// A source of changes.
///
/// A channel's [`Receiver`](mpsc::Receiver) is one. The driver keeps what it knows whatever the
/// source does: an error or a change that cannot be made (a name twice, a name nobody has) is
/// reported and skipped, and when the source ends the last known members stay.
pub trait Discover<S>: Send + 'static {
    /// Waits for the next change; `None` when there will be no more.
    ///
    /// After an error it is asked again, not at once but with a growing pause, up to 30 s.
    ///
    /// # Cancel safety
    ///
    /// The driver drops the future and asks again whenever something else happens, so no change may
    /// be lost by that.
    fn next(&mut self) -> impl Future<Output = Option<Result<Change<S>, BoxError>>> + Send;
}

impl<S: Send + 'static> Discover<S> for mpsc::Receiver<Change<S>> {
    async fn next(&mut self) -> Option<Result<Change<S>, BoxError>> {
        self.recv().await.map(Ok)
    }
}
