//! When a store that fails is left alone, and when it is asked again.
//!
//! - **Some failures in a row open it.** A single one may be a connection that broke; each of them has cost a request
//!   its time limit, so that there should not be many.
//! - **Then one asks**, after a pause. Whoever comes meanwhile is turned away at once.
//! - **The pause does not grow.** One request a pause waits for a store that is down; a store that is back is in use
//!   within a pause.
//!
//! Calls under way when it opens may end later. What they report is about a state that is over, and changes nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Whether a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// It is.
    Closed,
    /// It failed too often, and is left alone for a while.
    Open,
    /// One request is finding out, and all others are turned away.
    Probing,
}

#[derive(Debug)]
pub(super) struct Circuit {
    failures: u32,
    pause: Duration,
    state: State,
    /// Counts changes of state, so that a report of an earlier one is recognised.
    term: u64,
    opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failed: u32 },
    Open { until: Instant },
    Probing,
}

/// The right to ask once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    term: u64,
}

impl Circuit {
    /// Opens after `failures` in a row, at least one, for `pause`.
    pub(super) fn new(failures: u32, pause: Duration) -> Self {
        let failures = failures.max(1);
        Self { failures, pause, state: State::Closed { failed: 0 }, term: 0, opened: 0 }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether the store may be asked as usual: what nearly every call asks, and without the time.
    pub(super) fn closed(&self) -> Option<Ticket> {
        matches!(self.state, State::Closed { .. }).then_some(Ticket { term: self.term })
    }

    /// Whether the store may be asked now, and else for how long it will not be. That is no time at all while
    /// somebody is finding out.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if now >= until => self.become_(State::Probing),
            State::Open { until } => return Err(until.saturating_duration_since(now)),
            State::Probing => return Err(Duration::ZERO),
        }
        Ok(Ticket { term: self.term })
    }

    /// The store answered.
    pub(super) fn answered(&mut self, ticket: Ticket) {
        if ticket.term != self.term {
            return;
        }
        match &mut self.state {
            State::Closed { failed } => *failed = 0,
            State::Probing => self.become_(State::Closed { failed: 0 }),
            State::Open { .. } => {}
        }
    }

    /// The store did not answer.
    pub(super) fn failed(&mut self, ticket: Ticket, now: Instant) {
        if ticket.term != self.term {
            return;
        }
        match &mut self.state {
            State::Closed { failed } if *failed + 1 < self.failures => *failed += 1,
            State::Closed { .. } | State::Probing => {
                self.opened += 1;
                // No pause is longer than time goes on.
                let until = now.checked_add(self.pause).unwrap_or(now);
                self.become_(State::Open { until });
            }
            State::Open { .. } => {}
        }
    }

    /// Nobody waited for what the store says. If that was to find out, the next one does.
    pub(super) fn abandoned(&mut self, ticket: Ticket, now: Instant) {
        if ticket.term == self.term && self.state == State::Probing {
            self.become_(State::Open { until: now });
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::Probing => CircuitState::Probing,
        }
    }

    /// How often failures have opened it.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    fn become_(&mut self, state: State) {
        self.state = state;
        self.term += 1;
    }
}

#[cfg(test)]
mod tests;
