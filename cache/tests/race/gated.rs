use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use terrace_cache::key::WireKey;
use terrace_cache::store::{
    Capabilities, Fetched, Filled, Lease, Leased, OpenStore, Store, StoreError, TagId, Terms, Want,
};
use terrace_testkit::races::Gate;

/// Another store, each of whose calls can be held before it is made, or with its answer on the way.
#[derive(Clone, Debug)]
pub(crate) struct Gated<S> {
    pub(crate) inner: S,
    pub(crate) gates: Gates,
}

/// Gates by the name of the call, and whether it is before or after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates(Arc<Mutex<HashMap<String, Gate>>>);

impl Gates {
    pub(crate) fn at(&self, point: &str) -> Gate {
        self.0.lock().unwrap().entry(point.to_owned()).or_default().clone()
    }

    async fn around<T>(&self, call: &str, made: impl Future<Output = T>) -> T {
        self.at(&format!("before {call}")).pass().await;
        let answer = made.await;
        self.at(&format!("after {call}")).pass().await;
        answer
    }
}

impl<S: OpenStore> OpenStore for Gated<S> {
    fn open(&self, terms: Terms) -> Arc<dyn Store> {
        Arc::new(Opened { inner: self.inner.open(terms), gates: self.gates.clone() })
    }
}

#[derive(Debug)]
struct Opened {
    inner: Arc<dyn Store>,
    gates: Gates,
}

#[async_trait]
impl Store for Opened {
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>> {
        self.gates.around("fetch", self.inner.fetch(keys)).await
    }

    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>> {
        self.gates.around("lease", self.inner.lease(wants)).await
    }

    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError> {
        self.inner.lease_for_write(key).await
    }

    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError> {
        self.gates.around("hold_tags", self.inner.hold_tags(lease, tags)).await
    }

    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError> {
        self.gates.around("fill", self.inner.fill(key, lease, value, keep_millis)).await
    }

    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError> {
        self.inner.release(key, lease).await
    }

    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError> {
        self.inner.remove(keys).await
    }

    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError> {
        self.gates.around("tag_versions", self.inner.tag_versions(tags)).await
    }

    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError> {
        self.inner.bump_tags(tags).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.inner.clear().await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
