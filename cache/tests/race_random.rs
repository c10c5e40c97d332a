//! Two nodes, a second level and a bus, and tasks that read and write in every way there is, in an order
//! that a seed decides: every read has a value that is at least as new as the last write that was
//! acknowledged on its node before it started.
//!
//! `TERRACE_SEED=… cargo test --test race_random` plays one seed.

#[path = "race/checker.rs"]
mod checker;
#[path = "race/shaky.rs"]
mod shaky;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use terrace_cache::bus::Local;
use terrace_cache::codec::Json;
use terrace_cache::freshness::Freshness;
use terrace_cache::store::Memory;
use terrace_cache::tag::{Tag, row};
use terrace_cache::{BoxError, Cache, Cached, LoadCx};
use tokio::runtime;
use tokio::task::yield_now;

use self::checker::{Checker, KEYS, NODES};
use self::shaky::{Chance, Shaky};

const FIRST: u64 = 0x7E44_ACE0;
const SEEDS: usize = 60;
const TASKS: usize = 4;
const STEPS: usize = 80;

/// What is wrong on purpose.
#[derive(Clone, Copy, PartialEq)]
enum Mutant {
    None,
    /// Writers invalidate before they change the source.
    TooEarly,
    /// The second level takes values for which there is no lease any more.
    NoLease,
    /// Nobody is told of anything, and it is asked for as if they were.
    NoBus,
}

struct Run {
    mutant: Mutant,
    chance: Chance,
    checker: Checker,
    local: Local,
    /// Whether messages may be held.
    holds: bool,
    /// Whether what is not held has reached the others when it is acknowledged. With threads it has
    /// not: one thread may be delivering what another one has sent.
    told: bool,
    nodes: Vec<Cache<u64, u64>>,
}

impl Run {
    fn new(chance: Chance, mutant: Mutant) -> Self {
        // The shorter one is over before many a load is.
        let max_age = Duration::from_millis(250 + chance.below(2) * 650);
        let checker = Checker::new(max_age);
        let store = matches!(mutant, Mutant::NoLease | Mutant::NoBus) || !chance.once_in(4);
        let bus = match mutant {
            // With neither, each takes itself for alone, and nothing is promised between them.
            Mutant::None => !store || !chance.once_in(3),
            Mutant::NoBus => false,
            Mutant::TooEarly | Mutant::NoLease => true,
        };
        let told = (bus || mutant == Mutant::NoBus) && chance.sleeps();
        let memory = Shaky {
            inner: Memory::new(),
            chance: chance.clone(),
            forces: mutant == Mutant::NoLease,
        };
        let local = Local::new();
        let freshness = freshness(&chance).l1_max_age(max_age);
        let node = |seed: u64| {
            let state = (chance.clone(), checker.clone());
            let mut builder = Cache::builder("races")
                .seed(seed)
                .capacity(2)
                .freshness(freshness.clone())
                .loader(state, load);
            if store {
                builder = builder.store(memory.clone(), Json);
            }
            if bus {
                builder = builder.bus(Arc::new(local.node()));
            }
            builder.build().unwrap()
        };
        let nodes = (0..NODES as u64).map(node).collect();
        let holds = mutant == Mutant::None && chance.once_in(2);
        Self { mutant, chance, checker, local, holds, told, nodes }
    }

    async fn play(self: &Arc<Self>) {
        let task = |node| {
            let run = Arc::clone(self);
            tokio::spawn(async move { run.task(node).await })
        };
        let all = join_all((0..NODES * TASKS).map(|n| task(n % NODES)).collect::<Vec<_>>());
        let bus = self.delays();
        tokio::select! {
            biased;
            ended = all => ended.into_iter().for_each(|ended| ended.unwrap()),
            () = bus => {}
        }
    }

    /// Holds messages for a while, again and again.
    async fn delays(&self) {
        loop {
            self.chance.pause().await;
            if self.holds {
                self.local.hold();
            }
            self.chance.pause().await;
            self.chance.pause().await;
            match self.told {
                true => self.checker.deliver(|| self.local.release()),
                false => self.local.release(),
            }
            yield_now().await;
        }
    }

    async fn task(&self, node: usize) {
        for _ in 0..STEPS {
            self.chance.pause().await;
            let key = self.key();
            match self.chance.below(20) {
                0..8 => self.get(node, key).await,
                8..10 => self.get_many(node).await,
                10 => self.own(node, key).await,
                11 => self.leave(node, key).await,
                12 => self.abandon(node, key).await,
                13 | 14 => self.put(node, key).await,
                15..18 => self.write(node, &[key]).await,
                18 => self.write(node, &[key % 2, key % 2 + 2]).await,
                _ => self.write(node, &[0, 1, 2, 3]).await,
            }
        }
    }

    fn key(&self) -> u64 {
        self.chance.below(KEYS as u64)
    }

    async fn get(&self, node: usize, key: u64) {
        let started = self.checker.start(node, key);
        let cached = self.nodes[node].get(&key).await;
        self.look(&started, cached);
    }

    async fn own(&self, node: usize, key: u64) {
        let started = self.checker.start(node, key);
        let state = (self.chance.clone(), self.checker.clone());
        let cached = self.nodes[node].get_or_load(&key, move |cx| load(state, key, cx)).await;
        self.look(&started, cached);
    }

    async fn get_many(&self, node: usize) {
        let keys = [self.key(), self.key(), self.key()];
        let started = keys.map(|key| self.checker.start(node, key));
        let all = self.nodes[node].get_many(&keys).await;
        started.iter().zip(all).for_each(|(started, cached)| self.look(started, cached));
    }

    /// A reader that does not wait for the end.
    async fn leave(&self, node: usize, key: u64) {
        tokio::select! {
            biased;
            _ = self.nodes[node].get(&key) => {}
            () = self.chance.pause() => {}
        }
    }

    /// A writer that does not wait for the end: never acknowledged.
    async fn abandon(&self, node: usize, key: u64) {
        let (tags, write) = (tags(key), self.change(key));
        tokio::select! {
            biased;
            _ = self.nodes[node].put_through_tagged(&key, &tags, write) => {}
            () = self.chance.pause() => {}
        }
    }

    async fn put(&self, node: usize, key: u64) {
        let put = self.nodes[node].put_through_tagged(&key, &tags(key), self.change(key)).await;
        if let Ok(Some(value)) = put.map(|cached| *cached) {
            self.acknowledge(node, &[(key, value)]);
        }
    }

    /// A write that takes a while, and may fail before it was done or after.
    async fn change(&self, key: u64) -> Result<Option<u64>, BoxError> {
        self.chance.pause().await;
        if self.chance.once_in(10) {
            return Err("not written".into());
        }
        let value = self.checker.change(key);
        self.chance.pause().await;
        match self.chance.once_in(10) {
            true => Err("written, but who knows".into()),
            false => Ok(Some(value)),
        }
    }

    async fn write(&self, node: usize, keys: &[u64]) {
        if self.mutant == Mutant::TooEarly {
            let _ = self.tell(node, keys).await;
        }
        self.chance.pause().await;
        let written: Vec<_> = keys.iter().map(|key| (*key, self.checker.change(*key))).collect();
        if self.mutant == Mutant::TooEarly || self.tell(node, keys).await {
            self.acknowledge(node, &written);
        }
    }

    async fn tell(&self, node: usize, keys: &[u64]) -> bool {
        let cache = &self.nodes[node];
        match *keys {
            [key] if self.chance.once_in(3) => cache.invalidate_tag(row("numbers", key)).await,
            [key] => cache.invalidate(&key).await,
            [key, _] => cache.invalidate_tag(Tag::new(("half", key % 2))).await,
            _ => cache.clear().await,
        }
        .is_ok()
    }

    fn acknowledge(&self, node: usize, written: &[(u64, u64)]) {
        self.checker.acknowledge(node, written, self.told && !self.holds);
    }

    fn look<E>(&self, started: &checker::Started, cached: Result<Cached<u64>, E>) {
        if let Ok(cached) = cached
            && let Some(value) = *cached
        {
            self.checker.end(started, value, cached.status().as_str());
        }
    }
}

fn tags(key: u64) -> [Tag; 2] {
    [row("numbers", key), Tag::new(("half", key % 2))]
}

/// Values that get old soon, and loads that are given up soon, so that all of it happens.
fn freshness(chance: &Chance) -> Freshness {
    let ms = Duration::from_millis;
    let stale = ms(1 + chance.below(2) * 300);
    Freshness::default()
        .ttl(ms(300 + chance.below(500)))
        .stale_while_revalidate(stale)
        .stale_if_error(ms(400))
        .soft_timeout(ms(100))
        .hard_timeout(ms(1_000))
        .error_backoff(ms(20), ms(100))
}

async fn load(
    (chance, checker): (Chance, Checker),
    key: u64,
    cx: LoadCx<u64>,
) -> Result<Option<u64>, BoxError> {
    chance.pause().await;
    let value = checker.value(key);
    chance.pause().await;
    if chance.once_in(8) {
        chance.doze().await;
    }
    tags(key).into_iter().for_each(|tag| cx.tag(tag));
    match chance.below(20) {
        0 => return Err("not today".into()),
        1 => cx.do_not_store(),
        2 => cx.ttl(Duration::from_millis(50)),
        _ => {}
    }
    Ok(Some(value))
}

/// How many reads were looked at, and what was wrong.
fn play(seed: u64, mutant: Mutant) -> (u64, Vec<String>) {
    let runtime =
        runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(verdict(Chance::new(seed), mutant))
}

async fn verdict(chance: Chance, mutant: Mutant) -> (u64, Vec<String>) {
    let run = Arc::new(Run::new(chance, mutant));
    run.play().await;
    run.checker.verdict()
}

fn given() -> Option<u64> {
    std::env::var("TERRACE_SEED").ok().and_then(|seed| seed.parse().ok())
}

#[test]
fn whatever_the_order_no_read_is_older_than_the_last_write_before_it() {
    let seeds: Vec<u64> = match given() {
        Some(seed) => vec![seed],
        None => (FIRST..).take(SEEDS).collect(),
    };
    println!("TERRACE_SEED={} and the {} after it", seeds[0], seeds.len() - 1);
    let mut reads = 0;
    for seed in seeds {
        let (looked_at, faults) = play(seed, Mutant::None);
        assert_eq!(faults, [""; 0], "TERRACE_SEED={seed}");
        reads += looked_at;
    }
    println!("{reads} reads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_threads_no_read_is_older_than_the_last_write_before_it() {
    let first = given().unwrap_or(FIRST);
    // Who runs when is not the seed's to say, but what is tried is.
    println!("TERRACE_SEED={first}");
    let mut reads = 0;
    for seed in (first..).take(8) {
        let (looked_at, faults) = verdict(Chance::without_time(seed), Mutant::None).await;
        assert_eq!(faults, [""; 0], "TERRACE_SEED={seed}");
        reads += looked_at;
    }
    println!("{reads} reads");
}

fn must_be_seen(mutant: Mutant) {
    let mut seeds = (given().unwrap_or(FIRST)..).take(40);
    let seen = seeds.find(|seed| !play(*seed, mutant).1.is_empty());
    println!("seen with TERRACE_SEED={seen:?}");
    assert!(seen.is_some(), "the fault was not seen");
}

#[test]
fn control_who_invalidates_before_the_write_is_found_out() {
    must_be_seen(Mutant::TooEarly);
}

#[test]
fn control_a_store_that_fills_without_a_lease_is_found_out() {
    must_be_seen(Mutant::NoLease);
}

#[test]
fn control_nodes_that_are_told_nothing_are_found_out() {
    must_be_seen(Mutant::NoBus);
}
