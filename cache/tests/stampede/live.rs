use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use terrace_cache::codec::Json;
use terrace_cache::freshness::Freshness;
use terrace_cache::store::redis::Redis;
use terrace_cache::{BoxError, Cache};
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) const READERS: usize = 50;
pub(crate) const PROCESSES: usize = 3;
pub(crate) const KEY: u64 = 1;
pub(crate) const HARD: Duration = Duration::from_secs(2);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Values that are old after a short while, and then of no use to anybody who can load.
pub(crate) fn freshness() -> Freshness {
    Freshness::default()
        .ttl(ms(1_000))
        .jitter(0.0)
        .early_refresh(0.0)
        .stale_while_revalidate(Duration::ZERO)
        .soft_timeout(None)
        .hard_timeout(HARD)
        .error_backoff(ms(10_000), ms(10_000))
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loader {
    Answers,
    Fails,
    Panics,
}

/// Caches like those of several processes, and how often they loaded.
pub(crate) struct Lab {
    name: String,
    server: SocketAddr,
    budget: Duration,
    pub(crate) loads: Arc<AtomicUsize>,
    /// Readers that are to come before a load ends.
    missing: watch::Sender<usize>,
}

pub(crate) struct Storm {
    pub(crate) loads: usize,
    pub(crate) worst: Duration,
    pub(crate) errors: usize,
}

impl Lab {
    pub(crate) fn new(name: &str, server: SocketAddr, budget: Duration) -> Self {
        let missing = watch::Sender::new(0);
        Self { name: name.to_owned(), server, budget, loads: Arc::default(), missing }
    }

    pub(crate) fn processes(&self, loader: Loader) -> Vec<Cache<u64, u64>> {
        (0..PROCESSES).map(|_| self.process(loader, ms(1_000))).collect()
    }

    pub(crate) fn with_window(&self, window: Duration) -> Cache<u64, u64> {
        self.process(Loader::Answers, window)
    }

    fn process(&self, loader: Loader, window: Duration) -> Cache<u64, u64> {
        let nodes = Redis::new([format!("redis://{}", self.server)]).unwrap();
        let state = (Arc::clone(&self.loads), self.missing.clone());
        Cache::builder(&self.name)
            .freshness(freshness())
            .store(nodes.budget(self.budget).breaker(window), Json)
            .loader(state, move |(loads, missing), _, _| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                let _ = missing.subscribe().wait_for(|missing| *missing == 0).await;
                match loader {
                    Loader::Answers => Ok::<_, BoxError>(Some(1)),
                    Loader::Fails => Err("the source is away".into()),
                    Loader::Panics => panic!("the loader was told to"),
                }
            })
            .build()
            .unwrap()
    }

    /// Loads do not end before so many readers have come.
    pub(crate) fn expect(&self, readers: usize) {
        self.missing.send_replace(readers);
    }

    pub(crate) async fn until_loading(&self) {
        while self.loads.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(ms(1)).await;
        }
    }

    pub(crate) async fn storm(&self, processes: &[Cache<u64, u64>]) -> Storm {
        self.expect(processes.len() * READERS);
        let reader = |cache: &Cache<u64, u64>| {
            let (cache, missing) = (cache.clone(), self.missing.clone());
            tokio::spawn(async move {
                let began = Instant::now();
                missing.send_modify(|missing| *missing -= 1);
                let answer = cache.get(&KEY).await;
                (Instant::now().saturating_duration_since(began), answer.map(|cached| *cached))
            })
        };
        let readers = processes.iter().flat_map(|cache| (0..READERS).map(|_| reader(cache)));
        let ended = join_all(readers.collect::<Vec<_>>()).await;
        let ended: Vec<_> = ended.into_iter().map(|reader| reader.unwrap()).collect();
        assert!(ended.iter().all(|(_, answer)| matches!(answer, Ok(Some(1)) | Err(_))));
        Storm {
            loads: self.loads.swap(0, Ordering::SeqCst),
            worst: ended.iter().map(|(took, _)| *took).max().unwrap_or_default(),
            errors: ended.iter().filter(|(_, answer)| answer.is_err()).count(),
        }
    }
}
