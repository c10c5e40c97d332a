//! How long a connection may wait for its client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::{Duration, Instant, Sleep};

use super::activity::{Activity, Waiting};
use super::config::Timeouts;

/// One timer a connection for all its timeouts.
///
/// It looks a few times a timeout at what the connection waits for; what it finds unchanged for
/// long enough has taken too long. So a timeout is kept late by up to a quarter of the shortest
/// one, and a request costs no clock and no timer. (hyper's own header timeout allocates and
/// registers a timer for each request; it also cuts a connection that is merely idle.)
pub(super) struct Patience<'a> {
    timeouts: &'a Timeouts,
    activity: &'a Arc<Activity>,
    interval: Duration,
    timer: Pin<Box<Sleep>>,
    seen: Waiting,
    since: Instant,
    knows_heads: bool,
}

impl<'a> Patience<'a> {
    pub(super) fn new(timeouts: &'a Timeouts, activity: &'a Arc<Activity>) -> Self {
        let now = Instant::now();
        let shortest = timeouts.head.min(timeouts.idle).min(timeouts.write);
        let interval = (shortest / 4).max(Duration::from_millis(1));
        Self {
            timeouts,
            activity,
            interval,
            timer: Box::pin(tokio::time::sleep_until(now + interval)),
            seen: activity.waiting(),
            since: now,
            knows_heads: true,
        }
    }

    /// From now on bytes between requests are not taken for a head that is slow to end: HTTP/2
    /// has frames that belong to no request.
    pub(super) fn forget_heads(&mut self) {
        self.knows_heads = false;
    }

    /// Ready once the client has been waited for too long.
    pub(super) fn poll_exhausted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let waiting = self.activity.waiting();
            if waiting != self.seen {
                self.seen = waiting;
                self.since = now;
            } else if now.saturating_duration_since(self.since) >= self.limit(waiting) {
                // A caller that goes on after this starts over.
                self.since = now;
                self.timer.as_mut().reset(now + self.interval);
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(now + self.interval);
        }
    }

    fn limit(&self, waiting: Waiting) -> Duration {
        match waiting {
            Waiting::Head(_) if self.knows_heads => self.timeouts.head,
            Waiting::Head(_) | Waiting::Idle(_) => self.timeouts.idle,
            Waiting::Client(_) => self.timeouts.write,
            Waiting::Service => Duration::MAX,
        }
    }
}
