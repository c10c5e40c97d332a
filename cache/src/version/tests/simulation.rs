//! Loads, writes, invalidations of every kind, evictions and readers, one step at a time in an order
//! that a seed decides. After every step: no value is served that an acknowledged invalidation was
//! about.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::version::rule::{Rule, without};
use crate::version::{Captured, Stamp, Versions};

const SEEDS: u64 = 300;
const CONTROL_SEEDS: u64 = 300;
const STEPS: usize = 400;
const KEYS: u64 = 4;
const SLOTS: usize = 4;

/// Which value of a key: the number of writes before it.
type Value = u64;

/// A value's tags change with the value, so nobody knows them before it is loaded.
fn tags(key: u64, value: Value) -> Vec<u64> {
    vec![key % 2, 10 + value % 3]
}

const TAGS: [u64; 5] = [0, 1, 10, 11, 12];

#[derive(Clone, Copy, PartialEq)]
enum CaptureAt {
    BeforeTheRead,
    AfterTheRead,
}

struct Reader {
    came: usize,
    captured: Captured,
}

struct Flight {
    key: u64,
    captured: Captured,
    read: Option<Value>,
    /// The first is the leader.
    readers: Vec<Reader>,
}

#[derive(Clone, Copy)]
struct Put {
    key: u64,
    captured: Captured,
    written: Option<Value>,
}

struct World {
    rng: Rng,
    capture_at: CaptureAt,
    step: usize,
    versions: Versions,
    source: [Value; SLOTS],
    l1: BTreeMap<u64, (Value, Stamp)>,
    flights: Vec<Flight>,
    puts: Vec<Put>,
    /// Since which step a value of a key must not be served to readers that come.
    forbidden: BTreeMap<(u64, Value), usize>,
    served: usize,
    superseded: usize,
}

impl World {
    fn new(seed: u64, capture_at: CaptureAt) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            capture_at,
            step: 0,
            versions: Versions::new(),
            source: [0; SLOTS],
            l1: BTreeMap::new(),
            flights: Vec::new(),
            puts: Vec::new(),
            forbidden: BTreeMap::new(),
            served: 0,
            superseded: 0,
        }
    }

    fn source(&self, key: u64) -> Value {
        self.source[usize::try_from(key).unwrap()]
    }

    /// Everything older than the source that this concerns is acknowledged to be gone.
    fn acknowledge(&mut self, concerns: impl Fn(u64, Value) -> bool) {
        for key in 0..KEYS {
            for value in (0..self.source(key)).filter(|value| concerns(key, *value)) {
                self.forbidden.entry((key, value)).or_insert(self.step);
            }
        }
    }

    fn serve(&mut self, key: u64, value: Value, came: usize) -> Result<(), String> {
        self.served += 1;
        match self.forbidden.get(&(key, value)) {
            Some(since) if *since < came => Err(format!(
                "step {}: a reader of step {came} got value {value} of key {key}, gone since {since}",
                self.step
            )),
            _ => Ok(()),
        }
    }

    fn reader_comes(&mut self, key: u64) -> Result<(), String> {
        if let Some((value, stamp)) = self.l1.get(&key)
            && stamp.is_current(&self.versions)
        {
            return self.serve(key, *value, self.step);
        }
        let captured = self.versions.capture(key);
        let reader = Reader { came: self.step, captured };
        let versions = &self.versions;
        let mut flights = self.flights.iter_mut();
        match flights.find(|flight| flight.key == key && versions.may_join(&flight.captured)) {
            Some(flight) => flight.readers.push(reader),
            None => {
                let flight = Flight { key, captured, read: None, readers: vec![reader] };
                self.flights.push(flight);
            }
        }
        Ok(())
    }

    fn flight_goes_on(&mut self) -> Result<(), String> {
        if self.flights.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.usize(..self.flights.len());
        let key = self.flights[chosen].key;
        let Some(value) = self.flights[chosen].read else {
            self.flights[chosen].read = Some(self.source(key));
            return Ok(());
        };
        let flight = self.flights.swap_remove(chosen);
        let captured = match self.capture_at {
            CaptureAt::BeforeTheRead => flight.captured,
            CaptureAt::AfterTheRead => self.versions.capture(key),
        };
        let l1 = &mut self.l1;
        let insert = |stamp| l1.insert(key, (value, stamp));
        let kept = self.versions.publish(&captured, &tags(key, value), insert).is_ok();
        self.superseded += usize::from(!kept);
        for reader in flight.readers {
            if kept || flight.captured.serves(&reader.captured) {
                self.serve(key, value, reader.came)?;
            }
        }
        Ok(())
    }

    /// As a writer does that knows its value: capture, write, put. Others come in between.
    fn put_goes_on(&mut self, key: u64) {
        if self.puts.is_empty() || self.rng.u8(..4) == 0 {
            let captured = self.versions.capture(key);
            self.puts.push(Put { key, captured, written: None });
            return;
        }
        let chosen = self.rng.usize(..self.puts.len());
        let Put { key, captured, written } = self.puts[chosen];
        let Some(value) = written else {
            self.write(key);
            self.puts[chosen].written = Some(self.source(key));
            return;
        };
        self.puts.swap_remove(chosen);
        let l1 = &mut self.l1;
        self.versions.put(&captured, &tags(key, value), |stamp| match stamp {
            Ok(stamp) => l1.insert(key, (value, stamp)),
            Err(_) => l1.remove(&key),
        });
        self.acknowledge(|at, older| at == key && older < value);
    }

    fn write(&mut self, key: u64) {
        self.source[usize::try_from(key).unwrap()] += 1;
    }

    fn act(&mut self) -> Result<(), String> {
        let key = self.rng.u64(..KEYS);
        match self.rng.u8(..36) {
            0..=9 => return self.reader_comes(key),
            10..=21 => return self.flight_goes_on(),
            22..=24 => self.write(key),
            25 | 26 => {
                self.versions.invalidate(key, || self.l1.remove(&key));
                self.acknowledge(|at, _| at == key);
            }
            27 | 28 => {
                let tag = TAGS[self.rng.usize(..TAGS.len())];
                self.versions.bump_tag(tag);
                self.acknowledge(|key, value| tags(key, value).contains(&tag));
            }
            29 => {
                self.versions.clear();
                self.acknowledge(|_, _| true);
            }
            30..=34 => self.put_goes_on(key),
            _ => {
                self.l1.remove(&key);
                self.versions.forget_unused_tags();
            }
        }
        Ok(())
    }

    fn run(mut self) -> Result<Self, String> {
        while self.step < STEPS {
            self.step += 1;
            self.act()?;
            // A reader of each key comes and finds it in memory.
            self.step += 1;
            for key in 0..KEYS {
                if let Some((value, stamp)) = self.l1.get(&key)
                    && stamp.is_current(&self.versions)
                {
                    self.serve(key, *value, self.step)?;
                }
            }
        }
        Ok(self)
    }
}

#[test]
fn after_an_acknowledged_invalidation_no_older_value_is_served() {
    let (mut served, mut superseded) = (0, 0);
    for seed in 0..SEEDS {
        match World::new(seed, CaptureAt::BeforeTheRead).run() {
            Ok(world) => {
                served += world.served;
                superseded += world.superseded;
            }
            Err(fault) => panic!("seed {seed}: {fault}"),
        }
    }
    // It did meet what it is about.
    assert!(served > 10_000 && superseded > 1000, "{served} served, {superseded} superseded");
}

#[test]
fn control_each_safeguard_off_is_caught() {
    for rule in
        [Rule::KeyFloor, Rule::Epoch, Rule::TagCell, Rule::TagFloor, Rule::HeldCell, Rule::Share]
    {
        let caught = (0..CONTROL_SEEDS).any(|seed| {
            without(rule, || World::new(seed, CaptureAt::BeforeTheRead).run().is_err())
        });
        assert!(caught, "{rule:?} off: no seed found anything");
    }
}

#[test]
fn control_a_capture_after_the_read_is_caught() {
    let caught =
        (0..CONTROL_SEEDS).any(|seed| World::new(seed, CaptureAt::AfterTheRead).run().is_err());
    assert!(caught);
}
