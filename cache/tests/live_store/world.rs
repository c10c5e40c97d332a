//! Where a promise is tried: two processes and a third one with another cache.

use std::sync::Arc;
use std::time::Duration;

use terrace_cache::key::{CacheKey, KeyBuf, Space, WireKey};
use terrace_cache::store::redis::Redis;
use terrace_cache::store::{
    Fetched, Lease, Leased, Memory, OpenStore, Store, StoreError, TagId, Terms, Want,
};
use terrace_testkit::tools;

use crate::broken::{Broken, Wrapped};

/// Longer than anything here takes, even on a machine that compiles at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// No test but those about its end is to see a lease end.
pub(crate) const LEASE: Duration = Duration::from_secs(600);
pub(crate) const KEEP: u64 = 600_000;

pub(crate) struct World {
    /// Two processes that share a cache.
    pub(crate) one: Arc<dyn Store>,
    pub(crate) two: Arc<dyn Store>,
    /// The same cache, whose leases last for 300 ms.
    pub(crate) hasty: Arc<dyn Store>,
    /// Another cache on the same store.
    pub(crate) other: Arc<dyn Store>,
    _servers: Vec<terrace_testkit::Redis>,
}

impl World {
    pub(crate) fn in_memory() -> Self {
        let memory = Memory::new();
        Self::of(&memory, &memory, Vec::new())
    }

    /// `None` where Redis is not installed.
    pub(crate) async fn on_redis(nodes: usize) -> Option<Self> {
        let servers = servers(nodes).await?;
        let urls: Vec<String> = servers.iter().map(terrace_testkit::Redis::url).collect();
        let process = || Redis::new(&urls).unwrap().budget(PATIENCE);
        Some(Self::of(&process(), &process(), servers))
    }

    pub(crate) fn broken(how: Broken) -> Self {
        let mut world = Self::in_memory();
        let wrap = |store: &mut Arc<dyn Store>, all: &Arc<dyn Store>| {
            *store = Arc::new(Wrapped::new(how, Arc::clone(store), Arc::clone(all)));
        };
        let all = Arc::clone(&world.one);
        for store in [&mut world.one, &mut world.two, &mut world.hasty, &mut world.other] {
            wrap(store, &all);
        }
        world
    }

    fn of(one: &dyn OpenStore, two: &dyn OpenStore, servers: Vec<terrace_testkit::Redis>) -> Self {
        Self {
            one: one.open(terms("users", LEASE)),
            two: two.open(terms("users", LEASE)),
            hasty: one.open(terms("users", Duration::from_millis(300))),
            other: two.open(terms("tracks", LEASE)),
            _servers: servers,
        }
    }
}

pub(crate) async fn servers(count: usize) -> Option<Vec<terrace_testkit::Redis>> {
    tools::require_or_skip("redis-server")?;
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(terrace_testkit::Redis::start().await.unwrap());
    }
    Some(servers)
}

pub(crate) fn space(name: &str) -> Space {
    Space::new(name, 3).unwrap()
}

pub(crate) fn terms(name: &str, lease: Duration) -> Terms {
    Terms { prefix: space(name).prefix().to_owned(), lease }
}

pub(crate) fn key<K: CacheKey + ?Sized>(key: &K) -> WireKey {
    space("users").wire(&KeyBuf::of(key))
}

pub(crate) fn tag(n: u8) -> TagId {
    [n; 16]
}

pub(crate) fn want(key: &WireKey) -> Want {
    Want { key: key.clone(), seen: None }
}

pub(crate) async fn lease(store: &Arc<dyn Store>, want: Want) -> Result<Leased, StoreError> {
    store.lease(&[want]).await.swap_remove(0)
}

/// The lease that somebody who misses the key gets.
pub(crate) async fn win(store: &Arc<dyn Store>, key: &WireKey) -> Result<Lease, String> {
    match lease(store, want(key)).await {
        Ok(Leased::Won(lease)) => Ok(lease),
        other => Err(format!("no lease of {key}: {other:?}")),
    }
}

pub(crate) async fn fetch(store: &Arc<dyn Store>, key: &WireKey) -> Result<Fetched, StoreError> {
    store.fetch(std::slice::from_ref(key)).await.swap_remove(0)
}

/// What is there.
pub(crate) async fn value(store: &Arc<dyn Store>, key: &WireKey) -> Result<Option<String>, String> {
    let fetched = fetch(store, key).await.map_err(|error| error.to_string())?;
    Ok(fetched.value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

/// Puts a value there.
pub(crate) async fn put(
    store: &Arc<dyn Store>,
    key: &WireKey,
    value: &'static str,
) -> Result<(), String> {
    let lease = win(store, key).await?;
    let filled = store.fill(key, &lease, value.into(), KEEP).await;
    same("a fill", filled, Ok(terrace_cache::store::Filled::Kept))
}

// What is compared is made for it.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn same<T: std::fmt::Debug + PartialEq>(
    what: &str,
    got: T,
    wanted: T,
) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{what}: {got:?}, and not {wanted:?}")) }
}

/// Looks until it is so, and fails if it never is.
pub(crate) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, looking).await;
    assert!(seen.is_ok(), "it was never so: {what}");
}
