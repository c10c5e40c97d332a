use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fastrand::Rng;
use terrace_cache::key::WireKey;
use terrace_cache::store::{
    Capabilities, Fetched, Filled, Lease, Leased, OpenStore, Store, StoreError, TagId, Terms, Want,
};
use tokio::task::yield_now;
use tokio::time::sleep;

/// Chance that all parts of one run share, in the order in which they come.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    rng: Arc<Mutex<Rng>>,
    sleeps: bool,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Arc::new(Mutex::new(Rng::with_seed(seed))), sleeps: true }
    }

    /// For a clock that cannot be paused.
    pub(crate) fn without_time(seed: u64) -> Self {
        Self { sleeps: false, ..Self::new(seed) }
    }

    pub(crate) fn sleeps(&self) -> bool {
        self.sleeps
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.rng.lock().unwrap().u64(..limit)
    }

    /// Whether something happens that happens once in `times`.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// As long as an entry lives, where time costs nothing.
    pub(crate) async fn doze(&self) {
        if self.sleeps {
            sleep(Duration::from_millis(300 + self.below(300))).await;
        }
    }

    /// Some steps for the others, and now and then some time.
    pub(crate) async fn pause(&self) {
        for _ in 0..self.below(5) {
            yield_now().await;
        }
        if self.once_in(8) && self.sleeps {
            sleep(Duration::from_millis(self.below(200))).await;
        }
    }
}

/// Another store whose calls take their time, before they are made and before they answer. With
/// `forces`, it does not take no for an answer: the control.
#[derive(Clone, Debug)]
pub(crate) struct Shaky<S> {
    pub(crate) inner: S,
    pub(crate) chance: Chance,
    pub(crate) forces: bool,
}

impl<S: OpenStore> OpenStore for Shaky<S> {
    fn open(&self, terms: Terms) -> Arc<dyn Store> {
        let inner = self.inner.open(terms);
        Arc::new(Opened { inner, chance: self.chance.clone(), forces: self.forces })
    }
}

#[derive(Debug)]
struct Opened {
    inner: Arc<dyn Store>,
    chance: Chance,
    forces: bool,
}

impl Opened {
    async fn around<T>(&self, made: impl Future<Output = T>) -> T {
        self.chance.pause().await;
        let answer = made.await;
        self.chance.pause().await;
        answer
    }
}

#[async_trait]
impl Store for Opened {
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>> {
        self.around(self.inner.fetch(keys)).await
    }

    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>> {
        self.around(self.inner.lease(wants)).await
    }

    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError> {
        self.around(self.inner.lease_for_write(key)).await
    }

    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError> {
        self.around(self.inner.hold_tags(lease, tags)).await
    }

    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError> {
        let forced = value.clone();
        let filled = self.around(self.inner.fill(key, lease, value, keep_millis)).await;
        if self.forces && filled == Ok(Filled::Refused) {
            self.inner.remove(std::slice::from_ref(key)).await?;
            let lease = self.inner.lease_for_write(key).await?;
            return self.inner.fill(key, &lease, forced, keep_millis).await;
        }
        filled
    }

    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError> {
        self.around(self.inner.release(key, lease)).await
    }

    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError> {
        self.around(self.inner.remove(keys)).await
    }

    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError> {
        self.around(self.inner.tag_versions(tags)).await
    }

    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError> {
        self.around(self.inner.bump_tags(tags)).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.around(self.inner.clear()).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
