//! The store on a real PostgreSQL. Skipped where it is not installed.

#![allow(clippy::unwrap_used, missing_docs)]

mod faults;
mod kept;
mod kit;
mod migrations;
mod races;
mod relay;
mod sweep;
mod trips;

use std::sync::Arc;
use std::time::Duration;

use terrace_session::expiry::{Lifetime, Touch};
use terrace_session::record::{Device, Patch};
use terrace_session::store::{
    Authentication, Change, Created, Guard, Loaded, NewSession, Patched, Postgres, PostgresBuilder,
    Rotated, Rotation, SubjectLimit,
};
use terrace_session::token::{SessionKey, Tag};
use terrace_session::{Limits, Name, Store, StoreError, Subject, Value};
use terrace_testkit::{Postgres as Server, tools};

const MINUTE: Duration = Duration::from_secs(60);
/// A use of a session of half an hour.
const USE: Touch = Touch::Use { idle: Duration::from_secs(1800), after: Duration::from_secs(225) };
const LIFETIME: Lifetime =
    Lifetime { idle: Duration::from_secs(1800), absolute: Duration::from_secs(43_200) };

async fn server() -> Option<Server> {
    tools::require_or_skip("postgres")?;
    Some(Server::start().await.unwrap())
}

fn at(server: &Server) -> PostgresBuilder {
    Postgres::builder(&server.url())
}

/// Replaces the functions in the database by those with a safeguard taken out.
async fn without(server: &Server, safeguard: &str, instead: &str) {
    let sql = at(server).sql().unwrap();
    assert!(sql.contains(safeguard), "there is no {safeguard:?} to take out");
    let client = server.connect().await.unwrap();
    client.batch_execute(&sql.replace(safeguard, instead)).await.unwrap();
}

fn key(number: u16) -> SessionKey {
    let [high, low] = number.to_be_bytes();
    let mut hash = [7; 32];
    hash[0] = high;
    hash[1] = low;
    SessionKey::new(Tag([1, 2, 3, 4]), hash)
}

fn subject(id: &str) -> Subject {
    Subject { id: id.into(), tag: Tag([1, 2, 3, 4]) }
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn stranger() -> NewSession {
    NewSession { authentication: None, values: Default::default(), lifetime: LIFETIME }
}

fn login(id: &str, limit: Option<SubjectLimit>) -> Authentication {
    Authentication { subject: subject(id), device: Device::default(), epoch: None, limit }
}

fn somebody(id: &str) -> NewSession {
    NewSession { authentication: Some(login(id, None)), ..stranger() }
}

fn rotation(change: Change) -> Rotation {
    Rotation { change, patch: Patch::default(), limits: Limits::default(), lifetime: LIFETIME }
}

fn renewal() -> Rotation {
    rotation(Change::Renew { grace: Duration::from_secs(10) })
}

fn set(field: &str, value: u64) -> Patch {
    let mut patch = Patch::default();
    patch.set(name(field), Value::of(&value).unwrap());
    patch
}

async fn create(store: &Postgres, number: u16, new: &NewSession) -> Loaded {
    match store.create(&key(number), new).await.unwrap() {
        Created::Created { loaded, .. } => loaded,
        other => panic!("created {number}: {other:?}"),
    }
}

async fn patch(store: &Postgres, number: u16, patch: &Patch, guard: Guard) -> Patched {
    store.patch(&key(number), patch, guard, Limits::default()).await.unwrap()
}

async fn load(store: &Postgres, number: u16) -> Option<Loaded> {
    store.load(&key(number), Touch::Never).await.unwrap()
}

fn is_rotated(rotated: &Rotated) -> bool {
    matches!(rotated, Rotated::Rotated { .. })
}

type Task<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// So many tasks at once.
async fn together<T: Send + 'static>(tasks: u16, task: impl Fn(u16) -> Task<T>) -> Vec<T> {
    let barrier = Arc::new(tokio::sync::Barrier::new(usize::from(tasks)));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..tasks {
        let (barrier, task) = (Arc::clone(&barrier), task(number));
        all.spawn(async move {
            barrier.wait().await;
            task.await
        });
    }
    all.join_all().await
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Err(StoreError::Unavailable(_)) => "unavailable",
        Err(StoreError::Unknown(_)) => "unknown",
        Err(StoreError::Invalid(_)) => "invalid",
        other => panic!("an error was expected: {other:?}"),
    }
}
