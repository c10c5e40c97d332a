//! One file of SQLite as a store.

mod child;
mod conforms;
mod files;
mod processes;

use std::time::Duration;

use terrace_session::expiry::{Expiry, Touch};
use terrace_session::record::{Limits, Name, Patch, Value, Values};
use terrace_session::store::{Created, Guard, NewSession, Patched, Store};
use terrace_session::token::{SessionKey, Tag};

/// Busy machines have to wait longer than people.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn key(number: u64) -> SessionKey {
    let mut hash = [0; 32];
    hash.iter_mut().zip(number.to_be_bytes()).for_each(|(byte, of)| *byte = of);
    SessionKey::new(Tag([1; 4]), hash)
}

pub(crate) fn a_session() -> NewSession {
    let lifetime = Expiry::default().lifetime();
    NewSession { authentication: None, values: Values::new(), lifetime }
}

pub(crate) async fn create(store: &impl Store, key: SessionKey) {
    let created = store.create(&key, &a_session()).await.unwrap();
    assert!(matches!(created, Created::Created { .. }), "{created:?}");
}

pub(crate) fn count_of(values: &Values) -> u64 {
    values.get("count").map_or(0, |value| value.to().unwrap())
}

pub(crate) async fn count(store: &impl Store, key: SessionKey) -> u64 {
    let loaded = store.load(&key, Touch::Never).await.unwrap().unwrap();
    count_of(&loaded.record.values)
}

pub(crate) async fn set_count(
    store: &impl Store,
    key: SessionKey,
    count: u64,
    guard: Guard,
) -> Patched {
    let mut patch = Patch::default();
    patch.set(Name::new("count").unwrap(), Value::of(&count).unwrap());
    store.patch(&key, &patch, guard, Limits::default()).await.unwrap()
}
