//! The background half of a balancer: members, health, snapshots.
//!
//! Everything that takes time happens here and not in `poll_ready`: a balancer that drives
//! discovery from its requests learns nothing while there are none (tower #824), and one that drops
//! an endpoint at its first error never gets it back. The driver only ever replaces one good
//! snapshot by another: if discovery fails, a change makes no sense or a policy panics, requests go
//! on with what was last known to be good.

mod checks;
mod discovery;
pub(crate) mod erased;
mod task;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) use task::Parts;
use task::Task;

/// Keeps a [`Balance`](crate::Balance) up to date; spawn it.
///
/// It ends when the last clone of its balancer is dropped.
///
/// # Cancel safety
///
/// Dropping it stops checks and changes. The balancer goes on with the last snapshot.
#[must_use = "a driver does nothing unless it is spawned or polled"]
pub struct Driver(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Driver {
    pub(crate) fn new<S, Req>(parts: Parts<S, Req>) -> Self
    where
        S: Clone + Send + Sync + 'static,
        Req: 'static,
    {
        Self(Box::pin(Task::new(parts).run()))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
