//! How often a key may ask, and that each request is done once. Pure: both clocks come in.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::refusal::Refusal;
use super::rule::{self, Rule};

/// How far a request's time may be from now, in seconds, either way.
pub(super) const WINDOW: u64 = 60;

/// How often one key may ask: a bucket of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run; 10 as it comes, for a purge is cheap and a preload is
    /// not.
    pub per_second: u32,
    /// Requests at once; 50 as it comes, which is a deployment that purges page by page.
    pub burst: u32,
}

/// What is remembered of one key.
#[derive(Debug)]
pub(super) struct Quota {
    rate: Rate,
    room: usize,
    /// When the bucket is full again.
    full_at: Option<Instant>,
    /// What was done, by the time that it was signed for.
    done: BTreeSet<(u64, u128)>,
    /// What was signed for this time and before may have been forgotten.
    forgotten: Option<u64>,
}

impl Default for Rate {
    fn default() -> Self {
        Self { per_second: 10, burst: 50 }
    }
}

impl Quota {
    pub(super) fn new(rate: Rate, room: usize) -> Self {
        Self { rate, room, full_at: None, done: BTreeSet::new(), forgotten: None }
    }

    /// Takes note of a request that is signed rightly and in time.
    ///
    /// # Errors
    ///
    /// [`Refusal::Replayed`], [`Refusal::Full`] and [`Refusal::Rate`]; then nothing has changed,
    /// and a request that came too early may come again as it is.
    pub(super) fn admit(
        &mut self,
        at: u64,
        nonce: u128,
        unix: u64,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.forget(unix);
        // A wall clock that was put back makes old requests young again; what was forgotten of them
        // stays refused.
        let back = self.forgotten.is_some_and(|time| at <= time) && rule::on(Rule::Backwards);
        if back || (self.done.contains(&(at, nonce)) && rule::on(Rule::Nonce)) {
            return Err(Refusal::Replayed);
        }
        if self.done.len() >= self.room && rule::on(Rule::Room) {
            return Err(Refusal::Full);
        }
        self.take(now)?;
        self.done.insert((at, nonce));
        Ok(())
    }

    /// Forgets what is too old to be accepted again.
    fn forget(&mut self, unix: u64) {
        while let Some((at, _)) =
            self.done.first().filter(|(at, _)| at.saturating_add(WINDOW) < unix)
        {
            self.forgotten = self.forgotten.max(Some(*at));
            self.done.pop_first();
        }
    }

    fn take(&mut self, now: Instant) -> Result<(), Refusal> {
        let token = Duration::from_secs(1) / self.rate.per_second.max(1);
        let full_at = self.full_at.unwrap_or(now).max(now) + token;
        let missing = full_at.saturating_duration_since(now);
        let retry_after = missing.saturating_sub(token * self.rate.burst);
        if !retry_after.is_zero() && rule::on(Rule::Rate) {
            return Err(Refusal::Rate { retry_after });
        }
        self.full_at = Some(full_at);
        Ok(())
    }
}
