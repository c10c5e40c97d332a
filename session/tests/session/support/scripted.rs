use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use terrace_session::expiry::Touch;
use terrace_session::record::Patch;
use terrace_session::store::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
};
use terrace_session::token::SessionKey;
use terrace_session::{Expiry, Limits, Store, StoreError, Subject};
use tokio::sync::Notify;

/// What the store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Load,
    Create,
    Patch,
    Rotate,
    Delete,
    List,
    Revoke,
    Epoch,
    Sweep,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is refused, and nothing is done.
    Refuse,
    /// It is lost on the way, and nothing is done.
    LoseRequest,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// The store cannot.
    Invalid,
    /// Nothing is done, and there is never an answer.
    Hang,
    /// It waits to be let go on.
    Wait(Arc<Notify>),
    /// What is gone is created once more: how stores without a guard lose a logout.
    Recreate,
    /// It takes a few polls before it is done, and a few after.
    Slow,
}

/// A store around another one, which counts, and fails by order.
#[derive(Debug)]
pub(crate) struct Scripted {
    inner: Arc<dyn Store>,
    calls: Mutex<Vec<Op>>,
    created: Mutex<Option<SessionKey>>,
    next: Mutex<VecDeque<(Op, Fault)>>,
    always: Mutex<Option<Fault>>,
}

impl Scripted {
    pub(crate) fn around(inner: impl Store) -> Self {
        Self {
            inner: Arc::new(inner),
            calls: Mutex::default(),
            created: Mutex::default(),
            next: Mutex::default(),
            always: Mutex::default(),
        }
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Op> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Under which key the last session was created.
    pub(crate) fn created(&self) -> SessionKey {
        self.created.lock().unwrap().unwrap()
    }

    /// What becomes of the next call of a kind.
    pub(crate) fn next(&self, op: Op, fault: Fault) {
        self.next.lock().unwrap().push_back((op, fault));
    }

    /// What becomes of all others.
    pub(crate) fn always(&self, fault: impl Into<Option<Fault>>) {
        *self.always.lock().unwrap() = fault.into();
    }

    async fn call<T>(
        &self,
        op: Op,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.calls.lock().unwrap().push(op);
        let fault = {
            let mut next = self.next.lock().unwrap();
            match next.iter().position(|(of, _)| *of == op) {
                Some(at) => next.remove(at).map(|(_, fault)| fault),
                None => self.always.lock().unwrap().clone(),
            }
        };
        match fault {
            None | Some(Fault::Recreate) => work.await,
            Some(Fault::Refuse) => Err(StoreError::Unavailable("refused".into())),
            Some(Fault::LoseRequest) => Err(StoreError::Unknown("lost".into())),
            Some(Fault::LoseAnswer) => {
                work.await?;
                Err(StoreError::Unknown("lost".into()))
            }
            Some(Fault::Invalid) => Err(StoreError::Invalid("no session".into())),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Wait(go)) => {
                go.notified().await;
                work.await
            }
            Some(Fault::Slow) => {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                let done = work.await;
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                done
            }
        }
    }
}

#[async_trait]
impl Store for Scripted {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        self.call(Op::Load, self.inner.load(key, touch)).await
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        *self.created.lock().unwrap() = Some(*key);
        self.call(Op::Create, self.inner.create(key, new)).await
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        let recreates = matches!(*self.always.lock().unwrap(), Some(Fault::Recreate));
        let patched = self.call(Op::Patch, self.inner.patch(key, patch, guard, limits)).await?;
        if recreates && patched == Patched::Gone {
            let lifetime = Expiry::default().lifetime();
            let new = NewSession { authentication: None, values: patch.set.clone(), lifetime };
            self.inner.create(key, &new).await?;
            return Ok(Patched::Applied { version: 1 });
        }
        Ok(patched)
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        self.call(Op::Rotate, self.inner.rotate(old, new, rotation)).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.call(Op::Delete, self.inner.delete(key)).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        self.call(Op::List, self.inner.list(subject)).await
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        self.call(Op::Revoke, self.inner.revoke(subject, except)).await
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        self.call(Op::Epoch, self.inner.epoch(subject)).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.call(Op::Sweep, self.inner.sweep(limit)).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
