//! When a node that failed is asked again.
//!
//! The rule: a node that does not answer makes one caller wait, once in a window, and nobody else.
//!
//! - **One failure opens it.** Every failure has cost a caller the whole budget, or a connection; to
//!   count to three would cost three. What opens it by mistake costs one window of misses.
//! - **Then one asks**, when the window is over. Whoever comes meanwhile is turned away at once.
//! - **The window does not grow.** Asking once in a window costs one caller the budget; windows that
//!   grow would save next to nothing, and leave a node that is back unused.
//!
//! Calls under way when it opens may end later. What they report is about a state that is over, and
//! changes nothing.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Breaker {
    window: Duration,
    state: State,
    /// Counts changes of state, so that a report of an earlier one is recognised.
    term: u64,
    opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Probing,
}

/// The right to ask once. Each is to be [reported](Breaker::ended).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    term: u64,
    /// Whether its holder is the one who finds out.
    pub(super) probe: bool,
}

impl Breaker {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, state: State::Closed, term: 0, opened: 0 }
    }

    /// Whether the node may be asked now.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Ticket> {
        match self.state {
            State::Closed => Some(Ticket { term: self.term, probe: false }),
            State::Open { until } if now >= until => {
                self.become_(State::Probing);
                Some(Ticket { term: self.term, probe: true })
            }
            State::Open { .. } | State::Probing => None,
        }
    }

    /// What came of it.
    pub(super) fn ended(&mut self, ticket: Ticket, answered: bool, now: Instant) {
        if ticket.term != self.term {
            return;
        }
        match (self.state, answered) {
            (State::Probing, true) => self.become_(State::Closed),
            (State::Closed | State::Probing, false) => {
                self.opened += 1;
                self.become_(State::Open { until: now + self.window });
            }
            _ => {}
        }
    }

    /// Whoever comes next is to find out, and nobody else is let in before. Also takes back a ticket
    /// that was not used.
    pub(super) fn trip(&mut self, now: Instant) {
        match self.state {
            State::Open { .. } => {}
            State::Closed | State::Probing => self.become_(State::Open { until: now }),
        }
    }

    /// Whether it answered when it was last asked.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// How often it was opened by a failure.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    fn become_(&mut self, state: State) {
        self.state = state;
        self.term += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(1_000);
    const BUDGET: Duration = Duration::from_millis(50);

    /// What the world does next.
    #[derive(Clone, Debug)]
    enum Step {
        /// Somebody calls.
        Call,
        /// So much time passes; calls of a dead node end when their budget does.
        Pass(u64),
        /// A call that is under way is answered, if the node is up.
        Answer(prop::sample::Index),
        /// The node dies or is back.
        Turn,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Call),
            3 => (0..400_u64).prop_map(Step::Pass),
            3 => any::<prop::sample::Index>().prop_map(Step::Answer),
            1 => Just(Step::Turn),
        ];
        prop::collection::vec(step, 0..200)
    }

    /// Plays it and says when probes and waits of a dead node began, in milliseconds.
    ///
    /// `admit` stands between the breaker and the callers, so that a control can let more in.
    fn play(
        steps: &[Step],
        mut admit: impl FnMut(&mut Breaker, Instant) -> Option<Ticket>,
    ) -> Result<(), String> {
        let origin = Instant::now();
        let mut now = origin;
        let mut up = true;
        let mut breaker = Breaker::new(WINDOW);
        let mut calls: Vec<(Ticket, Instant)> = Vec::new();
        // When the node was last found dead, as long as nothing has answered since.
        let mut dead: Option<Instant> = None;
        let mut waited_since = 0;
        for step in steps {
            match step {
                Step::Call => match admit(&mut breaker, now) {
                    Some(ticket) => {
                        if let Some(found) = dead {
                            if now < found + WINDOW {
                                return Err(format!("asked {:?} after it failed", now - found));
                            }
                            waited_since += 1;
                            if waited_since > 1 {
                                return Err("two wait in one window".into());
                            }
                        }
                        calls.push((ticket, now));
                    }
                    None if dead.is_none() => return Err("turned away from a live node".into()),
                    None => {}
                },
                Step::Pass(millis) => {
                    now += Duration::from_millis(*millis);
                    let (over, left) =
                        calls.drain(..).partition(|(_, since)| now >= *since + BUDGET);
                    calls = left;
                    let over: Vec<(Ticket, Instant)> = over;
                    for (ticket, _) in over {
                        let was = breaker.opened();
                        breaker.ended(ticket, false, now);
                        if breaker.opened() > was {
                            dead = Some(now);
                            waited_since = 0;
                        }
                    }
                }
                Step::Answer(index) if up && !calls.is_empty() => {
                    let (ticket, _) = calls.swap_remove(index.index(calls.len()));
                    breaker.ended(ticket, true, now);
                    if breaker.is_closed() {
                        dead = None;
                    }
                }
                Step::Answer(_) => {}
                Step::Turn => up = !up,
            }
            if breaker.is_closed() != dead.is_none() {
                return Err("open or closed without a reason".into());
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn a_dead_node_makes_one_caller_wait_in_a_window(steps in steps()) {
            play(&steps, Breaker::admit).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn control_a_breaker_that_lets_all_in_after_the_window_is_found_out() {
        let call_and_wait = [Step::Call, Step::Pass(60)];
        let two_probe = [Step::Pass(1_000), Step::Call, Step::Call];
        let steps: Vec<Step> = call_and_wait.into_iter().chain(two_probe).collect();
        play(&steps, Breaker::admit).unwrap();
        let found = play(&steps, |breaker, now| {
            let ticket = breaker.admit(now);
            ticket.or(Some(Ticket { term: breaker.term, probe: true }))
        });
        assert_eq!(found.unwrap_err(), "two wait in one window");
    }

    #[test]
    fn a_failure_that_is_reported_late_does_not_open_it_again() {
        let now = Instant::now();
        let mut breaker = Breaker::new(WINDOW);
        let early = breaker.admit(now).unwrap();
        let other = breaker.admit(now).unwrap();
        breaker.ended(early, false, now);
        let later = now + WINDOW;
        let probe = breaker.admit(later).unwrap();
        assert!(probe.probe);
        breaker.ended(probe, true, later);
        breaker.ended(other, false, later);
        assert!(breaker.is_closed());
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn who_is_tripped_asks_one_at_once_and_does_not_count_it_as_a_failure() {
        let now = Instant::now();
        let mut breaker = Breaker::new(WINDOW);
        breaker.trip(now);
        assert_eq!(breaker.opened(), 0);
        let probe = breaker.admit(now).unwrap();
        assert!(probe.probe);
        assert_eq!(breaker.admit(now), None);
        breaker.ended(probe, true, now);
        assert!(breaker.is_closed());
    }
}
