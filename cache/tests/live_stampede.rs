//! The stampede matrix over a real Redis: three caches with connections of their own, three processes,
//! and a connection that swallows, resets and flaps.
//!
//! Loads end when all readers have come, not after a time; bounds of waits are for a busy machine.

#[path = "stampede/child.rs"]
mod child;
#[path = "stampede/live.rs"]
mod live;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use terrace_cache::Cache;
use terrace_cache::codec::Json;
use terrace_cache::store::redis::Redis as Nodes;
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::{Redis, tools};
use tokio::time::{Instant, timeout};

use self::live::{KEY, Lab, Loader, PROCESSES, READERS, Storm, freshness, ms};

/// Longer than any wait here on a busy machine, and shorter than what would hide a fault.
const GENEROUS: Duration = Duration::from_secs(3);
/// Of an operation, where it must not be missed.
const AMPLE: Duration = Duration::from_secs(2);
const BUDGET: Duration = ms(100);

fn has_redis() -> bool {
    tools::require_or_skip("redis-server").is_some()
}

#[track_caller]
fn check(case: &str, storm: &Storm, loads: usize, why: &str) {
    println!("{case:<19} | {:>5} | {:>12?} | {why}", storm.loads, storm.worst);
    assert_eq!(storm.loads, loads, "{case}: {why}");
    assert!(storm.worst < GENEROUS, "{case}: {:?}", storm.worst);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_caches_ask_the_source_as_often_as_stated() {
    if !has_redis() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    println!("case                | loads |   worst wait | why");

    let lab = Lab::new("cold", proxy.addr(), AMPLE);
    let caches = lab.processes(Loader::Answers);
    check("cold", &lab.storm(&caches).await, 1, "one wins the lease");

    for cache in &caches {
        cache.invalidate(&KEY).await.unwrap();
    }
    check("invalidated", &lab.storm(&caches).await, 1, "as cold");

    for cache in &caches {
        while cache.peek(&KEY).is_some() {
            tokio::time::sleep(ms(10)).await;
        }
    }
    check("expired", &lab.storm(&caches).await, 1, "as cold");

    for (case, loader) in [("error", Loader::Fails), ("panic", Loader::Panics)] {
        let lab = Lab::new(case, proxy.addr(), AMPLE);
        let caches = lab.processes(loader);
        let storm = lab.storm(&caches).await;
        assert_eq!(storm.errors, PROCESSES * READERS);
        check(case, &storm, PROCESSES, "one a process");
        check(&format!("{case} again"), &lab.storm(&caches).await, 0, "the backoff");
    }

    let lab = Lab::new("leader", proxy.addr(), AMPLE);
    let caches = lab.processes(Loader::Answers);
    lab.expect(PROCESSES * READERS);
    let leader = tokio::spawn({
        let cache = caches[0].clone();
        async move { cache.get(&KEY).await }
    });
    lab.until_loading().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    let storm = lab.storm(&caches).await;
    check("cancelled leader", &storm, 1, "the load goes on without its first reader");

    proxy.set(Fault::Delay(ms(15))).await;
    let lab = Lab::new("slow", proxy.addr(), AMPLE);
    check("slow store", &lab.storm(&lab.processes(Loader::Answers)).await, 1, "as cold");

    proxy.set(Fault::BlackHole).await;
    let lab = Lab::new("dead", proxy.addr(), BUDGET);
    let storm = lab.storm(&lab.processes(Loader::Answers)).await;
    check("dead store", &storm, PROCESSES, "one a process, after the budget");
    proxy.set(Fault::Pass).await;

    let lab = Lab::new("empty", proxy.addr(), AMPLE);
    assert_eq!(lab.storm(&lab.processes(Loader::Answers)).await.loads, 1);
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    let storm = lab.storm(&lab.processes(Loader::Answers)).await;
    check("restarted empty", &storm, 1, "as cold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_ask_the_source_once() {
    if !has_redis() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let url = server.url();
    let children = (0..PROCESSES).map(|_| child::reads(&url, PROCESSES));
    let loads: Vec<usize> = join_all(children.collect::<Vec<_>>()).await;
    println!("loads of each process: {loads:?}");
    assert_eq!(loads.iter().sum::<usize>(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_that_held_the_lease_costs_a_load_a_process() {
    if !has_redis() {
        return;
    }
    let server = Redis::start().await.unwrap();
    child::is_killed_while_it_loads(&server).await;
    let lab = Lab::new(child::NAME, server.addr(), AMPLE);
    let began = Instant::now();
    let storm = lab.storm(&lab.processes(Loader::Answers)).await;
    check("lease holder killed", &storm, PROCESSES, "one a process, after half of hard_timeout");
    assert!(Instant::now().saturating_duration_since(began) >= live::HARD / 2);
}

/// Only as a child of the tests above.
#[tokio::test]
async fn child() {
    child::main().await;
}

/// Reads of ever new keys while the connection is ill, and how many of them were slow.
async fn slow_reads(fault: Fault, window: Duration, budget: Duration) -> (u32, f64) {
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let nodes = Nodes::new([format!("redis://{}", proxy.addr())]).unwrap();
    let cache: Cache<u64, u64> = Cache::builder("slow")
        .freshness(freshness())
        .store(nodes.budget(budget).breaker(window), Json)
        .loader((), |(), key, _| async move { Ok::<_, std::convert::Infallible>(Some(key)) })
        .build()
        .unwrap();
    cache.get(&0).await.unwrap();
    proxy.set(fault).await;
    let began = Instant::now();
    let (mut slow, mut key) = (0, 0);
    while Instant::now().saturating_duration_since(began) < window * 3 {
        key += 1;
        let before = Instant::now();
        let read = timeout(GENEROUS, cache.get(&key)).await;
        assert_eq!(*read.expect("waited for the store").unwrap(), Some(key));
        let took = Instant::now().saturating_duration_since(before);
        slow += u32::from(took > budget * 3 / 4);
        assert!(took < budget + GENEROUS / 2, "{took:?}");
    }
    let passed = Instant::now().saturating_duration_since(began).as_secs_f64();
    println!("{key} reads in {passed:.2} s, {slow} slow ones");
    (slow, passed / window.as_secs_f64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_costs_one_read_the_budget_once_a_window() {
    if !has_redis() {
        return;
    }
    let flap = Fault::Flapping { up: ms(100), down: ms(100) };
    let (window, budget) = (Duration::from_secs(1), ms(400));
    for fault in [Fault::BlackHole, Fault::Reset, flap, Fault::HalfOpen, Fault::Down] {
        println!("{fault:?}");
        let (slow, windows) = slow_reads(fault.clone(), window, budget).await;
        assert!(f64::from(slow) <= windows.ceil(), "{fault:?}: {slow} in {windows} windows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_a_read_a_window_is_slow_each_time() {
    if !has_redis() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let window = ms(60);
    let lab = Lab::new("control", proxy.addr(), BUDGET);
    let cache = lab.with_window(window);
    proxy.set(Fault::BlackHole).await;
    let mut slow = 0;
    for key in 0..10 {
        let before = Instant::now();
        cache.get(&key).await.unwrap();
        slow += u32::from(Instant::now().saturating_duration_since(before) > ms(50));
        tokio::time::sleep(window + ms(10)).await;
    }
    assert!(slow >= 8, "{slow}");
    assert_eq!(lab.loads.load(Ordering::SeqCst), 10);
}
