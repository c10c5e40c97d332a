use std::time::Duration;

use tokio::time::Instant;

use super::settings::BreakerSettings;
use super::window::Window;
use crate::origin::Invalid;
use crate::origin::rule::{Rule, on};

/// Decides whether an origin is asked. See the [module](super).
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Counts changes of state, so that a report of an earlier one is recognised.
    term: u64,
    run: u32,
    window: Window,
    failed_probes: u32,
    opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { lost_at: Instant },
}

/// What a breaker thinks of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It is asked.
    Closed,
    /// It is left alone.
    Open,
    /// One finds out.
    HalfOpen,
}

/// Whether this call may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a ticket is reported"]
pub enum Admit {
    /// It may.
    Through(Ticket),
    /// It may, and it is the one who finds out for all.
    Probe(Ticket),
    /// It may not.
    Refused {
        /// When asking may make sense again.
        retry_after: Duration,
    },
}

/// The right to ask once, and the time it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    term: u64,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The origin answered.
    Answered,
    /// It failed.
    Failed,
    /// Nobody knows: the caller went away, or the request was at fault.
    Unknown,
}

impl Breaker {
    /// A closed breaker.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if a setting means nothing.
    pub fn new(settings: BreakerSettings) -> Result<Self, Invalid> {
        settings.check()?;
        Ok(Self::of(settings))
    }

    fn of(settings: BreakerSettings) -> Self {
        Self {
            state: State::Closed,
            term: 0,
            run: 0,
            window: Window::new(settings.within),
            failed_probes: 0,
            opened: 0,
            settings,
        }
    }

    /// Whether a call may ask now. What it learns is to be [reported](Self::report), and
    /// [`Outcome::Unknown`] if it learns nothing.
    pub fn ask(&mut self, now: Instant) -> Admit {
        match self.refuses(now) {
            Some(retry_after) if on(Rule::OneProbe) || !self.is_probing() => {
                Admit::Refused { retry_after }
            }
            _ if self.state == State::Closed => Admit::Through(Ticket { term: self.term }),
            _ => {
                let lost_at = now + self.settings.probe_timeout;
                self.change(State::HalfOpen { lost_at });
                Admit::Probe(Ticket { term: self.term })
            }
        }
    }

    /// How long a call would be refused now, if it would: asks without taking the probe's place.
    #[must_use]
    pub fn refuses(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { until } if now < until => Some(until.saturating_duration_since(now)),
            State::HalfOpen { lost_at } if now < lost_at || !on(Rule::LostProbe) => {
                // Nobody knows how long it takes; as long as the last pause is a fair guess.
                Some(self.settings.pause(self.failed_probes))
            }
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// What came of a call. One that learns more later, because the body broke off after a head that
    /// was well, reports again.
    pub fn report(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) {
        if ticket.term != self.term && on(Rule::OldTerm) {
            return;
        }
        match (self.state, outcome) {
            (State::Closed, Outcome::Answered) => {
                self.run = 0;
                self.window.count(false, now);
            }
            (State::Closed, Outcome::Failed) => self.count_failure(now),
            (State::HalfOpen { .. }, Outcome::Answered) => self.close(),
            (State::HalfOpen { .. }, Outcome::Failed) => {
                if on(Rule::LongerBackoff) {
                    self.failed_probes = self.failed_probes.saturating_add(1);
                }
                self.open(now);
            }
            (State::HalfOpen { .. }, Outcome::Unknown) => self.open(now),
            (State::Closed, Outcome::Unknown) | (State::Open { .. }, _) => {}
        }
    }

    /// What it thinks of the origin.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self.state {
            State::Closed => Condition::Closed,
            State::Open { .. } => Condition::Open,
            State::HalfOpen { .. } => Condition::HalfOpen,
        }
    }

    /// How often it has opened after it was closed.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    fn is_probing(&self) -> bool {
        matches!(self.state, State::HalfOpen { .. })
    }

    fn count_failure(&mut self, now: Instant) {
        self.run = self.run.saturating_add(1);
        let count = self.window.count(true, now);
        let share = f64::from(count.failed) / f64::from(count.all.max(1));
        let too_many = count.all >= self.settings.ratio_of && share >= self.settings.ratio;
        if too_many || self.run >= self.settings.failures {
            self.opened = self.opened.saturating_add(1);
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        let until = now + self.settings.pause(self.failed_probes);
        self.change(State::Open { until });
    }

    /// What was before does not count against an origin that is back.
    fn close(&mut self) {
        self.run = 0;
        self.failed_probes = 0;
        self.window.clear();
        self.change(State::Closed);
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.term += 1;
    }
}

/// With the default settings.
impl Default for Breaker {
    fn default() -> Self {
        Self::of(BreakerSettings::default())
    }
}
