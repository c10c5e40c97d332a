//! Single-flight: of all who miss a key at a time, one loads it and the others wait for that.
//!
//! - A flight is joined only while what it captured is still current: a reader that comes after an
//!   invalidation never waits for an old value.
//! - Loads run in tasks of their own. A reader that is dropped leaves; the load goes on for the rest,
//!   and for the next.
//! - Whatever happens to the task, the flight lands: a [`Landing`] that is dropped without an
//!   outcome says so to all who wait.
//! - A load that would wait for itself is found out when it begins to wait: see [`Node`].

mod node;
mod slots;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

pub(crate) use self::node::{CURRENT, Node};
pub(crate) use self::slots::{Boarding, Flights, Landing};
use crate::cache::Entry;
use crate::error::LoadError;
use crate::version::Captured;

/// One load, under way or over.
pub(crate) struct Flight<V> {
    pub(crate) captured: Captured,
    pub(crate) node: Arc<Node>,
    bytes: Box<[u8]>,
    /// How many readers have joined the one who began it.
    joined: AtomicU64,
    outcome: OnceLock<Outcome<V>>,
    landed: Notify,
}

/// How a load ended.
pub(crate) struct Outcome<V> {
    pub(crate) result: Result<Landed<V>, LoadError>,
}

/// What a load found.
pub(crate) struct Landed<V> {
    pub(crate) entry: Arc<Entry<V>>,
    pub(crate) from: From,
    /// Whether nothing that concerns the value had moved when the load was over. If not, it is only
    /// for readers whom [`Captured::serves`].
    pub(crate) current: bool,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// It was there: somebody was quicker.
    L1,
    /// The second level.
    L2,
    /// The loader.
    Loader,
}

impl<V> Flight<V> {
    pub(crate) fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    /// Waits until it has landed. Cancel safe.
    pub(crate) async fn landed(&self) -> &Outcome<V> {
        loop {
            let notified = self.landed.notified();
            tokio::pin!(notified);
            // Before the look, or a landing in between would be missed.
            notified.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome;
            }
            notified.await;
        }
    }
}
