//! When each endpoint is asked next. Pure: takes `now`, and its chance from a seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::HealthConfig;
use crate::EndpointId;
use crate::policy::Rng;

/// The endpoints in the order in which they are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    jitter: f64,
    concurrency: usize,
    running: usize,
    /// New endpoints go before all others: until its first check nothing is known about them.
    new: VecDeque<EndpointId>,
    due: BinaryHeap<Reverse<(Instant, EndpointId)>>,
    rng: Rng,
}

impl Schedule {
    pub(crate) fn new(config: &HealthConfig, rng: Rng) -> Self {
        Self {
            interval: config.interval,
            jitter: config.jitter,
            concurrency: config.concurrency,
            running: 0,
            new: VecDeque::new(),
            due: BinaryHeap::new(),
            rng,
        }
    }

    /// An endpoint has joined: its first check is due at once.
    pub(crate) fn join(&mut self, id: EndpointId) {
        self.new.push_back(id);
    }

    /// Starts the next check that is due, if there is one and room for it.
    ///
    /// The caller skips endpoints that have left by calling [`gone`](Self::gone).
    pub(crate) fn start(&mut self, now: Instant) -> Option<EndpointId> {
        if self.running >= self.concurrency {
            return None;
        }
        let id = match self.new.pop_front() {
            Some(id) => id,
            None => match self.due.peek() {
                Some(Reverse((at, _))) if *at <= now => self.due.pop()?.0.1,
                _ => return None,
            },
        };
        self.running += 1;
        Some(id)
    }

    /// A started check has ended; the endpoint is asked again one varied interval from now.
    pub(crate) fn done(&mut self, id: EndpointId, now: Instant) {
        self.running -= 1;
        let wait = self.wait();
        self.due.push(Reverse((now + wait, id)));
    }

    /// A started check was for an endpoint that has left: it is not asked again.
    pub(crate) fn gone(&mut self) {
        self.running -= 1;
    }

    /// When to call [`start`](Self::start) next; `None` until something ends or joins.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        if self.running >= self.concurrency {
            return None;
        }
        if !self.new.is_empty() {
            return Some(now);
        }
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn wait(&mut self) -> Duration {
        // Even in -jitter ..= +jitter; 2^53 steps is all that f64 can tell apart.
        let unit = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.interval.mul_f64(1.0 + self.jitter * (2.0 * unit - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> EndpointId {
        EndpointId { slot, generation: 0 }
    }

    fn schedule(concurrency: usize) -> Schedule {
        let config = HealthConfig { concurrency, ..HealthConfig::default() };
        Schedule::new(&config, Rng::from_seed(7))
    }

    #[test]
    fn a_new_endpoint_is_asked_at_once_and_then_within_the_jitter() {
        let mut schedule = schedule(1);
        let now = Instant::now();
        schedule.join(id(1));
        assert_eq!(schedule.next(now), Some(now));
        for _ in 0..1_000 {
            let now = schedule.next(now).expect("something is due");
            assert_eq!(schedule.start(now), Some(id(1)));
            schedule.done(id(1), now);
            let wait = schedule.next(now).expect("asked again").saturating_duration_since(now);
            assert!((1_600..=2_400).contains(&wait.as_millis()), "{wait:?}");
        }
    }

    #[test]
    fn no_more_checks_run_at_once_than_allowed() {
        let mut schedule = schedule(2);
        let now = Instant::now();
        (0..5).for_each(|slot| schedule.join(id(slot)));
        assert_eq!(schedule.start(now), Some(id(0)));
        assert_eq!(schedule.start(now), Some(id(1)));
        assert_eq!(schedule.start(now), None);
        assert_eq!(schedule.next(now), None, "waiting would be in vain");
        schedule.gone();
        assert_eq!(schedule.start(now), Some(id(2)));
    }
}
