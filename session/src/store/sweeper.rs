//! Takes away what is over, in stores that do not do so by themselves.
//!
//! A session that is over is not there for anybody, swept or not: sweeping gives its room back. So nothing depends on when
//! it happens, or on whether it does for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Store;
use crate::error::StoreError;

/// Between two batches: as long as one takes about, so that a sweep leaves half of a store's time to others.
const BREATH: Duration = Duration::from_millis(20);
/// No pause is longer, however often a store fails.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// When sweeps happen, and how much each takes at a time.
#[derive(Clone, Debug)]
pub struct Sweeping {
    every: Duration,
    batch: usize,
    seed: u64,
}

/// Every minute, a thousand at a time.
impl Default for Sweeping {
    fn default() -> Self {
        Self { every: Duration::from_secs(60), batch: 1_000, seed: 0 }
    }
}

impl Sweeping {
    /// How long it is from one sweep to the next, a quarter more or less. Default 60 s: what is over takes room for a minute,
    /// and looking costs a store next to nothing. At least 1 ms.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every: every.max(Duration::from_millis(1)), ..self }
    }

    /// How many sessions are removed at a time, at least one. Default 1,000, which a database does in some 20 ms: no
    /// request waits for longer behind it.
    #[must_use]
    pub fn batch(self, sessions: usize) -> Self {
        Self { batch: sessions.max(1), ..self }
    }

    /// Where the chance in the pauses begins. Default 0. Processes with seeds of their own do not all sweep at the same
    /// moment; if they do, that is no harm.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

/// Sweeps a store in the background, until it is dropped. See [`Sweeping`] for when.
///
/// It does nothing for a store that needs no sweeps. Several processes may sweep one store.
///
/// A sweep that fails ends there, and the pause before the next one is twice as long each time, up to an hour: a store that
/// is down has other worries.
///
/// Dropping it ends it at once. A batch that was under way is removed or not.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use terrace_session::Store;
/// use terrace_session::store::{Sweeper, Sweeping};
///
/// # async fn run(store: Arc<dyn Store>) {
/// // For as long as this is kept.
/// let sweeper = Sweeper::spawn(Arc::clone(&store), Sweeping::default());
/// # drop(sweeper);
///
/// // Seldom, and each process at another time.
/// let seldom = Sweeping::default().every(Duration::from_secs(600)).seed(std::process::id().into());
/// let sweeper = Sweeper::spawn(store, seldom);
/// # drop(sweeper); }
/// ```
#[derive(Debug)]
pub struct Sweeper {
    task: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Begins to sweep. Has to be called from within a tokio runtime.
    #[must_use = "it ends when it is dropped"]
    pub fn spawn(store: Arc<dyn Store>, sweeping: Sweeping) -> Self {
        let needed = store.capabilities().needs_sweep;
        Self { task: needed.then(|| tokio::spawn(run(store, sweeping))) }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(store: Arc<dyn Store>, sweeping: Sweeping) {
    let mut chance = fastrand::Rng::with_seed(sweeping.seed);
    let mut failed = 0;
    loop {
        sleep(pause(sweeping.every, failed, chance.f64())).await;
        failed = match sweep(&*store, sweeping.batch).await {
            Ok(()) => 0,
            Err(_) => failed + 1,
        };
    }
}

/// Removes what is over, batch by batch, until one is not full.
async fn sweep(store: &dyn Store, batch: usize) -> Result<(), StoreError> {
    while store.sweep(batch).await? >= batch {
        sleep(BREATH).await;
    }
    Ok(())
}

/// How long it is until the next sweep, after so many that failed. `chance` is from 0 to 1.
fn pause(every: Duration, failed: u32, chance: f64) -> Duration {
    let doubled = every.saturating_mul(2_u32.saturating_pow(failed)).min(LONGEST.max(every));
    // A factor from 3/4 to 5/4, without leaving whole numbers: floats of durations may panic.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 512")]
    let parts = (chance.clamp(0.0, 1.0) * 512.0) as u32;
    (doubled / 1024).saturating_mul(768 + parts)
}

#[cfg(test)]
mod tests;
