//! What nobody should give to a cache, and somebody will: settings that mean nothing, servers that are
//! not there, bytes from somewhere else, values larger than the memory, keys that nobody has.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use terrace_cache::codec::{Json, Plain};
use terrace_cache::engine::Policy;
use terrace_cache::envelope::MAX_PAYLOAD;
use terrace_cache::freshness::Freshness;
use terrace_cache::store::Memory;
use terrace_cache::store::redis::Redis as Nodes;
use terrace_cache::{Builder, Cache, Status};
use terrace_testkit::{Redis, tools};

fn refusal(change: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>) -> String {
    change(Cache::builder("numbers")).build().unwrap_err().to_string()
}

fn fresh(change: impl FnOnce(Freshness) -> Freshness) -> String {
    refusal(|builder| builder.freshness(change(Freshness::default())))
}

#[test]
fn settings_that_mean_nothing_are_refused_by_name_and_value() {
    let zero = Duration::ZERO;
    let refused = [
        (refusal(|b| b.capacity(0)), "the capacity must be at least 1, not 0"),
        (refusal(|b| b.capacity_bytes(0, |_, _| 1)), "the capacity must be at least 1, not 0"),
        (refusal(|b| b.negative_capacity(0)), "negative_capacity must be at least 1, not 0"),
        (refusal(|b| b.max_loads(0)), "max_loads must be at least 1, not 0"),
        (fresh(|f| f.ttl(zero)), "ttl must be longer than 0 s, not 0ns"),
        (fresh(|f| f.negative_ttl(zero)), "negative_ttl must be longer than 0 s, not 0ns"),
        (fresh(|f| f.hard_timeout(zero)), "hard_timeout must be longer than 0 s, not 0ns"),
        (
            fresh(|f| f.soft_timeout(Duration::from_secs(6))),
            "soft_timeout must not be longer than hard_timeout (5s), not 6s",
        ),
        (fresh(|f| f.jitter(f64::NAN)), "jitter must be 0 to 0.5, not NaN"),
    ];
    for (said, expected) in refused {
        assert_eq!(said, expected);
    }
    for name in ["", "a b", "a:b", "a\r\nb", &"x".repeat(65)] {
        assert!(Cache::<u64, u64>::builder(name).build().is_err(), "{name:?}");
    }
    assert!(Cache::<u64, u64>::builder("numbers").build().is_ok());
}

#[tokio::test]
async fn the_longest_times_and_the_largest_numbers_are_no_harm() {
    let longest = Duration::MAX;
    let freshness = Freshness::default()
        .ttl(longest)
        .stale_while_revalidate(longest)
        .stale_if_error(longest)
        .hard_timeout(longest)
        .soft_timeout(longest)
        .negative_ttl(longest)
        .error_backoff(longest, longest)
        .l1_max_age(longest);
    let cache: Cache<u64, u64> = Cache::builder("long")
        .max_loads(usize::MAX)
        .freshness(freshness)
        .store(Memory::new(), Json)
        .loader((), |(), key, _| async move {
            if key == 2 { Err("no") } else { Ok((key != 3).then_some(key)) }
        })
        .build()
        .unwrap();
    assert_eq!(*cache.get(&1).await.unwrap(), Some(1));
    assert_eq!(cache.get(&1).await.unwrap().status(), Status::L1);
    assert!(cache.get(&2).await.is_err());
    assert!(cache.get(&3).await.unwrap().is_negative());
}

/// A cache over these nodes, whose loads are counted.
fn over(nodes: Nodes, schema: u32) -> (Cache<String, String>, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let cache = Cache::builder("names")
        .schema(schema)
        .store(nodes, Plain)
        .loader(Arc::clone(&loads), |loads, key, _| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Some(format!("value of {key:?}")))
        })
        .build()
        .unwrap();
    (cache, loads)
}

fn nodes(url: &str) -> Nodes {
    // Time enough for a busy machine.
    Nodes::new([url]).unwrap().budget(Duration::from_secs(5))
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_costs_nothing_but_its_use() {
    let port = terrace_testkit::ports::Port::reserve().unwrap();
    let nodes = Nodes::new([format!("redis://{}", port.addr())]).unwrap();
    let (cache, loads) = over(nodes.clone(), 0);
    let key = String::from("a");
    assert_eq!(*cache.get(&key).await.unwrap(), Some("value of \"a\"".into()));
    assert_eq!(cache.get(&key).await.unwrap().status(), Status::L1);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    // And it says so: in the counters, at the nodes, and to whoever invalidates.
    assert!(cache.stats().store_errors > 0);
    assert!(!nodes.nodes()[0].answering);
    let refused = cache.invalidate(&key).await.unwrap_err().to_string();
    assert!(refused.starts_with("the second level may still hold an old value"), "{refused}");
    assert!(cache.peek(&key).is_none());
}

async fn server() -> Option<(Redis, MultiplexedConnection)> {
    tools::require_or_skip("redis-server")?;
    let server = Redis::start().await.unwrap();
    let connection = server.connect().await.unwrap();
    Some((server, connection))
}

async fn get(raw: &mut MultiplexedConnection, key: &str) -> Vec<u8> {
    redis::cmd("GET").arg(key).query_async(raw).await.unwrap()
}

async fn set(raw: &mut MultiplexedConnection, key: &str, value: &[u8]) {
    redis::cmd("DEL").arg(key).exec_async(raw).await.unwrap();
    redis::cmd("SET").arg(key).arg(value).exec_async(raw).await.unwrap();
}

/// A new process reads a key. Returns how often it had to load, and how many entries it could not
/// read.
async fn read_anew(server: &Redis, schema: u32, key: &str) -> (usize, u64) {
    let (cache, loads) = over(nodes(&server.url()), schema);
    let value = cache.get(&key.to_owned()).await.unwrap();
    assert_eq!(*value, Some(format!("value of {key:?}")));
    // The fill comes after the answer.
    while cache.stats().loads > cache.stats().filled + cache.stats().refused {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (loads.load(Ordering::SeqCst), cache.stats().unreadable)
}

#[tokio::test]
async fn bytes_at_the_second_level_that_are_no_entry_are_a_miss_and_are_replaced() {
    let Some((server, mut raw)) = server().await else { return };
    assert_eq!(read_anew(&server, 0, "a").await, (1, 0));
    assert_eq!(read_anew(&server, 0, "b").await, (1, 0));
    // The control: what is left alone is read.
    assert_eq!(read_anew(&server, 0, "a").await, (0, 0));

    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut raw).await.unwrap();
    keys.retain(|key| !key.contains('{'));
    keys.sort();
    let [a, b] = &keys[..] else { panic!("{keys:?}") };
    let (of_a, of_b) = (get(&mut raw, a).await, get(&mut raw, b).await);

    let mut poisons: Vec<(String, Vec<u8>)> = vec![
        ("another key's".into(), of_b.clone()),
        ("nothing".into(), Vec::new()),
        ("text".into(), b"hello, world".to_vec()),
        ("zeroes".into(), vec![0; 4096]),
        ("too much".into(), [&of_a[..], b"more"].concat()),
        ("twice".into(), [&of_a[..], &of_a[..]].concat()),
    ];
    poisons.extend((0..of_a.len()).map(|at| (format!("cut at {at}"), of_a[..at].to_vec())));
    poisons.extend((0..of_a.len()).map(|at| {
        let mut flipped = of_a.clone();
        flipped[at] ^= 0x10;
        (format!("a bit of byte {at}"), flipped)
    }));
    for (what, poison) in poisons {
        set(&mut raw, a, &poison).await;
        let (loads, unreadable) = read_anew(&server, 0, "a").await;
        assert_eq!(loads, 1, "{what}");
        // The first eight bytes are the epoch's: with another one it is nothing at all.
        let of_this_epoch = poison.len() >= 8 && poison[..8] == of_a[..8];
        assert_eq!(unreadable > 0, of_this_epoch, "{what}");
        assert_eq!(read_anew(&server, 0, "a").await, (0, 0), "after {what}");
    }
}

#[tokio::test]
async fn what_is_no_string_is_a_miss_and_another_schema_reads_its_own() {
    let Some((server, mut raw)) = server().await else { return };
    assert_eq!(read_anew(&server, 0, "a").await, (1, 0));
    assert_eq!(read_anew(&server, 1, "a").await, (1, 0));
    assert_eq!((read_anew(&server, 0, "a").await.0, read_anew(&server, 1, "a").await.0), (0, 0));
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut raw).await.unwrap();
    keys.retain(|key| !key.contains('{'));
    for key in &keys {
        redis::cmd("DEL").arg(key).exec_async(&mut raw).await.unwrap();
        redis::cmd("RPUSH").arg(key).arg("x").exec_async(&mut raw).await.unwrap();
    }
    assert_eq!(read_anew(&server, 0, "a").await.0, 1);
    assert_eq!(read_anew(&server, 0, "a").await.0, 0);
}

#[tokio::test]
async fn keys_with_line_ends_and_zeroes_are_keys_like_others() {
    let Some((server, mut raw)) = server().await else { return };
    let keys = [
        "a",
        "a\r\n",
        "a\r\nFLUSHALL\r\n",
        "a\0",
        "a\0b",
        "a\r\n$5\r\nhello\r\n",
        "*1\r\n$8\r\nFLUSHALL\r\n",
        "{tag}",
        "a:b",
        "a,s1,b",
        "",
        "é\u{2028}",
    ];
    set(&mut raw, "mine", b"untouched").await;
    for key in keys {
        assert_eq!(read_anew(&server, 0, key).await, (1, 0), "{key:?}");
    }
    // All of them are there, and each has its own value.
    for key in keys {
        assert_eq!(read_anew(&server, 0, key).await, (0, 0), "{key:?}");
    }
    let (cache, loads) = over(nodes(&server.url()), 0);
    cache.invalidate(&"a\r\nFLUSHALL\r\n".to_owned()).await.unwrap();
    for key in keys {
        cache.get(&key.to_owned()).await.unwrap();
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(get(&mut raw, "mine").await, b"untouched");
}

#[tokio::test]
async fn a_value_of_a_gigabyte_is_served_and_not_kept() {
    /// Says what it would weigh.
    struct Blob(usize);
    let cache: Cache<u64, Blob> = Cache::builder("blobs")
        .capacity_bytes(64 << 20, |_, blob: &Blob| blob.0)
        .loader((), |(), key, _| async move {
            Ok::<_, Infallible>(Some(Blob(if key == 7 { 1 << 30 } else { 1024 })))
        })
        .build()
        .unwrap();
    for key in 0..5 {
        cache.get(&key).await.unwrap();
    }
    let large = cache.get(&7).await.unwrap();
    assert_eq!(large.found().unwrap().0, 1 << 30);
    assert!(cache.peek(&7).is_none());
    let stats = cache.stats();
    assert_eq!((stats.too_heavy, stats.entries), (1, 5));
    assert!(stats.weight <= stats.capacity);
    // Nor does one that grew beyond all bounds leave what it was before.
    let weights = [1 << 20, usize::MAX];
    for weight in weights {
        let write = async { Ok::<_, Infallible>(Some(Blob(weight))) };
        cache.put_through(&1, write).await.unwrap();
    }
    assert!(cache.peek(&1).is_none());
}

#[tokio::test]
async fn a_value_that_no_server_takes_stays_in_memory() {
    let Some((server, _)) = server().await else { return };
    let loads = Arc::new(AtomicUsize::new(0));
    let cache = |largest: usize| -> Cache<u64, Vec<u8>> {
        Cache::builder("large")
            .store(nodes(&server.url()).largest(largest), Plain)
            .loader(Arc::clone(&loads), |loads, bytes, _| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(Some(vec![0; usize::try_from(bytes).unwrap()]))
            })
            .build()
            .unwrap()
    };
    // The first is more than an envelope takes, the second more than the store was told to.
    for (bytes, largest) in [(MAX_PAYLOAD as u64 + 1, usize::MAX), (2 << 20, 1 << 20)] {
        let here = cache(largest);
        let value = here.get(&bytes).await.unwrap();
        assert_eq!(value.as_ref().map(|value| value.len() as u64), Some(bytes));
        assert_eq!(here.get(&bytes).await.unwrap().status(), Status::L1);
        while here.stats().too_heavy + here.stats().refused + here.stats().store_errors == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(here.stats().filled, 0, "{bytes}");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

const POSITIVES: u64 = 900;

/// How many of 900 hot values are gone after a flood of unknown keys. With `apart`, the cache
/// knows that there is no value; without, "none" is a value like others: the control.
async fn lost(policy: Policy, flood: u64, apart: bool) -> usize {
    let cache: Cache<u64, Option<u64>> = Cache::builder("flood")
        .seed(1)
        .policy(policy)
        .capacity(1_000)
        .loader((), move |(), key, _| async move {
            Ok::<_, Infallible>(match key {
                ..POSITIVES => Some(Some(key)),
                _ if apart => None,
                _ => Some(None),
            })
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        for key in 0..POSITIVES {
            cache.get(&key).await.unwrap();
        }
    }
    let before: Vec<u64> = (0..POSITIVES).filter(|key| cache.peek(key).is_some()).collect();
    assert!(before.len() > 800, "{}", before.len());
    let keys: Vec<u64> = (1_000_000..1_000_000 + flood).collect();
    for some in keys.chunks(1_000) {
        assert!(cache.get_many(some).await.iter().all(Result::is_ok));
    }
    let gone = before.iter().filter(|key| cache.peek(key).is_none()).count();
    println!("{policy}, absences apart: {apart}: {gone} of {} lost", before.len());
    gone
}

#[tokio::test]
async fn a_flood_of_unknown_keys_pushes_out_no_value() {
    assert_eq!(lost(Policy::S3Fifo, 100_000, true).await, 0);
    assert_eq!(lost(Policy::Lru, 10_000, true).await, 0);
}

#[tokio::test]
async fn control_where_absences_are_values_a_flood_pushes_values_out() {
    assert!(lost(Policy::Lru, 10_000, false).await > 800);
}
