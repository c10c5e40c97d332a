//! A store that is right but for one fault.

use std::time::Duration;

use async_trait::async_trait;
use terrace_session::expiry::{Lifetime, Touch};
use terrace_session::record::{Device, Limits, Name, Patch, Value};
use terrace_session::store::{
    Authentication, Capabilities, Change, Created, Epoch, Guard, Listed, Loaded, Memory,
    NewSession, Patched, Rotated, Rotation, Store, Subject,
};
use terrace_session::token::SessionKey;
use terrace_session::{ManualClock, StoreError};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each test has faults of its own")]
pub(crate) enum Fault {
    None,
    PatchCreates,
    WritesBackWhole,
    IgnoresVersion,
    CreateOverwrites,
    DeletesFirst,
    RotationCopies,
    RotationReadsFirst,
    TouchesAlways,
    NoAbsoluteDeadline,
    EndsLate,
    LookIsUse,
    NoEpoch,
    EpochStandsStill,
    NoException,
    GraceForEver,
    RenewalElevates,
    NoLimits,
    CountsFirst,
    NoSubjectLimit,
    SweepsAll,
    RewritesJson,
    CutsNames,
    IndexByTag,
    ListUnordered,
    NoDevice,
    NeverDeletes,
}

const FOR_EVER: Duration = Duration::from_secs(1 << 32);
const NO_LIMITS: Limits = Limits { bytes: usize::MAX, values: usize::MAX, value: usize::MAX };

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Memory,
    clock: ManualClock,
    fault: Fault,
}

impl Faulty {
    pub(crate) fn new(inner: Memory, clock: ManualClock, fault: Fault) -> Self {
        Self { inner, clock, fault }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn subject(&self, subject: &Subject) -> Subject {
        let id = if self.has(Fault::IndexByTag) { "".into() } else { subject.id.clone() };
        Subject { id, tag: subject.tag }
    }

    fn authentication(&self, given: &Authentication) -> Authentication {
        let mut login = given.clone();
        login.subject = self.subject(&given.subject);
        if self.has(Fault::NoEpoch) || self.has(Fault::EpochStandsStill) {
            login.epoch = None;
        }
        if self.has(Fault::NoSubjectLimit) || self.has(Fault::CountsFirst) {
            login.limit = None;
        }
        if self.has(Fault::NoDevice) {
            login.device = Device::default();
        }
        login
    }

    fn lifetime(&self, lifetime: Lifetime) -> Lifetime {
        match self.fault {
            Fault::NoAbsoluteDeadline => Lifetime { absolute: FOR_EVER, ..lifetime },
            Fault::EndsLate => {
                Lifetime { idle: lifetime.idle + Duration::from_millis(1), ..lifetime }
            }
            _ => lifetime,
        }
    }

    fn patch_of(&self, patch: &Patch) -> Patch {
        let set = patch.set.iter().map(|(name, value)| (self.name(name), self.value(value)));
        let remove = patch.remove.iter().map(|name| self.name(name));
        Patch { set: set.collect(), remove: remove.collect() }
    }

    fn name(&self, name: &Name) -> Name {
        let cut = name.as_str().split('.').next().unwrap_or_default();
        if self.has(Fault::CutsNames) {
            Name::new(cut).unwrap_or(name.clone())
        } else {
            name.clone()
        }
    }

    fn value(&self, value: &Value) -> Value {
        if !self.has(Fault::RewritesJson) {
            return value.clone();
        }
        let parsed = value.to::<serde_json::Value>();
        parsed.ok().and_then(|parsed| Value::of(&parsed).ok()).unwrap_or(value.clone())
    }

    /// What limits the subject's sessions, looked at before and not at the same time.
    async fn is_full(&self, login: Option<&Authentication>) -> Result<bool, StoreError> {
        let Some(limit) = login.and_then(|login| login.limit) else { return Ok(false) };
        let Some(subject) = login.map(|login| &login.subject) else { return Ok(false) };
        let there = self.inner.list(subject).await?.len();
        tokio::task::yield_now().await;
        Ok(there >= limit.sessions)
    }

    /// The session under both keys, from what was read before: the old one first, or not at all.
    async fn copy(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
        ends_old: bool,
    ) -> Result<Rotated, StoreError> {
        let Some(loaded) = self.inner.load(old, Touch::Never).await? else {
            return Ok(Rotated::Gone);
        };
        if self.has(Fault::DeletesFirst) && ends_old {
            self.inner.delete(old).await?;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let subject = loaded.record.subject.clone();
        let authentication = match &rotation.change {
            Change::Login { authentication, .. } => Some(authentication.clone()),
            _ => subject.map(|id| Authentication {
                subject: Subject { id, tag: old.tag() },
                device: loaded.record.device.clone(),
                epoch: None,
                limit: None,
            }),
        };
        let values = (*loaded.record.values).clone();
        let session = NewSession { authentication, values, lifetime: rotation.lifetime };
        let created = self.inner.create(new, &session).await?;
        if ends_old {
            self.inner.delete(old).await?;
        }
        Ok(match created {
            Created::Created { loaded, evicted } => Rotated::Rotated { loaded, evicted },
            _ => Rotated::Exists,
        })
    }
}

#[async_trait]
impl Store for Faulty {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        let touch = match (self.fault, touch) {
            (Fault::TouchesAlways, Touch::Use { idle, .. }) => {
                self.clock.advance(Duration::from_millis(1));
                Touch::Use { idle, after: Duration::ZERO }
            }
            (Fault::LookIsUse, Touch::Never) => {
                Touch::Use { idle: Duration::from_secs(30 * 60), after: Duration::ZERO }
            }
            _ => touch,
        };
        self.inner.load(key, touch).await
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        if self.has(Fault::CreateOverwrites) {
            self.inner.delete(key).await?;
        }
        if self.has(Fault::CountsFirst) && self.is_full(new.authentication.as_ref()).await? {
            return Ok(Created::Full);
        }
        let authentication = new.authentication.as_ref().map(|login| self.authentication(login));
        let values = self.patch_of(&Patch { set: new.values.clone(), remove: Vec::new() }).set;
        let lifetime = self.lifetime(new.lifetime);
        self.inner.create(key, &NewSession { authentication, values, lifetime }).await
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        let mut patch = self.patch_of(patch);
        let guard = if self.has(Fault::IgnoresVersion) { Guard::Exists } else { guard };
        let limits = if self.has(Fault::NoLimits) { NO_LIMITS } else { limits };
        if self.has(Fault::WritesBackWhole)
            && let Some(loaded) = self.inner.load(key, Touch::Never).await?
        {
            tokio::task::yield_now().await;
            let mut whole = (*loaded.record.values).clone();
            if !terrace_session::record::apply(&mut whole, &patch, limits) {
                return Ok(Patched::Full);
            }
            let there = self.inner.load(key, Touch::Never).await?;
            let there = there.map(|there| there.record.values.clone()).unwrap_or_default();
            let lost = there.keys().filter(|name| !whole.contains_key(*name)).cloned();
            patch = Patch { remove: lost.collect(), set: whole };
        }
        let patched = self.inner.patch(key, &patch, guard, limits).await?;
        if self.has(Fault::PatchCreates) && patched == Patched::Gone {
            let lifetime = Lifetime { idle: FOR_EVER, absolute: FOR_EVER };
            let new = NewSession { authentication: None, values: patch.set, lifetime };
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
        let ends_old = !self.has(Fault::RotationCopies);
        let copies = [Fault::DeletesFirst, Fault::RotationCopies, Fault::RotationReadsFirst];
        if copies.contains(&self.fault) && !matches!(rotation.change, Change::Renew { .. }) {
            return self.copy(old, new, rotation, ends_old).await;
        }
        let mut rotation = rotation.clone();
        rotation.patch = self.patch_of(&rotation.patch);
        rotation.lifetime = self.lifetime(rotation.lifetime);
        if self.has(Fault::NoLimits) {
            rotation.limits = NO_LIMITS;
        }
        rotation.change = match rotation.change {
            Change::Renew { .. } if self.has(Fault::RenewalElevates) => Change::Elevate,
            Change::Renew { .. } if self.has(Fault::GraceForEver) => {
                Change::Renew { grace: FOR_EVER }
            }
            Change::Login { authentication, keep_values } => {
                if self.has(Fault::CountsFirst) && self.is_full(Some(&authentication)).await? {
                    return Ok(Rotated::TooMany);
                }
                let authentication = self.authentication(&authentication);
                Change::Login { authentication, keep_values }
            }
            other => other,
        };
        self.inner.rotate(old, new, &rotation).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        if self.has(Fault::NeverDeletes) {
            return Ok(self.inner.load(key, Touch::Never).await?.is_some());
        }
        self.inner.delete(key).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        let mut list = self.inner.list(&self.subject(subject)).await?;
        if self.has(Fault::ListUnordered) {
            list.sort_by_key(|listed| listed.key);
            list.sort_by_key(|listed| listed.created);
        }
        Ok(list)
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        let except = except.filter(|_| !self.has(Fault::NoException));
        self.inner.revoke(&self.subject(subject), except).await
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        if self.has(Fault::EpochStandsStill) {
            return Ok(Epoch(1));
        }
        self.inner.epoch(&self.subject(subject)).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let limit = if self.has(Fault::SweepsAll) { usize::MAX } else { limit };
        self.inner.sweep(limit).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
