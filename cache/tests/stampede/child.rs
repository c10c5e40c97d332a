//! This test program once more, as another process.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use terrace_cache::codec::Json;
use terrace_cache::store::redis::Redis as Nodes;
use terrace_cache::{BoxError, Cache};
use terrace_testkit::Redis;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::live::{KEY, READERS, freshness, ms};

pub(crate) const NAME: &str = "processes";
/// The server, and how many processes there are; 0 of them: this one loads for ever.
const SERVER: &str = "STAMPEDE_CHILD_SERVER";
const OF: &str = "STAMPEDE_CHILD_OF";
/// Where processes meet.
const READY: &str = "test:ready";
const LOADING: &str = "test:loading";
/// Nothing here takes a quarter of it.
const LONG: Duration = Duration::from_secs(60);

fn start(server: &str, of: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(SERVER, server)
        .env(OF, of.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Another process, with fifty readers. Returns how often it loaded.
pub(crate) async fn reads(server: &str, of: usize) -> usize {
    let ended = timeout(LONG, start(server, of).wait_with_output()).await;
    let said = String::from_utf8(ended.expect("it hangs").unwrap().stdout).unwrap();
    let loads = said.split_once("loads=").and_then(|(_, rest)| rest.split_whitespace().next());
    loads.and_then(|loads| loads.parse().ok()).unwrap_or_else(|| panic!("it said: {said}"))
}

/// Another process, which takes the lease, begins to load, and is killed.
pub(crate) async fn is_killed_while_it_loads(server: &Redis) {
    let mut child = start(&server.url(), 0);
    let mut meet = server.connect().await.unwrap();
    timeout(LONG, until(&mut meet, LOADING, 1)).await.expect("it does not load");
    child.kill().await.unwrap();
}

async fn until(meet: &mut MultiplexedConnection, key: &str, at_least: usize) {
    loop {
        let seen: Option<usize> = redis::cmd("GET").arg(key).query_async(meet).await.unwrap();
        if seen.unwrap_or_default() >= at_least {
            return;
        }
        sleep(ms(5)).await;
    }
}

async fn count(meet: &mut MultiplexedConnection, key: &str) {
    redis::cmd("INCR").arg(key).exec_async(meet).await.unwrap();
}

/// What the child does; nothing, if it is none.
pub(crate) async fn main() {
    let (Ok(server), Ok(of)) = (std::env::var(SERVER), std::env::var(OF)) else { return };
    let of: usize = of.parse().unwrap();
    let client = redis::Client::open(server.as_str()).unwrap();
    let mut meet = client.get_multiplexed_async_connection().await.unwrap();
    let loads = Arc::new(AtomicUsize::new(0));
    let cache: Cache<u64, u64> = Cache::builder(NAME)
        .freshness(freshness())
        .store(Nodes::new([&server]).unwrap().budget(Duration::from_secs(2)), Json)
        .loader((meet.clone(), Arc::clone(&loads)), move |(mut meet, loads), _, _| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            count(&mut meet, LOADING).await;
            match of {
                0 => std::future::pending().await,
                _ => until(&mut meet, READY, of).await,
            }
            Ok::<_, BoxError>(Some(1))
        })
        .build()
        .unwrap();
    // All of them are up before anybody reads.
    count(&mut meet, READY).await;
    until(&mut meet, READY, of).await;
    let all = join_all((0..READERS).map(|_| cache.get(&KEY))).await;
    assert!(all.iter().all(|answer| answer.as_ref().is_ok_and(|cached| **cached == Some(1))));
    println!("loads={} of {of}", loads.load(Ordering::SeqCst));
}
