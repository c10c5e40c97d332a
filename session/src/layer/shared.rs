//! What all requests of a layer share: the settings, and the store with its calls counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::copies::Copies;
use super::outage::Outage;
use crate::cookie;
use crate::error::{SessionError, StoreError};
use crate::expiry::{Expiry, Touch};
use crate::record::{Limits, Patch};
use crate::store::{
    Created, Epoch, Guard, Guarded, Listed, Loaded, NewSession, Patched, Rotated, Rotation, Store,
    Subject, SubjectLimit,
};
use crate::telemetry::{Operation, Telemetry};
use crate::token::{Keys, SessionKey, Tag, Token};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Guarded,
    pub(crate) keys: Keys,
    pub(crate) cookie: cookie::Checked,
    pub(crate) expiry: Expiry,
    pub(crate) limits: Limits,
    pub(crate) subject_limit: Option<SubjectLimit>,
    pub(crate) outage: Outage,
    pub(crate) region: u8,
    pub(crate) commit_on_server_error: bool,
    /// There once a route has asked for stale reads.
    pub(crate) copies: OnceLock<Copies>,
    pub(crate) chance: Chance,
    pub(crate) telemetry: Telemetry,
}

/// How long the id from before a renewal works after the new one was seen: as long as requests may take that were sent
/// with the old one.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

impl Shared {
    /// A new token, for a subject or a stranger.
    pub(crate) fn mint(&self, tag: Option<Tag>) -> Result<Token, SessionError> {
        let tag = tag.map_or_else(|| self.keys.stranger(), Ok)?;
        Ok(self.keys.mint(self.region, tag)?)
    }

    pub(crate) fn touch(&self) -> Touch {
        let idle = self.expiry.lifetime().idle;
        Touch::Use { idle, after: self.expiry.touch_after() }
    }

    pub(crate) async fn load(
        &self,
        key: &SessionKey,
        touch: Touch,
    ) -> Result<Option<Loaded>, SessionError> {
        let copies = self.copies.get().map(|copies| (copies, copies.turn()));
        let loaded = self.ask(Operation::Load, |store| store.load(key, touch)).await?;
        if let Some((copies, asked)) = copies {
            match &loaded {
                Some(loaded) => copies.keep(*key, loaded, asked),
                None => copies.forget(key),
            }
        }
        Ok(loaded)
    }

    pub(crate) async fn create(
        &self,
        key: &SessionKey,
        new: &NewSession,
    ) -> Result<Created, SessionError> {
        self.ask(Operation::Create, |store| store.create(key, new)).await
    }

    pub(crate) async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
    ) -> Result<Patched, SessionError> {
        let _forgotten = self.forget(key);
        self.ask(Operation::Patch, |store| store.patch(key, patch, guard, self.limits)).await
    }

    pub(crate) async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, SessionError> {
        let _forgotten = self.forget(old);
        self.ask(Operation::Rotate, |store| store.rotate(old, new, rotation)).await
    }

    pub(crate) async fn delete(&self, key: &SessionKey) -> Result<bool, SessionError> {
        let _forgotten = self.forget(key);
        self.ask(Operation::Delete, |store| store.delete(key)).await
    }

    pub(crate) async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, SessionError> {
        self.ask(Operation::List, |store| store.list(subject)).await
    }

    pub(crate) async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, SessionError> {
        let _forgotten = self.copies.get().map(|copies| {
            copies.forget_all();
            AllForgotten(copies)
        });
        self.ask(Operation::Revoke, |store| store.revoke(subject, except)).await
    }

    pub(crate) async fn epoch(&self, subject: &Subject) -> Result<Epoch, SessionError> {
        self.ask(Operation::Epoch, |store| store.epoch(subject)).await
    }

    pub(crate) async fn sweep(&self, limit: usize) -> Result<usize, SessionError> {
        self.timed(Operation::Sweep, self.store.sweep(limit)).await
    }

    /// A copy of a session that is changed now is of the past, whatever the change comes to; so is one that somebody
    /// made meanwhile.
    fn forget(&self, key: &SessionKey) -> Option<Forgotten<'_>> {
        self.copies.get().map(|copies| {
            copies.forget(key);
            Forgotten { copies, key: *key }
        })
    }

    async fn ask<'a, T, F>(
        &'a self,
        operation: Operation,
        call: impl FnOnce(&'a dyn Store) -> F,
    ) -> Result<T, SessionError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.timed(operation, self.store.ask(call(self.store.store()))).await
    }

    async fn timed<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, SessionError> {
        let begun = self.telemetry.begin();
        let answer = call.await;
        self.telemetry.store(operation, begun, answer.as_ref().err());
        Ok(answer?)
    }
}

struct Forgotten<'a> {
    copies: &'a Copies,
    key: SessionKey,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.copies.forget(&self.key);
    }
}

struct AllForgotten<'a>(&'a Copies);

impl Drop for AllForgotten<'_> {
    fn drop(&mut self) {
        self.0.forget_all();
    }
}

/// How long updates wait that collided. Nothing secret comes of it.
#[derive(Debug)]
pub(crate) struct Chance(AtomicU64);

impl Chance {
    pub(super) fn new(seed: Option<u64>) -> Self {
        // Without random numbers nothing works that matters more than this.
        Self(AtomicU64::new(seed.unwrap_or_else(|| getrandom::u64().unwrap_or(0))))
    }

    /// A number below this one.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        let seed = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        fastrand::Rng::with_seed(seed).u64(..limit.max(1))
    }
}
