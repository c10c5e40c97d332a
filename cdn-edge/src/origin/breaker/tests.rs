//! Random callers, and a checker that knows the promises and not the code.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Admit, Breaker, BreakerSettings, Condition, Outcome, Ticket};
use crate::origin::rule::{self, Rule};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(500);
const PROBE: Duration = Duration::from_millis(300);
const FAILURES: u32 = 3;

fn settings() -> BreakerSettings {
    BreakerSettings::default()
        .failures(FAILURES)
        .ratio(1.0, u32::MAX, Duration::from_secs(1))
        .backoff(FIRST, LONGEST)
        .probe_timeout(PROBE)
}

/// What the world does next.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody calls.
    Call,
    /// So many milliseconds pass.
    Pass(u64),
    /// A call that is under way ends.
    End(prop::sample::Index, Outcome),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Failed),
        2 => Just(Outcome::Answered),
        1 => Just(Outcome::Unknown),
    ];
    let step = prop_oneof![
        4 => Just(Step::Call),
        3 => (0..200_u64).prop_map(Step::Pass),
        4 => (any::<prop::sample::Index>(), outcome).prop_map(|(index, outcome)| Step::End(index, outcome)),
    ];
    prop::collection::vec(step, 0..200)
}

struct Call {
    ticket: Ticket,
    probe: bool,
    since: Instant,
    /// How often the breaker had closed or opened when it began.
    era: u64,
}

struct World {
    breaker: Breaker,
    now: Instant,
    calls: Vec<Call>,
    era: u64,
    /// Failures in a row of calls that began since it closed.
    run: u32,
    failed_probes: u32,
    /// Since when nobody may ask, and how long.
    left_alone: Option<(Instant, Duration)>,
}

impl World {
    fn call(&mut self) -> Result<(), String> {
        let before = self.breaker.condition();
        let probing = self.calls.iter().any(|call| call.probe && self.now < call.since + PROBE);
        let (ticket, probe) = match self.breaker.ask(self.now) {
            Admit::Through(ticket) if before == Condition::Closed => (ticket, false),
            Admit::Through(_) => return Err("let through though it is not closed".into()),
            Admit::Probe(_) if before == Condition::Closed => return Err("a needless probe".into()),
            Admit::Probe(_) if probing => return Err("two probes at once".into()),
            Admit::Probe(ticket) => {
                if let Some((since, pause)) = self.left_alone
                    && self.now < since + pause
                {
                    return Err(format!("asked {:?} after it failed", self.now - since));
                }
                (ticket, true)
            }
            Admit::Refused { .. } if before == Condition::Closed => {
                return Err("refused though it is closed".into());
            }
            Admit::Refused { retry_after } => {
                let over = self.left_alone.is_none_or(|(since, pause)| self.now >= since + pause);
                return match () {
                    () if over && !probing => Err("nobody finds out".into()),
                    () if retry_after > LONGEST => Err("told to wait too long".into()),
                    () => Ok(()),
                };
            }
        };
        if probe {
            // Whatever began before this one belongs to the past.
            self.era += 1;
        }
        self.calls.push(Call { ticket, probe, since: self.now, era: self.era });
        Ok(())
    }

    fn end(&mut self, call: &Call, outcome: Outcome) -> Result<(), String> {
        let (before, opened) = (self.breaker.condition(), self.breaker.opened());
        self.breaker.report(call.ticket, outcome, self.now);
        let after = self.breaker.condition();
        let current = call.era == self.era;
        match (current, before == after) {
            (false, true) => return Ok(()),
            (false, false) => return Err("moved by a call of the past".into()),
            (true, _) => {}
        }
        if before == Condition::Closed {
            match outcome {
                Outcome::Answered => self.run = 0,
                Outcome::Failed => self.run += 1,
                Outcome::Unknown => {}
            }
            let due = self.run >= FAILURES;
            if due != (after == Condition::Open) || (self.breaker.opened() > opened) != due {
                return Err(format!("{after:?} after {} failures in a row", self.run));
            }
        } else if outcome == Outcome::Failed {
            self.failed_probes += 1;
        }
        match after {
            Condition::Closed if before != after => {
                (self.run, self.failed_probes, self.left_alone) = (0, 0, None);
                self.era += 1;
            }
            Condition::Open => {
                let pause = (FIRST * 2_u32.pow(self.failed_probes.min(8))).min(LONGEST);
                self.left_alone = Some((self.now, pause));
                self.era += 1;
            }
            Condition::Closed | Condition::HalfOpen => {}
        }
        Ok(())
    }
}

fn play(steps: &[Step]) -> Result<(), String> {
    let mut world = World {
        breaker: Breaker::new(settings()).unwrap(),
        now: Instant::now(),
        calls: Vec::new(),
        era: 0,
        run: 0,
        failed_probes: 0,
        left_alone: None,
    };
    for step in steps {
        match step {
            Step::Call => world.call()?,
            Step::Pass(millis) => world.now += Duration::from_millis(*millis),
            Step::End(index, outcome) if !world.calls.is_empty() => {
                let call = world.calls.swap_remove(index.index(world.calls.len()));
                world.end(&call, *outcome)?;
            }
            Step::End(..) => {}
        }
    }
    Ok(())
}

/// What the checker finds with a safeguard off, in some of many random runs.
fn found_without(rule: Rule, expected: &str) {
    use proptest::test_runner::{Config, TestRunner};
    // No file of regressions: this one is to fail.
    let config = Config { failure_persistence: None, cases: 2_000, ..Config::default() };
    let found = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    )
    .run(&steps(), |steps| {
        let _off = rule::off(rule);
        play(&steps).map_err(TestCaseError::fail)
    });
    let found = found.expect_err("the checker sees nothing").to_string();
    assert!(found.contains(expected), "{found}");
}

proptest! {
    #[test]
    fn one_probe_finds_out_for_all_and_a_failed_origin_is_left_alone(steps in steps()) {
        play(&steps).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn control_two_probes_at_once_are_reported() {
    found_without(Rule::OneProbe, "two probes at once");
}

#[test]
fn control_a_report_of_the_past_that_counts_is_reported() {
    found_without(Rule::OldTerm, "moved by a call of the past");
}

#[test]
fn control_a_lost_probe_that_blocks_all_is_reported() {
    found_without(Rule::LostProbe, "nobody finds out");
}

#[test]
fn control_a_backoff_that_does_not_grow_is_reported() {
    found_without(Rule::LongerBackoff, "after it failed");
}

/// Asks and reports, until somebody is refused; how many calls that took.
fn until_open(breaker: &mut Breaker, now: Instant, failed: impl Fn(u32) -> bool) -> Option<u32> {
    (0..1_000).find(|n| match breaker.ask(now) {
        Admit::Through(ticket) | Admit::Probe(ticket) => {
            let outcome = if failed(*n) { Outcome::Failed } else { Outcome::Answered };
            breaker.report(ticket, outcome, now);
            false
        }
        Admit::Refused { .. } => true,
    })
}

#[test]
fn an_origin_that_fails_every_second_call_is_left_alone() {
    let now = Instant::now();
    let every_second = |n: u32| n % 2 == 1;
    let mut breaker = Breaker::new(BreakerSettings::default()).unwrap();
    assert_eq!(until_open(&mut breaker, now, every_second), Some(20));
    // The control: without the share, it would go on for ever.
    let settings = BreakerSettings::default().ratio(1.0, u32::MAX, Duration::from_secs(10));
    assert_eq!(until_open(&mut Breaker::new(settings).unwrap(), now, every_second), None);
}

#[test]
fn failures_far_apart_do_not_add_up() {
    let mut now = Instant::now();
    let mut breaker = Breaker::new(BreakerSettings::default().failures(u32::MAX)).unwrap();
    for _ in 0..100 {
        let Admit::Through(ticket) = breaker.ask(now) else { panic!("refused") };
        breaker.report(ticket, Outcome::Failed, now);
        now += Duration::from_secs(1);
    }
    assert_eq!(breaker.opened(), 0);
}

#[test]
fn a_probe_that_is_dropped_frees_its_place_after_the_same_backoff() {
    let now = Instant::now();
    let mut breaker = Breaker::new(settings()).unwrap();
    until_open(&mut breaker, now, |_| true);
    let later = now + FIRST;
    let Admit::Probe(probe) = breaker.ask(later) else { panic!("no probe") };
    breaker.report(probe, Outcome::Unknown, later);
    assert_eq!(breaker.ask(later), Admit::Refused { retry_after: FIRST });
    assert!(matches!(breaker.ask(later + FIRST), Admit::Probe(_)));
}

#[test]
fn to_look_takes_nobodys_place() {
    let now = Instant::now();
    let mut breaker = Breaker::new(settings()).unwrap();
    assert_eq!(breaker.refuses(now), None);
    until_open(&mut breaker, now, |_| true);
    assert_eq!(breaker.refuses(now), Some(FIRST));
    assert_eq!(breaker.refuses(now + FIRST), None);
    assert!(matches!(breaker.ask(now + FIRST), Admit::Probe(_)));
}
