//! The checks that every store has to pass.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use terrace_session::conformance::{self, Report};
use terrace_session::expiry::Touch;
use terrace_session::record::{Limits, Patch};
use terrace_session::store::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Sqlite, Store, Subject,
};
use terrace_session::token::SessionKey;
use terrace_session::{BoxError, ManualClock, StoreError};

use crate::PATIENCE;

async fn open(path: &Path, clock: ManualClock) -> Result<Sqlite, BoxError> {
    Ok(Sqlite::builder(path).clock(clock).patience(PATIENCE).open().await?)
}

/// The longest check, which two stores on one file run as well: there is nothing left for one store to get wrong.
const TEN_THOUSAND: &str = "ten_thousand_increments_are_ten_thousand";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_keeps_every_promise_of_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let files = AtomicUsize::new(0);
    let report = conformance::run_those(
        |check| check != TEN_THOUSAND,
        async |clock| {
            let path = directory.path().join(files.fetch_add(1, Ordering::Relaxed).to_string());
            let store: Arc<dyn Store> = Arc::new(open(&path, clock).await?);
            Ok(store)
        },
    )
    .await;
    println!("{report}");
    report.assert();
}

/// Every question to another one of two stores, which have one file, or each its own.
async fn by_turns(one_file: bool) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let files = AtomicUsize::new(0);
    let chosen = |check: &str| one_file || check != TEN_THOUSAND;
    conformance::run_those(chosen, async |clock| {
        let path = || directory.path().join(files.fetch_add(1, Ordering::Relaxed).to_string());
        let first = path();
        let second = if one_file { first.clone() } else { path() };
        let both = [open(&first, clock.clone()).await?, open(&second, clock).await?];
        let store: Arc<dyn Store> = Arc::new(ByTurns { both, turn: AtomicUsize::new(0) });
        Ok(store)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_that_share_a_file_are_one_store() {
    let report = by_turns(true).await;
    println!("{report}");
    report.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_two_files_are_not_one_store() {
    assert!(by_turns(false).await.failed().count() > 5);
}

#[derive(Debug)]
struct ByTurns {
    both: [Sqlite; 2],
    turn: AtomicUsize,
}

impl ByTurns {
    fn next(&self) -> &Sqlite {
        &self.both[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl Store for ByTurns {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        self.next().load(key, touch).await
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        self.next().create(key, new).await
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        self.next().patch(key, patch, guard, limits).await
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        self.next().rotate(old, new, rotation).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.next().delete(key).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        self.next().list(subject).await
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        self.next().revoke(subject, except).await
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        self.next().epoch(subject).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.next().sweep(limit).await
    }

    fn capabilities(&self) -> Capabilities {
        self.next().capabilities()
    }
}
