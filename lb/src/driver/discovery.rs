//! Listening to a source of changes that may fail.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::erased::Discover;
use crate::BoxError;
use crate::membership::Change;
use crate::policy::Rng;

/// The pause after the first error in a row, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A source, and how long to leave it alone.
pub(super) struct Discovery<S> {
    source: Option<Box<dyn Discover<S>>>,
    pause: Duration,
    not_before: Option<Instant>,
    rng: Rng,
}

impl<S> Discovery<S> {
    pub(super) fn new(source: Option<Box<dyn Discover<S>>>, rng: Rng) -> Self {
        Self { source, pause: FIRST_PAUSE, not_before: None, rng }
    }

    /// Waits for the next change or error; for ever once the source has ended.
    ///
    /// Cancel safe if the source is: the pause is kept as a point in time.
    pub(super) async fn next(&mut self) -> Result<Change<S>, BoxError> {
        let Some(source) = &mut self.source else {
            return std::future::pending().await;
        };
        if let Some(at) = self.not_before {
            sleep_until(at).await;
        }
        match source.next().await {
            Some(Ok(change)) => {
                (self.pause, self.not_before) = (FIRST_PAUSE, None);
                Ok(change)
            }
            Some(Err(error)) => {
                // Between half and all of the pause, so that many balancers spread out.
                let half = self.pause / 2;
                let most = usize::try_from(half.as_millis()).unwrap_or(usize::MAX);
                let jitter = Duration::from_millis(self.rng.below(most) as u64);
                self.not_before = Some(Instant::now() + half + jitter);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Err(error)
            }
            None => {
                self.source = None;
                Err("the source has ended".into())
            }
        }
    }
}
