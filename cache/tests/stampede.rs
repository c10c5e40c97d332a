//! The stampede matrix: fifty readers a process, one process or three, and whatever may be wrong with
//! the key, its loader and the second level. How often the source is asked, and how long the slowest
//! reader waits.
//!
//! The processes are caches over one store in memory, on paused time: the numbers are exact. The same
//! over a real Redis is in `live_stampede.rs`.

#[path = "stampede/unwell.rs"]
mod unwell;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use terrace_cache::codec::Json;
use terrace_cache::freshness::Freshness;
use terrace_cache::store::Memory;
use terrace_cache::{BoxError, Cache};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use self::unwell::{BUDGET, Unwell};

const READERS: usize = 50;
const KEY: u64 = 1;
/// What a load takes.
const LOAD: Duration = ms(40);
const TTL: Duration = Duration::from_secs(1);
const HARD: Duration = Duration::from_secs(5);
/// Who waits for another process's load looks after 10, 30, 70, 150, 310 ms, and then every 250.
const SEEN: Duration = ms(70);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Cold,
    Stale,
    Expired,
    Invalidated,
    Error,
    Panic,
    CancelledLeader,
    SlowStore,
    DeadStore,
    EmptyStore,
    LeaseHolderKilled,
}

impl Case {
    const ALL: [Self; 11] = [
        Self::Cold,
        Self::Stale,
        Self::Expired,
        Self::Invalidated,
        Self::Error,
        Self::Panic,
        Self::CancelledLeader,
        Self::SlowStore,
        Self::DeadStore,
        Self::EmptyStore,
        Self::LeaseHolderKilled,
    ];

    /// How many loads there are among so many processes, how long a reader waits at most, and why.
    fn expected(self, processes: usize) -> (usize, Duration, &'static str) {
        // One process waits for nobody's lease.
        let shared = if processes == 1 { LOAD } else { SEEN };
        match self {
            Self::Cold => (1, shared, "one wins the lease, the others wait for its value"),
            Self::Stale => (1, Duration::ZERO, "all get the stale value, one refreshes"),
            Self::Expired | Self::Invalidated | Self::EmptyStore => (1, shared, "as cold"),
            Self::Error | Self::Panic => {
                // Each finds the lease free at one of its looks: 0 + 40, 70 + 40, 150 + 40.
                let worst = if processes == 1 { LOAD } else { ms(190) };
                (processes, worst, "one a process: a failure is not shared between them")
            }
            Self::CancelledLeader => (1, shared, "the load goes on without its first reader"),
            // It is read, asked for a lease, loaded; the others look a second time after 10 + 60 ms.
            Self::SlowStore => match processes {
                1 => (1, ms(100), "30 ms a call: read, lease, load"),
                _ => (1, ms(350), "30 ms a call, until the value is there"),
            },
            Self::DeadStore => (processes, BUDGET + LOAD, "one a process, after the budget"),
            Self::LeaseHolderKilled => {
                (processes, HARD / 2 + ms(250) + LOAD, "one a process, after half of hard_timeout")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Loader {
    #[default]
    Answers,
    Fails,
    Panics,
    NeverEnds,
}

struct Lab {
    store: Unwell<Memory>,
    loads: Arc<AtomicUsize>,
}

struct Storm {
    loads: usize,
    worst: Duration,
    values: usize,
    errors: usize,
}

type Reader = JoinHandle<(Duration, Result<(), String>)>;

impl Lab {
    fn new() -> Self {
        Self { store: Unwell::new(Memory::new()), loads: Arc::default() }
    }

    fn process(&self, loader: Loader) -> Cache<u64, u64> {
        let builder = self.builder(loader);
        builder.store(self.store.clone(), Json).build().unwrap()
    }

    fn builder(&self, loader: Loader) -> terrace_cache::Builder<u64, u64> {
        let freshness = Freshness::default()
            .ttl(TTL)
            .jitter(0.0)
            .early_refresh(0.0)
            .stale_while_revalidate(TTL)
            .hard_timeout(HARD);
        let loads = Arc::clone(&self.loads);
        Cache::builder("stampede").seed(1).freshness(freshness).loader(
            loads,
            move |loads, _, _| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                sleep(LOAD).await;
                match loader {
                    Loader::Answers => Ok::<_, BoxError>(Some(1)),
                    Loader::Fails => Err("the source is away".into()),
                    Loader::Panics => panic!("the loader was told to"),
                    Loader::NeverEnds => std::future::pending().await,
                }
            },
        )
    }

    async fn storm(&self, processes: &[Cache<u64, u64>]) -> Storm {
        let readers = processes.iter().flat_map(readers).collect();
        self.ends(readers).await
    }

    async fn ends(&self, readers: Vec<Reader>) -> Storm {
        let ended: Vec<_> = join_all(readers).await.into_iter().flatten().collect();
        // What goes on in the background.
        sleep(ms(500)).await;
        Storm {
            loads: self.loads.swap(0, Ordering::SeqCst),
            worst: ended.iter().map(|(took, _)| *took).max().unwrap_or_default(),
            values: ended.iter().filter(|(_, answer)| answer.is_ok()).count(),
            errors: ended.iter().filter(|(_, answer)| answer.is_err()).count(),
        }
    }
}

fn readers(cache: &Cache<u64, u64>) -> Vec<Reader> {
    let reader = |_| {
        let cache = cache.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            let answer = cache.get(&KEY).await;
            let took = Instant::now().saturating_duration_since(began);
            (took, answer.map(|cached| assert_eq!(*cached, Some(1))).map_err(|e| e.to_string()))
        })
    };
    (0..READERS).map(reader).collect()
}

async fn play(case: Case, processes: usize) -> Storm {
    let lab = Lab::new();
    let loader = match case {
        Case::Error => Loader::Fails,
        Case::Panic => Loader::Panics,
        _ => Loader::Answers,
    };
    let caches: Vec<_> = (0..processes).map(|_| lab.process(loader)).collect();
    if matches!(case, Case::Stale | Case::Expired | Case::Invalidated | Case::EmptyStore) {
        let warm = lab.storm(&caches).await;
        assert_eq!(warm.loads, 1, "{case:?}");
    }
    match case {
        Case::Stale => sleep(TTL).await,
        Case::Expired => sleep(TTL * 3).await,
        Case::Invalidated => {
            for cache in &caches {
                cache.invalidate(&KEY).await.unwrap();
            }
        }
        Case::SlowStore => lab.store.slow(ms(30)),
        Case::DeadStore => lab.store.die(),
        Case::EmptyStore => {
            // It lost everything, and these are new processes.
            lab.process(loader).clear().await.unwrap();
            let caches: Vec<_> = (0..processes).map(|_| lab.process(loader)).collect();
            return lab.storm(&caches).await;
        }
        Case::LeaseHolderKilled => {
            let holder = lab.process(Loader::NeverEnds);
            drop(tokio::spawn(async move { holder.get(&KEY).await }));
            sleep(ms(1)).await;
            assert_eq!(lab.loads.swap(0, Ordering::SeqCst), 1);
        }
        Case::CancelledLeader => {
            let first = caches[0].clone();
            let leader = tokio::spawn(async move { first.get(&KEY).await });
            while lab.loads.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            let readers = caches.iter().flat_map(readers).collect();
            leader.abort();
            assert!(leader.await.unwrap_err().is_cancelled());
            return lab.ends(readers).await;
        }
        Case::Cold | Case::Error | Case::Panic => {}
    }
    lab.storm(&caches).await
}

#[tokio::test(start_paused = true)]
async fn fifty_readers_a_process_ask_the_source_as_often_as_stated_and_wait_no_longer() {
    println!("case              | processes | loads | worst wait | why");
    for case in Case::ALL {
        for processes in [1, 3] {
            let (loads, bound, why) = case.expected(processes);
            let storm = play(case, processes).await;
            let name = format!("{case:?}");
            println!(
                "{name:<17} | {processes:>9} | {:>5} | {:>10?} | {why}",
                storm.loads, storm.worst
            );
            assert_eq!(storm.loads, loads, "{case:?}, {processes} processes: {why}");
            assert!(storm.worst <= bound, "{case:?}, {processes}: {:?} > {bound:?}", storm.worst);
            let all = READERS * processes;
            let wanted =
                if matches!(case, Case::Error | Case::Panic) { (0, all) } else { (all, 0) };
            assert_eq!((storm.values, storm.errors), wanted, "{case:?}, {processes} processes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn control_a_cache_for_each_reader_is_a_load_for_each_reader() {
    let lab = Lab::new();
    let caches: Vec<_> =
        (0..READERS).map(|_| lab.builder(Loader::Answers).build().unwrap()).collect();
    let reads = caches.iter().map(|cache| cache.get(&KEY));
    assert!(join_all(reads).await.iter().all(Result::is_ok));
    assert_eq!(lab.loads.load(Ordering::SeqCst), READERS);
}

#[tokio::test(start_paused = true)]
async fn control_processes_without_a_second_level_load_once_each() {
    let lab = Lab::new();
    let caches: Vec<_> = (0..3).map(|_| lab.builder(Loader::Answers).build().unwrap()).collect();
    assert_eq!(lab.storm(&caches).await.loads, 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_key_is_asked_for_once_a_backoff() {
    let lab = Lab::new();
    let freshness = Freshness::default().jitter(0.0).error_backoff(ms(1_000), ms(8_000));
    let caches: Vec<_> = (0..3)
        .map(|_| lab.builder(Loader::Fails).freshness(freshness.clone()))
        .map(|builder| builder.store(lab.store.clone(), Json).build().unwrap())
        .collect();
    assert_eq!(lab.storm(&caches).await.loads, 3);
    // 500 ms of 1 s have passed.
    let soon = lab.storm(&caches).await;
    assert_eq!((soon.loads, soon.errors, soon.worst), (0, 150, Duration::ZERO));
    sleep(ms(700)).await;
    assert_eq!(lab.storm(&caches).await.loads, 3);
    // The second backoff is twice as long.
    sleep(ms(700)).await;
    assert_eq!(lab.storm(&caches).await.loads, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_store_costs_one_read_the_budget_once_a_window() {
    let lab = Lab::new();
    lab.store.die();
    let cache = lab.process(Loader::Answers);
    let began = Instant::now();
    let mut slow = 0;
    for key in 0..100 {
        let before = Instant::now();
        cache.get(&key).await.unwrap();
        let took = Instant::now().saturating_duration_since(before);
        assert!(took <= BUDGET + LOAD, "{took:?}");
        slow += u32::from(took > LOAD);
    }
    let passed = Instant::now().saturating_duration_since(began);
    let windows = passed.as_secs_f64() / (BUDGET + unwell::WINDOW).as_secs_f64();
    assert!(f64::from(slow) <= windows.ceil(), "{slow} slow reads in {passed:?}");
}

/// How many loads were under way at the same time while a thousand keys were asked for.
async fn most_at_a_time(max_loads: usize) -> usize {
    let lab = Lab::new();
    lab.store.die();
    let state: Arc<(AtomicUsize, AtomicUsize)> = Arc::default();
    let cache: Cache<u64, u64> = Cache::builder("flood")
        .max_loads(max_loads)
        .store(lab.store.clone(), Json)
        .loader(Arc::clone(&state), |state, key, _| async move {
            let now = state.0.fetch_add(1, Ordering::SeqCst) + 1;
            state.1.fetch_max(now, Ordering::SeqCst);
            sleep(ms(5)).await;
            state.0.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, BoxError>(Some(key))
        })
        .build()
        .unwrap();
    let keys: Vec<u64> = (0..1_000).collect();
    let all = join_all(keys.iter().map(|key| cache.get(key))).await;
    assert!(all.iter().all(Result::is_ok));
    state.1.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_dead_store_does_not_become_more_loads_at_a_time_than_the_cap() {
    assert_eq!(most_at_a_time(8).await, 8);
}

#[tokio::test(start_paused = true)]
async fn control_without_a_cap_all_of_them_load_at_a_time() {
    // But the one that waits for the store.
    assert_eq!(most_at_a_time(1_000_000).await, 999);
}
