use proptest::prelude::*;

use super::*;

const FAILURES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(1_000);

/// What the world does next.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks.
    Call,
    /// So many milliseconds pass.
    Pass(u64),
    /// One of the calls under way is answered.
    Answer(usize),
    /// One of them fails.
    Fail(usize),
    /// One of them is dropped.
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<usize>;
    let step = prop_oneof![
        5 => Just(Step::Call),
        2 => (0..700_u64).prop_map(Step::Pass),
        2 => index().prop_map(Step::Answer),
        4 => index().prop_map(Step::Fail),
        1 => index().prop_map(Step::Drop),
    ];
    prop::collection::vec(step, 0..200)
}

/// What an onlooker knows, who sees calls begin and end, and not the circuit.
#[derive(Debug)]
enum Seen {
    Well { failed: u32 },
    Ill { since: Instant, asked: bool },
}

#[derive(Clone, Copy, Debug)]
struct Call {
    ticket: Ticket,
    /// How often the onlooker's mind had changed when it began.
    era: u64,
}

/// The parts of a circuit that a control may replace.
struct Parts {
    admit: fn(&mut Circuit, Instant) -> Result<Ticket, Duration>,
    answered: fn(&mut Circuit, Ticket),
    abandoned: fn(&mut Circuit, Ticket, Instant),
}

const SOUND: Parts =
    Parts { admit: Circuit::admit, answered: Circuit::answered, abandoned: Circuit::abandoned };

/// Plays it, and says what is wrong.
fn play(steps: &[Step], parts: &Parts) -> Result<(), String> {
    let mut now = Instant::now();
    let mut circuit = Circuit::new(FAILURES, PAUSE);
    let (mut seen, mut era) = (Seen::Well { failed: 0 }, 0);
    let mut calls: Vec<Call> = Vec::new();
    for step in steps {
        match step {
            Step::Call => {
                let admitted = (parts.admit)(&mut circuit, now);
                match (&mut seen, admitted) {
                    (Seen::Ill { asked: true, .. }, Ok(_)) => return Err("two ask at once".into()),
                    (Seen::Ill { since, .. }, Ok(_)) if now < *since => {
                        return Err("asked within the pause".into());
                    }
                    (Seen::Ill { asked, .. }, Ok(_)) => {
                        *asked = true;
                        era += 1;
                    }
                    (Seen::Well { .. }, Err(_)) => {
                        return Err("turned away from a store that is well".into());
                    }
                    (Seen::Ill { since, asked: false }, Err(_)) if now >= *since => {
                        return Err("nobody finds out".into());
                    }
                    (Seen::Ill { since, asked: false }, Err(wait)) if wait != *since - now => {
                        return Err(format!("told to wait {wait:?}"));
                    }
                    (Seen::Well { .. }, Ok(_)) | (Seen::Ill { .. }, Err(_)) => {}
                }
                calls.extend(admitted.map(|ticket| Call { ticket, era }));
            }
            Step::Pass(millis) => now += Duration::from_millis(*millis),
            _ if calls.is_empty() => {}
            Step::Answer(index) => {
                let call = calls.swap_remove(index % calls.len());
                (parts.answered)(&mut circuit, call.ticket);
                if call.era == era {
                    era += u64::from(matches!(seen, Seen::Ill { .. }));
                    seen = Seen::Well { failed: 0 };
                }
            }
            Step::Fail(index) => {
                let call = calls.swap_remove(index % calls.len());
                circuit.failed(call.ticket, now);
                if call.era == era {
                    let open = match &mut seen {
                        Seen::Well { failed } => {
                            *failed += 1;
                            *failed == FAILURES
                        }
                        Seen::Ill { .. } => true,
                    };
                    if open {
                        seen = Seen::Ill { since: now + PAUSE, asked: false };
                        era += 1;
                    }
                }
            }
            Step::Drop(index) => {
                let call = calls.swap_remove(index % calls.len());
                (parts.abandoned)(&mut circuit, call.ticket, now);
                if call.era == era && matches!(seen, Seen::Ill { .. }) {
                    seen = Seen::Ill { since: now, asked: false };
                    era += 1;
                }
            }
        }
        let state = match seen {
            Seen::Well { .. } => CircuitState::Closed,
            Seen::Ill { asked: false, .. } => CircuitState::Open,
            Seen::Ill { asked: true, .. } => CircuitState::Probing,
        };
        if circuit.state() != state {
            return Err(format!("it is {:?} and should be {state:?}", circuit.state()));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_store_that_fails_is_left_alone_and_then_asked_by_one(steps in steps()) {
        play(&steps, &SOUND).map_err(TestCaseError::fail)?;
    }
}

/// Three calls that fail, and a fourth that is under way.
fn opened() -> Vec<Step> {
    let calls = [Step::Call, Step::Call, Step::Call, Step::Call];
    calls.into_iter().chain([Step::Fail(0), Step::Fail(0), Step::Fail(0)]).collect()
}

fn and(more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    opened().into_iter().chain(more).collect()
}

#[test]
fn control_a_circuit_that_lets_all_in_after_the_pause_is_found_out() {
    let steps = and([Step::Pass(1_000), Step::Call, Step::Call]);
    play(&steps, &SOUND).unwrap();
    let admit = |circuit: &mut Circuit, now| {
        let ticket = circuit.admit(now);
        ticket.or(Ok(Ticket { term: circuit.term }))
    };
    assert_eq!(play(&steps, &Parts { admit, ..SOUND }).unwrap_err(), "two ask at once");
}

#[test]
fn control_a_late_answer_that_closes_it_is_found_out() {
    let steps = and([Step::Answer(0)]);
    play(&steps, &SOUND).unwrap();
    let answered = |circuit: &mut Circuit, _| circuit.become_(State::Closed { failed: 0 });
    assert_eq!(
        play(&steps, &Parts { answered, ..SOUND }).unwrap_err(),
        "it is Closed and should be Open"
    );
}

#[test]
fn control_a_dropped_probe_that_keeps_its_place_is_found_out() {
    let steps = and([Step::Drop(0), Step::Pass(1_000), Step::Call, Step::Drop(0), Step::Call]);
    play(&steps, &SOUND).unwrap();
    let abandoned = |_: &mut Circuit, _, _| {};
    assert_eq!(
        play(&steps, &Parts { abandoned, ..SOUND }).unwrap_err(),
        "it is Probing and should be Open"
    );
}

#[test]
fn an_answer_between_failures_begins_the_count_anew() {
    let now = Instant::now();
    let mut circuit = Circuit::new(2, PAUSE);
    let ticket = circuit.closed().unwrap();
    circuit.failed(ticket, now);
    circuit.answered(ticket);
    circuit.failed(ticket, now);
    assert_eq!(circuit.state(), CircuitState::Closed);
    circuit.failed(ticket, now);
    assert_eq!(circuit.state(), CircuitState::Open);
    assert_eq!((circuit.opened(), circuit.closed()), (1, None));
}

#[test]
fn a_count_of_no_failures_is_one_and_an_endless_pause_is_none() {
    let now = Instant::now();
    let mut circuit = Circuit::new(0, Duration::MAX);
    let ticket = circuit.admit(now).unwrap();
    circuit.failed(ticket, now);
    assert_eq!(circuit.state(), CircuitState::Open);
    assert!(circuit.admit(now).is_ok());
}
