//! A cache with its loader alone: who loads, who waits, and what each of them gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use terrace_cache::codec::{Codec, CodecError};
use terrace_cache::engine::Policy;
use terrace_cache::freshness::Freshness;
use terrace_cache::store::Memory;
use terrace_cache::tag::row;
use terrace_cache::{BatchCx, Cache, LoadCx, LoadError, Status, Why};
use tokio::sync::{Notify, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// A source whose loads wait until they are let go, and that counts them.
#[derive(Clone)]
struct Source {
    value: Arc<AtomicUsize>,
    loads: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
    begun: Arc<Notify>,
}

impl Source {
    fn open() -> Self {
        let source = Self::shut();
        source.gate.send_replace(true);
        source
    }

    fn shut() -> Self {
        Self {
            value: Arc::new(AtomicUsize::new(1)),
            loads: Arc::new(AtomicUsize::new(0)),
            gate: watch::Sender::new(false),
            begun: Arc::new(Notify::new()),
        }
    }

    /// Reads first and waits then, like a query whose answer is on its way.
    async fn load(self) -> Result<Option<usize>, Oops> {
        let value = self.value.load(Ordering::SeqCst);
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        let mut gate = self.gate.subscribe();
        gate.wait_for(|open| *open).await.map_err(|_| Oops)?;
        Ok(Some(value))
    }

    fn set(&self, value: usize) {
        self.value.store(value, Ordering::SeqCst);
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Copy, Debug)]
struct Oops;

impl std::fmt::Display for Oops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("oops")
    }
}

impl std::error::Error for Oops {}

fn cache(source: &Source) -> Cache<u64, usize> {
    with(source, Freshness::default().jitter(0.0))
}

fn with(source: &Source, freshness: Freshness) -> Cache<u64, usize> {
    Cache::builder("numbers")
        .seed(7)
        .freshness(freshness)
        .loader(source.clone(), |source, _, _| source.load())
        .build()
        .unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test]
async fn a_hundred_readers_of_a_cold_key_load_it_once() {
    let source = Source::shut();
    let cache = cache(&source);
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.get(&1).await.unwrap() })
        })
        .collect();
    source.begun.notified().await;
    source.gate.send_replace(true);
    let mut loaded = 0;
    for reader in readers {
        let cached = reader.await.unwrap();
        assert_eq!(*cached, Some(1));
        loaded += usize::from(cached.status() == Status::Loaded);
    }
    assert_eq!((source.loads(), loaded), (1, 1));
    assert_eq!(cache.get(&1).await.unwrap().status(), Status::L1);
    assert_eq!(cache.stats().joined, 99);
}

#[tokio::test]
async fn a_value_that_was_read_before_an_invalidation_is_not_kept() {
    let source = Source::shut();
    let cache = cache(&source);
    let before = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&1).await.unwrap() }
    });
    source.begun.notified().await;
    source.set(2);
    cache.invalidate(&1).await.unwrap();
    let after = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&1).await.unwrap() }
    });
    source.begun.notified().await;
    source.gate.send_replace(true);
    // It had asked before the write: either value is right for it.
    assert!(before.await.unwrap().is_some());
    assert_eq!(*after.await.unwrap(), Some(2));
    assert_eq!(*cache.get(&1).await.unwrap(), Some(2));
    assert_eq!((source.loads(), cache.stats().superseded), (2, 1));
}

#[tokio::test]
async fn who_joined_and_then_heard_of_a_bump_loads_again() {
    let source = Source::shut();
    let cache: Cache<u64, usize> = Cache::builder("tagged")
        .loader(source.clone(), |source, id, cx: LoadCx<usize>| async move {
            let value = source.load().await;
            // Only now is it known what the value was made of.
            cx.tag(row("numbers", id));
            value
        })
        .build()
        .unwrap();
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&1).await.unwrap() }
    });
    source.begun.notified().await;
    source.set(2);
    cache.invalidate_tag(row("numbers", 1)).await.unwrap();
    let second = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&1).await.unwrap() }
    });
    yield_now().await;
    source.gate.send_replace(true);
    assert_eq!(*first.await.unwrap(), Some(1));
    assert_eq!(*second.await.unwrap(), Some(2));
    assert_eq!(*cache.get(&1).await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_leader_that_leaves_does_not_end_the_load() {
    let source = Source::shut();
    let cache = cache(&source);
    let leader = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get(&1).await }
    });
    source.begun.notified().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    source.gate.send_replace(true);
    assert_eq!(*cache.get(&1).await.unwrap(), Some(1));
    assert_eq!(source.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_error_is_for_all_who_wait_and_is_not_tried_again_at_once() {
    let loads = Arc::new(AtomicUsize::new(0));
    let cache: Cache<u64, usize> = Cache::builder("broken")
        .loader(Arc::clone(&loads), |loads, _, _| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            sleep(ms(20)).await;
            Err::<Option<usize>, _>(Oops)
        })
        .build()
        .unwrap();
    let readers: Vec<_> = (0..50).map(|_| cache.clone()).collect();
    for error in futures_util::future::join_all(readers.iter().map(|cache| cache.get(&1))).await {
        assert_eq!(error.unwrap_err().to_string(), "loading failed: oops");
    }
    let error = cache.get(&1).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(ms(100)));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    sleep(ms(101)).await;
    cache.get(&1).await.unwrap_err();
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn every_policy_remembers_what_has_failed() {
    for &policy in Policy::all() {
        let loads = Arc::new(AtomicUsize::new(0));
        let cache: Cache<u64, usize> = Cache::builder("broken")
            .policy(policy)
            .seed(7)
            .loader(Arc::clone(&loads), |loads, _, _| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                Err::<Option<usize>, _>(Oops)
            })
            .build()
            .unwrap();
        // More keys than are remembered, so that room is scarce, and then one of them twice.
        for key in 0..5_000 {
            cache.get(&key).await.unwrap_err();
        }
        cache.get(&9_999).await.unwrap_err();
        cache.get(&9_999).await.unwrap_err();
        assert_eq!(loads.load(Ordering::SeqCst), 5_001, "{policy}");
    }
}

#[tokio::test]
async fn a_panicking_loader_is_an_error_that_says_what_it_said() {
    let cache: Cache<u64, usize> = Cache::builder("panics")
        .loader((), |(), id, _| async move {
            if id == 1 {
                panic!("no luck with {id}");
            }
            Ok::<_, Oops>(Some(7))
        })
        .build()
        .unwrap();
    let error = cache.get(&1).await.unwrap_err();
    assert_eq!(error.to_string(), "loading panicked: no luck with 1");
    assert_eq!(*cache.get(&2).await.unwrap(), Some(7));
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test]
async fn a_load_that_would_wait_for_itself_is_an_error() {
    let slot: Arc<std::sync::OnceLock<Cache<u64, usize>>> = Arc::default();
    let cache: Cache<u64, usize> = Cache::builder("circle")
        .loader(Arc::clone(&slot), |slot, id, _| async move {
            let Some(cache) = slot.get() else { return Err("not there yet".into()) };
            // 1 asks for 2, which asks for 3, which asks for 1.
            let next = cache.get(&(id % 3 + 1)).await?;
            Ok::<_, terrace_cache::BoxError>(*next)
        })
        .build()
        .unwrap();
    slot.get_or_init(|| cache.clone());
    let error = cache.get(&1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "loading failed: loading failed: loading failed: the load would wait for itself"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_while_one_load_replaces_it() {
    let source = Source::open();
    let freshness = Freshness::default().ttl(ms(1000)).jitter(0.0).early_refresh(0.0);
    let cache = with(&source, freshness);
    cache.get(&1).await.unwrap();
    source.set(2);
    sleep(ms(1001)).await;
    let stale = cache.get(&1).await.unwrap();
    assert_eq!((*stale, stale.status()), (Some(1), Status::Stale(Why::Revalidating)));
    cache.get(&1).await.unwrap();
    while cache.stats().in_flight > 0 {
        yield_now().await;
    }
    let fresh = cache.get(&1).await.unwrap();
    assert_eq!((*fresh, fresh.status(), source.loads()), (Some(2), Status::L1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_costs_the_soft_timeout_where_there_is_a_stale_value() {
    let source = Source::open();
    let freshness = Freshness::default()
        .ttl(ms(1000))
        .jitter(0.0)
        .early_refresh(0.0)
        .stale_while_revalidate(Duration::ZERO);
    let cache = with(&source, freshness);
    cache.get(&1).await.unwrap();
    sleep(ms(1001)).await;
    source.gate.send_replace(false);
    source.set(2);
    let began = Instant::now();
    let stale = cache.get(&1).await.unwrap();
    assert_eq!((*stale, stale.status()), (Some(1), Status::Stale(Why::SlowLoad)));
    assert_eq!(Instant::now().saturating_duration_since(began).as_millis(), 100);
    // The load goes on, and ends by the hard timeout.
    assert_eq!(cache.stats().in_flight, 1);
    let error = cache.get(&2).await.unwrap_err();
    assert!(matches!(error, LoadError::TimedOut { after } if after == ms(5000)), "{error}");
}

#[tokio::test]
async fn a_key_without_a_value_is_remembered_as_such() {
    let loads = Arc::new(AtomicUsize::new(0));
    let cache: Cache<u64, usize> = Cache::builder("absent")
        .loader(Arc::clone(&loads), |loads, _, _| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Oops>(None)
        })
        .build()
        .unwrap();
    assert!(cache.get(&1).await.unwrap().is_negative());
    assert!(cache.get(&1).await.unwrap().found().is_none());
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    // A writer creates it.
    cache.put_through(&1, async { Ok::<_, Oops>(Some(5)) }).await.unwrap();
    assert_eq!(*cache.get(&1).await.unwrap(), Some(5));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_keys_are_one_load_and_a_key_named_twice_is_loaded_once() {
    let calls: Arc<std::sync::Mutex<Vec<Vec<u64>>>> = Arc::default();
    let cache: Cache<u64, u64> = Cache::builder("many")
        .load_many(Arc::clone(&calls), |calls, ids: Vec<u64>, cx: BatchCx<u64>| async move {
            calls.lock().unwrap().push(ids.clone());
            for id in &ids {
                cx.of(id).unwrap().tag(row("numbers", id));
            }
            let found = ids.into_iter().filter(|id| *id != 13);
            Ok::<_, Oops>(found.map(|id| (id, id * 10)).collect::<Vec<_>>())
        })
        .build()
        .unwrap();
    cache.get(&2).await.unwrap();
    let all = cache.get_many(&[1, 2, 3, 1, 13]).await;
    let all: Vec<_> = all.into_iter().map(|cached| *cached.unwrap()).collect();
    assert_eq!(all, [Some(10), Some(20), Some(30), Some(10), None]);
    assert_eq!(*calls.lock().unwrap(), [vec![2], vec![1, 3, 13]]);
    cache.invalidate_tag(row("numbers", 3)).await.unwrap();
    cache.get_many(&[1, 2, 3]).await;
    assert_eq!(calls.lock().unwrap().last().unwrap(), &[3]);
}

#[tokio::test]
async fn a_reader_brings_its_own_load() {
    let cache: Cache<String, String> = Cache::builder("own").build().unwrap();
    let key = String::from("a\r\nb\0c");
    let name = String::from("owned by the load");
    let cached = cache.get_or_load(&key, move |_| async move { Ok::<_, Oops>(Some(name)) }).await;
    assert_eq!(cached.unwrap().as_deref(), Some("owned by the load"));
    assert!(matches!(cache.get(&"other".into()).await, Err(LoadError::NoLoader)));
    let again = cache.get_or_load(&key, |_| async { Err::<Option<String>, _>(Oops) }).await;
    assert_eq!(again.unwrap().status(), Status::L1);
}

#[tokio::test]
async fn a_write_that_was_dropped_midway_leaves_no_old_value() {
    let source = Source::open();
    let cache = cache(&source);
    cache.get(&1).await.unwrap();
    let written = source.clone();
    let mut put = Box::pin(cache.put_through(&1, async move {
        written.set(2);
        std::future::pending::<Result<Option<usize>, Oops>>().await
    }));
    assert!(futures_util::poll!(put.as_mut()).is_pending());
    drop(put);
    assert_eq!(*cache.get(&1).await.unwrap(), Some(2));
}

#[tokio::test]
async fn what_the_second_level_can_do_is_said_and_not_pretended() {
    let source = Source::open();
    assert!(cache(&source).capabilities().is_none());
    let with = Cache::<u64, u64>::builder("two").store(Memory::new(), Plainly).build().unwrap();
    let can = with.capabilities().unwrap();
    // It is one process's memory, though it has leases.
    assert_eq!((can.leases, can.shared, can.nodes), (true, false, 1));
}

/// Numbers as their bytes.
struct Plainly;

impl Codec<u64> for Plainly {
    fn encode(&self, value: &u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend(value.to_be_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(bytes[..].try_into()?))
    }
}
