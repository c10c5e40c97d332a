//! What a check stands on: its store, its clock, and short words for what it asks.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use tokio::sync::Barrier;

use super::report::Failure;
use crate::clock::{Clock, ManualClock, UnixMillis};
use crate::expiry::{Lifetime, Touch};
use crate::record::{Device, Limits, Name, Patch, Record, Value, Values};
use crate::store::{
    Authentication, Change, Created, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Store, Subject,
};
use crate::token::{SessionKey, Tag};

pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(super) const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
pub(super) const GRACE: Duration = Duration::from_secs(10);
pub(super) const MILLI: Duration = Duration::from_millis(1);
pub(super) const LIFETIME: Lifetime = Lifetime { idle: IDLE, absolute: ABSOLUTE };
/// A use that is noted when the last one is an eighth of the idle time ago.
pub(super) const USE: Touch = Touch::Use { idle: IDLE, after: Duration::from_secs(30 * 60 / 8) };

/// What a check gives.
pub(super) type Verdict = Result<(), Failure>;

/// What a check stands on.
#[derive(Clone)]
pub(super) struct Ground {
    check: &'static str,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: ManualClock,
    keys: Arc<AtomicU64>,
}

impl Ground {
    pub(super) fn new(check: &'static str, store: Arc<dyn Store>, clock: ManualClock) -> Self {
        Self { check, store, clock, keys: Arc::default() }
    }

    /// A key that nothing is under, of this tag.
    pub(super) fn key_at(&self, tag: Tag) -> SessionKey {
        let turn = self.keys.fetch_add(1, Ordering::Relaxed);
        let hash = Sha256::new().chain_update(self.check).chain_update(turn.to_le_bytes());
        SessionKey::new(tag, hash.finalize().into())
    }

    /// A key for a stranger.
    pub(super) fn key(&self) -> SessionKey {
        let turn = self.keys.load(Ordering::Relaxed);
        self.key_at(tag(&turn.to_le_bytes()))
    }

    /// A stranger's session with these values.
    pub(super) async fn stranger(&self, values: &[(&str, &str)]) -> Result<SessionKey, Failure> {
        let key = self.key();
        self.begin(
            key,
            &NewSession { authentication: None, values: of(values), lifetime: LIFETIME },
        )
        .await?;
        Ok(key)
    }

    /// A session of a subject.
    pub(super) async fn logged_in(&self, subject: &Subject) -> Result<SessionKey, Failure> {
        let key = self.key_at(subject.tag);
        self.begin(key, &session_of(login(subject))).await?;
        Ok(key)
    }

    async fn begin(&self, key: SessionKey, new: &NewSession) -> Verdict {
        match self.store.create(&key, new).await? {
            Created::Created { .. } => Ok(()),
            other => Err(Failure::new("a new session", format!("{other:?}"))),
        }
    }

    /// The session, without using it.
    pub(super) async fn look(&self, key: &SessionKey) -> Result<Option<Loaded>, Failure> {
        Ok(self.store.load(key, Touch::Never).await?)
    }

    /// The session, which has to be there.
    pub(super) async fn found(&self, key: &SessionKey) -> Result<Loaded, Failure> {
        let loaded = self.look(key).await?;
        loaded.ok_or_else(|| Failure::new(format!("session {key}"), "no session"))
    }

    /// The session must not be there.
    pub(super) async fn gone(&self, key: &SessionKey) -> Verdict {
        match self.look(key).await? {
            None => Ok(()),
            Some(loaded) => Err(Failure::new(
                format!("no session under {key}"),
                format!("one with {}", shown(&loaded.record)),
            )),
        }
    }

    /// The session has just these values.
    pub(super) async fn holds(&self, key: &SessionKey, values: &[(&str, &str)]) -> Verdict {
        let record = self.found(key).await?.record;
        if *record.values == of(values) {
            return Ok(());
        }
        Err(Failure::new(show(&of(values)), shown(&record)))
    }

    /// Sets one value.
    pub(super) async fn set(
        &self,
        key: &SessionKey,
        name: &str,
        json: &str,
    ) -> Result<Patched, Failure> {
        let patch = setting(&[(name, json)]);
        Ok(self.store.patch(key, &patch, Guard::Exists, Limits::default()).await?)
    }

    pub(super) async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        change: Change,
    ) -> Result<Rotated, Failure> {
        Ok(self.store.rotate(old, new, &rotation(change)).await?)
    }

    /// A rotation that has to come about.
    pub(super) async fn moves(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        change: Change,
    ) -> Result<Loaded, Failure> {
        match self.rotate(old, new, change).await? {
            Rotated::Rotated { loaded, .. } => Ok(loaded),
            other => Err(Failure::new("a rotation", format!("{other:?}"))),
        }
    }

    /// The keys in a subject's list.
    pub(super) async fn keys_of(&self, subject: &Subject) -> Result<Vec<SessionKey>, Failure> {
        Ok(self.list(subject).await?.iter().map(|listed| listed.key).collect())
    }

    pub(super) async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, Failure> {
        Ok(self.store.list(subject).await?)
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }
}

/// Runs them at the same time, as tasks that begin together.
pub(super) async fn at_once<T, F>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let futures: Vec<_> = futures.into_iter().collect();
    let barrier = Arc::new(Barrier::new(futures.len()));
    let tasks = futures.into_iter().map(|future| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            future.await
        })
    });
    let done = try_join_all(tasks).await;
    done.map_err(|error| Failure::new("a task that ends", error))
}

/// `got` has to be `expected`.
pub(super) fn same<T: PartialEq + Debug>(what: &str, expected: &T, got: &T) -> Verdict {
    if expected == got {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: {expected:?}"), format!("{got:?}")))
}

/// It has to be so.
pub(super) fn holds(what: &str, so: bool, got: impl Debug) -> Verdict {
    if so { Ok(()) } else { Err(Failure::new(what, format!("{got:?}"))) }
}

/// A patch has to be applied.
pub(super) fn applied(patched: &Patched) -> Verdict {
    holds("a patch that is applied", matches!(patched, Patched::Applied { .. }), patched)
}

/// Values of names and JSON. What is neither is left out: checks are written with what is.
pub(super) fn of(values: &[(&str, &str)]) -> Values {
    let value =
        |(name, json): &(&str, &str)| Some((Name::new(name).ok()?, Value::from_json(json).ok()?));
    values.iter().filter_map(value).collect()
}

pub(super) fn setting(values: &[(&str, &str)]) -> Patch {
    Patch { set: of(values), remove: Vec::new() }
}

pub(super) fn removing(names: &[&str]) -> Patch {
    Patch {
        remove: names.iter().filter_map(|name| Name::new(name).ok()).collect(),
        ..Patch::default()
    }
}

pub(super) fn subject(id: &str) -> Subject {
    Subject { id: id.into(), tag: tag(id.as_bytes()) }
}

pub(super) fn tag(of: &[u8]) -> Tag {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(of));
    Tag([a, b, c, d])
}

pub(super) fn login(subject: &Subject) -> Authentication {
    Authentication { subject: subject.clone(), device: Device::default(), epoch: None, limit: None }
}

pub(super) fn session_of(authentication: Authentication) -> NewSession {
    NewSession { authentication: Some(authentication), values: Values::new(), lifetime: LIFETIME }
}

pub(super) fn logs_in(subject: &Subject) -> Change {
    Change::Login { authentication: login(subject), keep_values: true }
}

pub(super) const fn renews() -> Change {
    Change::Renew { grace: GRACE }
}

pub(super) fn rotation(change: Change) -> Rotation {
    Rotation { change, patch: Patch::default(), limits: Limits::default(), lifetime: LIFETIME }
}

/// The values of a record, which are the check's own.
fn shown(record: &Record) -> String {
    show(&record.values)
}

fn show(values: &Values) -> String {
    let value = |(name, value): (&Name, &Value)| {
        let json: String = value.as_json().chars().take(80).collect();
        format!("{:?}: {json}", name.as_str())
    };
    format!("{{{}}}", values.iter().map(value).collect::<Vec<_>>().join(", "))
}
