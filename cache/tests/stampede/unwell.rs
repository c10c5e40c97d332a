use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use terrace_cache::key::WireKey;
use terrace_cache::store::{
    Capabilities, Fetched, Filled, Lease, Leased, OpenStore, Store, StoreError, TagId, Terms, Want,
};
use tokio::time::{Instant, sleep};

/// How long a call may take.
pub(crate) const BUDGET: Duration = Duration::from_millis(50);
/// How long a store that failed is left alone.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// Another store that may be slow or dead, and then costs what a store may cost: the budget, once in
/// a window.
#[derive(Clone, Debug)]
pub(crate) struct Unwell<S> {
    inner: S,
    takes: Takes,
}

/// How long each call takes; `None`: it never answers.
type Takes = Arc<Mutex<Option<Duration>>>;

impl<S> Unwell<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, takes: Arc::new(Mutex::new(Some(Duration::ZERO))) }
    }

    pub(crate) fn slow(&self, takes: Duration) {
        *self.takes.lock().unwrap() = Some(takes);
    }

    pub(crate) fn die(&self) {
        *self.takes.lock().unwrap() = None;
    }
}

impl<S: OpenStore> OpenStore for Unwell<S> {
    fn open(&self, terms: Terms) -> Arc<dyn Store> {
        let inner = self.inner.open(terms);
        Arc::new(Opened { inner, takes: Arc::clone(&self.takes), open_until: Mutex::default() })
    }
}

#[derive(Debug)]
struct Opened {
    inner: Arc<dyn Store>,
    takes: Takes,
    open_until: Mutex<Option<Instant>>,
}

impl Opened {
    async fn asked(&self) -> Result<(), StoreError> {
        let node = || "sim".to_owned();
        let now = Instant::now();
        let takes = *self.takes.lock().unwrap();
        let Some(takes) = takes else {
            {
                let mut until = self.open_until.lock().unwrap();
                if until.is_some_and(|until| now < until) {
                    return Err(StoreError::Open { node: node() });
                }
                *until = Some(now + BUDGET + WINDOW);
            }
            sleep(BUDGET).await;
            return Err(StoreError::TimedOut { node: node() });
        };
        if !takes.is_zero() {
            sleep(takes).await;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Opened {
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>> {
        match self.asked().await {
            Ok(()) => self.inner.fetch(keys).await,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>> {
        match self.asked().await {
            Ok(()) => self.inner.lease(wants).await,
            Err(error) => wants.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError> {
        self.asked().await?;
        self.inner.lease_for_write(key).await
    }

    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError> {
        self.asked().await?;
        self.inner.hold_tags(lease, tags).await
    }

    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError> {
        self.asked().await?;
        self.inner.fill(key, lease, value, keep_millis).await
    }

    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError> {
        self.asked().await?;
        self.inner.release(key, lease).await
    }

    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError> {
        self.asked().await?;
        self.inner.remove(keys).await
    }

    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError> {
        self.asked().await?;
        self.inner.tag_versions(tags).await
    }

    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError> {
        self.asked().await?;
        self.inner.bump_tags(tags).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.asked().await?;
        self.inner.clear().await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
