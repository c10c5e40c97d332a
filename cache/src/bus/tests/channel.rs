//! Publishers on a channel that loses, repeats and reorders, one step at a time in an order that a
//! seed decides. Whenever a frame of a publisher arrives: every change that the publisher had
//! numbered up to there has been delivered, or something was reported as missed after it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use tokio::time::Instant;

use crate::bus::frame::read;
use crate::bus::hub::Hub;
use crate::bus::publisher::Publisher;
use crate::bus::rule::{Rule, without};
use crate::bus::{Change, Subscriber};

const SEEDS: u64 = 100;
const STEPS: usize = 400;
const SPACE: &str = "users:1:";
const BEAT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq)]
enum Restart {
    UnderANewName,
    UnderTheOldName,
}

/// What a receiver knows: what is delivered, and when something was last missed.
#[derive(Default)]
struct Receiver(Mutex<Known>);

#[derive(Default)]
struct Known {
    step: usize,
    delivered: BTreeMap<u64, ()>,
    missed_at: Option<usize>,
    missed: usize,
}

impl Subscriber for Receiver {
    fn changed(&self, change: &Change) {
        let Change::Key(key) = change else { return };
        let id = u64::from_be_bytes(key[..].try_into().unwrap());
        self.0.lock().unwrap().delivered.insert(id, ());
    }

    fn missed(&self) {
        let mut known = self.0.lock().unwrap();
        known.missed_at = Some(known.step);
        known.missed += 1;
    }
}

struct Process {
    publisher: Publisher,
    /// Each change by its number: which, and in which step it was published.
    published: BTreeMap<u64, (u64, usize)>,
}

struct World {
    rng: Rng,
    restart: Restart,
    step: usize,
    now: Instant,
    changes: u64,
    /// The frame and which process sent it.
    frames: Vec<(usize, Bytes)>,
    processes: Vec<Process>,
    living: Vec<usize>,
    hub: Hub,
    receiver: Arc<Receiver>,
}

impl World {
    fn new(seed: u64, restart: Restart) -> Self {
        let receiver = Arc::new(Receiver::default());
        let hub = Hub::new(0);
        hub.subscribe(SPACE, super::weak(&receiver));
        let process =
            || Process { publisher: Publisher::new(BEAT, 4_096), published: BTreeMap::new() };
        Self {
            rng: Rng::with_seed(seed),
            restart,
            step: 0,
            now: Instant::now(),
            changes: 0,
            frames: Vec::new(),
            processes: vec![process(), process(), process()],
            living: vec![0, 1, 2],
            hub,
            receiver,
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.step += 1;
        self.receiver.0.lock().unwrap().step = self.step;
        let slot = self.rng.usize(0..self.living.len());
        let at = self.living[slot];
        match self.rng.u32(0..100) {
            0..25 => self.publish(at),
            25..45 => {
                let beat = self.processes[at].publisher.beat();
                self.frames.push((at, beat));
            }
            45..50 => self.lose(),
            50..55 => {
                if let Some(copy) = self.any().map(|any| self.frames[any].clone()) {
                    self.frames.push(copy);
                }
            }
            55..58 => self.now += self.rng.u32(0..4) * BEAT,
            58..60 => self.hub.notice_silence(self.now),
            60..62 => self.replace(slot),
            _ => return self.arrive(),
        }
        Ok(())
    }

    fn publish(&mut self, at: usize) {
        self.changes += 1;
        let change = Change::Key(self.changes.to_be_bytes().to_vec().into());
        let process = &mut self.processes[at];
        for frame in process.publisher.changes(SPACE, &[change]).unwrap() {
            let number = read(&frame).unwrap().head.number;
            process.published.insert(number, (self.changes, self.step));
            self.frames.push((at, frame));
        }
    }

    /// A process ends, or dies without a word, and another one starts.
    fn replace(&mut self, slot: usize) {
        let old = self.living[slot];
        if self.rng.bool() {
            let farewell = self.processes[old].publisher.farewell();
            self.frames.push((old, farewell));
        }
        let publisher = match self.restart {
            Restart::UnderANewName => Publisher::new(BEAT, 4_096),
            Restart::UnderTheOldName => Publisher::named(self.processes[old].publisher.id(), BEAT),
        };
        self.processes.push(Process { publisher, published: BTreeMap::new() });
        self.living[slot] = self.processes.len() - 1;
    }

    fn any(&mut self) -> Option<usize> {
        (!self.frames.is_empty()).then(|| self.rng.usize(0..self.frames.len()))
    }

    fn lose(&mut self) {
        if let Some(any) = self.any() {
            self.frames.remove(any);
        }
    }

    fn arrive(&mut self) -> Result<(), String> {
        // Mostly in order.
        let any = if self.rng.u32(0..4) == 0 { self.any() } else { Some(0) };
        let Some((from, frame)) =
            any.filter(|_| !self.frames.is_empty()).map(|any| self.frames.remove(any))
        else {
            return Ok(());
        };
        let number = read(&frame).unwrap().head.number;
        self.hub.receive(&frame, self.now);
        let known = self.receiver.0.lock().unwrap();
        for (of, (change, published)) in self.processes[from].published.range(..=number) {
            let delivered = known.delivered.contains_key(change);
            let reported = known.missed_at.is_some_and(|missed| missed >= *published);
            if !delivered && !reported {
                let step = self.step;
                return Err(format!("step {step}: process {from} is at {number}, {of} is lost"));
            }
        }
        Ok(())
    }
}

fn run(seed: u64, restart: Restart) -> Result<Known, String> {
    let mut world = World::new(seed, restart);
    for _ in 0..STEPS {
        world.step().map_err(|fault| format!("seed {seed}, {fault}"))?;
    }
    let known = std::mem::take(&mut *world.receiver.0.lock().unwrap());
    Ok(known)
}

fn faults(restart: Restart) -> u64 {
    (0..SEEDS).map(|seed| u64::from(run(seed, restart).is_err())).sum()
}

#[test]
fn every_change_is_delivered_or_reported_as_missed() {
    let (mut delivered, mut missed) = (0, 0);
    for seed in 0..SEEDS {
        let known = run(seed, Restart::UnderANewName).unwrap_or_else(|fault| panic!("{fault}"));
        delivered += known.delivered.len();
        missed += known.missed;
    }
    // Else nothing was tried.
    assert!(delivered > 3_000 && missed > 300, "{delivered} delivered, {missed} missed");
}

#[test]
fn control_without_the_rule_on_gaps_losses_go_unnoticed() {
    assert!(without(Rule::Gap, || faults(Restart::UnderANewName)) > SEEDS / 2);
}

#[test]
fn control_without_heartbeats_numbers_losses_go_unnoticed() {
    assert!(without(Rule::Beat, || faults(Restart::UnderANewName)) > SEEDS / 2);
}

#[test]
fn control_with_strangers_taken_for_new_losses_go_unnoticed() {
    assert!(without(Rule::FirstContact, || faults(Restart::UnderANewName)) > 0);
}

#[test]
fn control_with_numbers_that_begin_anew_under_an_old_name_losses_go_unnoticed() {
    assert!(faults(Restart::UnderTheOldName) > 0);
}
