//! Stores that lack one safeguard each.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use terrace_cache::key::WireKey;
use terrace_cache::store::{
    Capabilities, Fetched, Filled, Lease, Leased, Store, StoreError, TagId, Want,
};

use crate::world::{KEEP, key, want};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    AnswersBackwards,
    BumpsNothing,
    ClearsNothing,
    EverybodyWins,
    FillsAnyway,
    HoldsAnything,
    HoldsNothing,
    KeepsForOthers,
    KeepsNothing,
    KnowsAllTags,
    NothingEnds,
    OneForAll,
    ReleasesAnything,
    ReleasesNothing,
    RemovesNothing,
    SeesNothing,
    WritersIgnoreEachOther,
    WritersWait,
}

#[derive(Debug)]
pub(crate) struct Wrapped {
    how: Broken,
    store: Arc<dyn Store>,
    /// What [`Broken::KeepsForOthers`] puts everything into.
    all: Arc<dyn Store>,
}

impl Wrapped {
    pub(crate) fn new(how: Broken, store: Arc<dyn Store>, all: Arc<dyn Store>) -> Self {
        let store = if how == Broken::KeepsForOthers { Arc::clone(&all) } else { store };
        Self { how, store, all }
    }

    /// Under which key this key is kept.
    fn kept(&self, wanted: &WireKey) -> WireKey {
        if self.how == Broken::OneForAll { key(&0) } else { wanted.clone() }
    }

    fn turned<T>(&self, mut answers: Vec<T>) -> Vec<T> {
        if self.how == Broken::AnswersBackwards {
            answers.reverse();
        }
        answers
    }

    async fn steal(&self, key: &WireKey) -> Result<Lease, StoreError> {
        self.store.remove(std::slice::from_ref(key)).await?;
        match self.store.lease(&[want(key)]).await.swap_remove(0)? {
            Leased::Won(lease) => Ok(lease),
            other => panic!("{other:?}"),
        }
    }
}

#[async_trait]
impl Store for Wrapped {
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>> {
        let keys: Vec<WireKey> = keys.iter().map(|key| self.kept(key)).collect();
        self.turned(self.store.fetch(&keys).await)
    }

    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>> {
        let mut leased = Vec::new();
        for want in wants {
            let seen = want.seen.clone().filter(|_| self.how != Broken::SeesNothing);
            let want = Want { key: self.kept(&want.key), seen };
            let mut answer = self.store.lease(std::slice::from_ref(&want)).await.swap_remove(0);
            if self.how == Broken::EverybodyWins && matches!(answer, Ok(Leased::Busy)) {
                answer = self.steal(&want.key).await.map(Leased::Won);
            }
            leased.push(answer);
        }
        self.turned(leased)
    }

    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError> {
        match self.how {
            Broken::WritersIgnoreEachOther => {
                self.steal(key).await?;
                self.store.remove(std::slice::from_ref(key)).await?;
            }
            Broken::WritersWait => {
                if let Ok(Leased::Busy) = self.store.lease(&[want(key)]).await.swap_remove(0) {
                    return Ok(Lease { token: 0, now: 0, epoch: 0, sequences: Box::new([]) });
                }
            }
            _ => {}
        }
        self.store.lease_for_write(key).await
    }

    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError> {
        let held = self.store.hold_tags(lease, tags).await?;
        match self.how {
            Broken::HoldsNothing => Ok(None),
            Broken::HoldsAnything if held.is_none() => {
                Ok(self.store.tag_versions(tags).await?.into_iter().collect())
            }
            _ => Ok(held),
        }
    }

    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError> {
        let key = &self.kept(key);
        let keep_millis = if self.how == Broken::NothingEnds { KEEP } else { keep_millis };
        let filled = self.store.fill(key, lease, value.clone(), keep_millis).await?;
        match (self.how, filled) {
            (Broken::KeepsNothing, Filled::Kept) => {
                self.store.remove(std::slice::from_ref(key)).await?;
                Ok(Filled::Kept)
            }
            (Broken::FillsAnyway, Filled::Refused) => {
                let lease = self.steal(key).await?;
                self.store.fill(key, &lease, value, keep_millis).await
            }
            _ => Ok(filled),
        }
    }

    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError> {
        match self.how {
            Broken::ReleasesNothing => Ok(()),
            Broken::ReleasesAnything => self.store.remove(std::slice::from_ref(key)).await,
            _ => self.store.release(key, lease).await,
        }
    }

    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError> {
        match self.how {
            Broken::RemovesNothing => Ok(()),
            _ => self.store.remove(keys).await,
        }
    }

    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError> {
        let versions = self.store.tag_versions(tags).await?;
        match self.how {
            Broken::KnowsAllTags => Ok(versions.into_iter().map(|v| v.or(Some(1))).collect()),
            _ => Ok(self.turned(versions)),
        }
    }

    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError> {
        match self.how {
            Broken::BumpsNothing => Ok(()),
            _ => self.store.bump_tags(tags).await,
        }
    }

    async fn clear(&self) -> Result<(), StoreError> {
        match self.how {
            Broken::ClearsNothing => Ok(()),
            _ => self.store.clear().await,
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.all.capabilities()
    }
}
