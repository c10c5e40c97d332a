//! Anything that can happen to a body, in any order, beside a plain account of what must come of it.

use std::task::{Poll, Waker};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::*;
use crate::content::{Budget, Incomplete, State};

/// Small enough for its edges to be met all the time.
const CHUNK: usize = 8;
const KEEP: u64 = 60;
const HALF: u64 = 16;

type Checked = Result<(), TestCaseError>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Open { from: u64, span: Option<u64> },
    Read { reader: usize },
    Leave { reader: usize },
    Push { bytes: u64 },
    Finish,
    Fail,
    Abandon,
}

#[derive(Clone, Copy, Debug)]
struct Setting {
    length: Option<u64>,
    keep: u64,
    budget: Option<u64>,
}

/// How the fill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Failed,
    Aborted,
    TooLong,
    Wrong(Incomplete),
}

struct Reader {
    cursor: Cursor,
    at: u64,
    until: Option<u64>,
    bell: Arc<Bell>,
    /// How often the bell had rung when it began to wait.
    waits: Option<usize>,
    over: bool,
}

struct World {
    setting: Setting,
    budget: Option<Arc<Budget>>,
    filler: Option<Filler>,
    content: Arc<Content>,
    rest: Bytes,
    bell: Arc<Bell>,
    waits: Option<usize>,
    readers: Vec<Reader>,
    /// How far anybody has read of a window.
    lead: u64,
    /// How far a reader far ahead may have driven the window.
    driven: u64,
    end: Option<End>,
}

impl World {
    fn new(setting: Setting) -> Self {
        let budget = setting.budget.map(Budget::new);
        let Setting { length, keep, .. } = setting;
        let expect = Expect { length, keep, window: 2 * HALF, budget: budget.clone() };
        let (filler, content) = Content::filling_by(expect, CHUNK);
        Self {
            setting,
            budget,
            filler: Some(filler),
            content,
            rest: Bytes::new(),
            bell: Arc::default(),
            waits: None,
            readers: Vec::new(),
            lead: 0,
            driven: 0,
            end: None,
        }
    }

    fn step(&mut self, step: Step) -> Checked {
        match step {
            Step::Open { from, span } => self.open(from, span),
            Step::Read { reader } if !self.readers.is_empty() => {
                self.read(reader % self.readers.len())?;
            }
            Step::Leave { reader } if !self.readers.is_empty() => {
                self.readers.swap_remove(reader % self.readers.len());
            }
            Step::Push { bytes } => self.push(bytes)?,
            Step::Finish if self.rest.is_empty() => self.finish()?,
            Step::Fail => {
                if let Some(filler) = self.filler.take() {
                    filler.fail(Arc::new(std::io::Error::other("broken")));
                    self.end = Some(End::Failed);
                }
            }
            Step::Abandon => {
                if self.filler.take().is_some() {
                    self.end = Some(End::Aborted);
                }
            }
            Step::Read { .. } | Step::Leave { .. } | Step::Finish => {}
        }
        self.check()
    }

    fn length(&self) -> Option<u64> {
        match self.end {
            Some(End::Whole) => Some(self.content.received()),
            _ => self.setting.length,
        }
    }

    fn open(&mut self, from: u64, span: Option<u64>) {
        let until = span.map(|span| from + span);
        let cursor = self.content.cursor(from, until);
        let until = until.or(self.length()).map(|until| until.max(from));
        let reader =
            Reader { cursor, at: from, until, bell: Arc::default(), waits: None, over: false };
        self.readers.push(reader);
    }

    fn start(&self) -> u64 {
        self.content.live().as_ref().map_or(0, |live| live.chunks.start())
    }

    /// Where those are who are not behind the window and still want something.
    fn fastest(&self) -> Option<u64> {
        let start = self.start();
        let reads = |reader: &&Reader| {
            !reader.over && reader.at >= start && reader.until.is_none_or(|until| reader.at < until)
        };
        self.readers.iter().filter(reads).map(|reader| reader.at).max()
    }

    fn push(&mut self, bytes: u64) -> Checked {
        let Some(filler) = &mut self.filler else { return Ok(()) };
        let before = self.content.received();
        if self.rest.is_empty() {
            self.rest = Bytes::from(body(before..before + bytes));
        }
        let end = before + self.rest.len() as u64;
        let waker = Waker::from(Arc::clone(&self.bell));
        let rings = self.bell.rings();
        let pushed = filler.poll_push(&mut Context::from_waker(&waker), &mut self.rest);
        self.waits = pushed.is_pending().then_some(rings);
        let received = self.content.received();
        let (state, fastest) = (self.content.state(), self.fastest());
        match pushed {
            Poll::Ready(Ok(())) => prop_assert_eq!(received, end),
            Poll::Pending => {
                prop_assert_eq!(state, State::Windowed);
                prop_assert!(self.is_held_up(), "it waits for nothing");
            }
            Poll::Ready(Err(PushError::TooLong)) => {
                prop_assert!(self.setting.length.is_some_and(|length| length < end));
                self.end = Some(End::TooLong);
            }
            Poll::Ready(Err(PushError::Gone)) => {
                prop_assert_eq!(fastest, None);
                self.end = Some(End::Aborted);
            }
        }
        if state == State::Windowed {
            let fastest = fastest.unwrap_or(0);
            let most = (fastest + HALF).max(before).max(self.setting.keep);
            prop_assert!(received <= most, "{received} is too far ahead of {fastest}");
            self.driven = self.driven.max(fastest.min(received));
        }
        if self.end.is_some() {
            self.filler = None;
            self.rest = Bytes::new();
        }
        Ok(())
    }

    /// Whether the filler has a reason to wait.
    fn is_held_up(&self) -> bool {
        let received = self.content.received();
        let room = CHUNK as u64 - received % CHUNK as u64;
        let next = received + room.min(self.rest.len() as u64);
        self.fastest().is_some_and(|fastest| {
            fastest + HALF < next || (self.budget.is_some() && fastest < received)
        })
    }

    fn finish(&mut self) -> Checked {
        let Some(filler) = self.filler.take() else { return Ok(()) };
        let received = self.content.received();
        self.end = Some(match (filler.finish(), self.setting.length) {
            (Err(wrong), Some(expected)) => {
                prop_assert_eq!(wrong, Incomplete { expected, got: received });
                prop_assert_ne!(expected, received);
                End::Wrong(wrong)
            }
            (finished, length) => {
                prop_assert_eq!(finished, Ok(length.unwrap_or(received)));
                prop_assert_eq!(finished, Ok(received));
                End::Whole
            }
        });
        Ok(())
    }

    fn read(&mut self, reader: usize) -> Checked {
        let (received, start) = (self.content.received(), self.start());
        let lead = self.lead.max(self.driven);
        let reader = &mut self.readers[reader];
        let hint = reader.cursor.size_hint().exact();
        if let (Some(until), false) = (reader.until, reader.over) {
            prop_assert_eq!(hint, Some(until - reader.at));
        }
        let ended_before = reader.cursor.is_end_stream();
        let waker = Waker::from(Arc::clone(&reader.bell));
        let rings = reader.bell.rings();
        let frame = poll_with(&mut reader.cursor, &waker);
        reader.waits = frame.is_pending().then_some(rings);
        let at = reader.at;
        let wants = reader.until.is_none_or(|until| at < until) && !reader.over;
        match frame {
            Poll::Ready(Some(Ok(bytes))) => {
                prop_assert!(wants && !ended_before && (1..=CHUNK).contains(&bytes.len()));
                reader.at += bytes.len() as u64;
                prop_assert_eq!(&bytes[..], &body(at..reader.at)[..]);
                prop_assert!(reader.at <= reader.until.unwrap_or(received).min(received));
                if self.content.live().as_ref().is_some_and(|live| live.window) {
                    self.lead = self.lead.max(reader.at);
                }
            }
            Poll::Pending => {
                prop_assert!(wants && at >= received && self.end.is_none(), "there was something");
            }
            Poll::Ready(None) => {
                let complete = self.end == Some(End::Whole) && at == received;
                let to_its_end = complete && reader.until.is_none();
                prop_assert!(!wants || to_its_end, "a clean end at {at} with {:?}", self.end);
                reader.over = true;
            }
            Poll::Ready(Some(Err(error))) => {
                prop_assert!(wants && !ended_before);
                reader.over = true;
                let missing = reader.until.unwrap_or(at).max(at);
                let fits = match (&error, self.end) {
                    (BodyError::FellBehind, _) => {
                        at < start && (self.budget.is_some() || at + HALF < lead)
                    }
                    _ if at < received => false,
                    (BodyError::Origin(_), Some(End::Failed))
                    | (BodyError::Aborted, Some(End::Aborted))
                    | (BodyError::TooLong, Some(End::TooLong)) => true,
                    (BodyError::Incomplete { expected, got }, Some(End::Wrong(wrong))) => {
                        (*expected, *got) == (wrong.expected, wrong.got)
                    }
                    (BodyError::Incomplete { expected, got }, Some(End::Whole)) => {
                        *expected == missing && *got == received && missing > received
                    }
                    _ => false,
                };
                prop_assert!(fits, "{error} at {at} with {:?}", self.end);
            }
        }
        Ok(())
    }

    /// What holds at any time.
    fn check(&self) -> Checked {
        let received = self.content.received();
        for Reader { at, waits, bell, .. } in &self.readers {
            let due = *at < received || self.end.is_some();
            let rung = waits.is_none_or(|rings| bell.rings() > rings);
            prop_assert!(!due || rung, "a reader at {at} of {received} sleeps on");
        }
        let rung = self.waits.is_none_or(|rings| self.bell.rings() > rings);
        let sleeps = self.filler.is_some() && !rung && !self.is_held_up();
        prop_assert!(!sleeps, "the filler sleeps on");

        let state = self.content.state();
        match self.end {
            None => prop_assert!(matches!(state, State::Filling | State::Windowed)),
            Some(End::Whole) => prop_assert!(matches!(state, State::Whole | State::Windowed)),
            Some(_) => prop_assert_eq!(state, State::Failed),
        }
        if state == State::Filling {
            prop_assert!(received <= self.setting.keep);
        }
        if let Some(bytes) = self.content.to_bytes() {
            prop_assert_eq!(self.end, Some(End::Whole));
            prop_assert_eq!(&bytes[..], &body(0..received)[..]);
        }
        if let Some(live) = &*self.content.live() {
            let kept = self.setting.keep.max(2 * HALF + CHUNK as u64);
            prop_assert!(live.chunks.kept() <= kept, "{} bytes are kept", live.chunks.kept());
        }
        if let Some(budget) = &self.budget {
            prop_assert!(budget.used() <= budget.limit() + CHUNK as u64);
        }
        let counted = self.readers.iter().filter(|reader| !reader.over).count();
        prop_assert!(self.content.readers() <= counted);
        Ok(())
    }
}

/// Lets all this happen, then reads to the end whatever can still be read.
fn play(setting: Setting, steps: &[Step]) -> Checked {
    let mut world = World::new(setting);
    for step in steps {
        world.step(*step)?;
    }
    world.step(Step::Finish)?;
    world.step(Step::Abandon)?;
    for reader in 0..world.readers.len() {
        while !world.readers[reader].over {
            world.read(reader)?;
        }
    }
    prop_assert!(world.content.readers() == 0, "somebody is left");
    let budget = world.budget.clone();
    drop(world);
    prop_assert_eq!(budget.map_or(0, |budget| budget.used()), 0);
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let span = prop_oneof![3 => Just(None), 1 => (0..60_u64).prop_map(Some)];
    let reader = 0..8_usize;
    let step = prop_oneof![
        3 => (0..30_u64, span).prop_map(|(from, span)| Step::Open { from, span }),
        1 => (100..200_u64).prop_map(|from| Step::Open { from, span: None }),
        20 => reader.clone().prop_map(|reader| Step::Read { reader }),
        2 => reader.prop_map(|reader| Step::Leave { reader }),
        10 => (1..20_u64).prop_map(|bytes| Step::Push { bytes }),
        1 => prop_oneof![Just(Step::Finish), Just(Step::Fail), Just(Step::Abandon)],
    ];
    proptest::collection::vec(step, 1..120)
}

fn settings() -> impl Strategy<Value = Setting> {
    let length = proptest::option::of(0..150_u64);
    let keep = prop_oneof![Just(0), Just(KEEP), Just(1000)];
    let budget = prop_oneof![2 => Just(None), 1 => (0..100_u64).prop_map(Some)];
    (length, keep, budget).prop_map(|(length, keep, budget)| Setting { length, keep, budget })
}

proptest! {
    #![proptest_config(Config::with_cases(500))]

    #[test]
    fn whatever_happens_readers_get_the_body_or_an_error(
        setting in settings(),
        steps in steps(),
    ) {
        play(setting, &steps)?;
    }
}

/// Whether the account above finds out that a safeguard is missing.
fn is_missed(rule: Rule) -> bool {
    let config = Config { failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let rng = TestRunner::deterministic().new_rng();
    let mut runner = TestRunner::new_with_rng(Config { cases: 20_000, ..config }, rng);
    let played = runner
        .run(&(settings(), steps()), |(setting, steps)| without(rule, || play(setting, &steps)));
    matches!(played, Err(TestError::Fail(..)))
}

#[test]
fn control_each_missing_safeguard_is_found_out() {
    let rules = [
        Rule::Wake,
        Rule::Leave,
        Rule::Fastest,
        Rule::Pace,
        Rule::Forget,
        Rule::Behind,
        Rule::Length,
        Rule::Abort,
        Rule::Budget,
    ];
    for rule in rules {
        assert!(is_missed(rule), "{rule:?} is not");
    }
}
