//! The operations: what is asked of the functions in `sql/`, and what their answers mean.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::link::Parameters;
use super::rows::{self, count, data, duration, get, integer, key, loaded, names, number};
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::store::{
    Authentication, Capabilities, Change, Created, Epoch, Guard, Listed, Loaded, NewSession,
    Patched, Rotated, Rotation, Store, Subject, WhenFull,
};
use crate::token::SessionKey;

/// How long an epoch is remembered after a revocation, at least. The sessions before it are deleted; what it is still
/// good for is a login whose proof is older, and none of these takes a day.
const EPOCH_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// So many sessions are locked at a time by a sweep, for some 20 ms.
const BATCH: usize = 1000;

/// What is passed of a login, after everything else.
#[derive(Default)]
struct Login<'a> {
    subject: Option<&'a [u8]>,
    epoch: Option<i64>,
    limit: Option<i64>,
    evict: bool,
    label: Option<&'a [u8]>,
    agent: Option<&'a [u8]>,
    network: Option<&'a [u8]>,
}

impl<'a> Login<'a> {
    fn of(login: &'a Authentication) -> Self {
        let bytes = |text: &'a Option<String>| text.as_deref().map(str::as_bytes);
        let device = &login.device;
        Self {
            subject: Some(login.subject.id.as_bytes()),
            epoch: login.epoch.map(|epoch| integer(epoch.0)),
            limit: login.limit.map(|limit| count(limit.sessions.max(1))),
            evict: login.limit.is_some_and(|limit| limit.when_full == WhenFull::EvictOldest),
            label: bytes(&device.label),
            agent: bytes(&device.agent),
            network: bytes(&device.network),
        }
    }

    /// In the order in which the functions take them.
    fn after<'b>(&'b self, before: Parameters<'b>) -> Vec<&'b (dyn ToSql + Sync)> {
        let Self { subject, epoch, limit, evict, label, agent, network } = self;
        let login: [&(dyn ToSql + Sync); 7] = [subject, epoch, limit, evict, label, agent, network];
        [before, &login].concat()
    }
}

#[async_trait]
impl Store for Postgres {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        let (idle, after) = match touch {
            Touch::Never => (None, None),
            Touch::Use { idle, after } => (Some(duration(idle)), Some(duration(after))),
        };
        let hash = key.hash().as_slice();
        let row = self.link.row(&self.calls.load, &[&self.at(), &hash, &idle, &after]).await?;
        if !get(&row, "found")? {
            return Ok(None);
        }
        Ok(Some(loaded(&row, get(&row, "touched")?, get(&row, "moved")?)?))
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        let login = new.authentication.as_ref().map(Login::of).unwrap_or_default();
        let called = self
            .link
            .row(
                &self.calls.create,
                &login.after(&[
                    &self.at(),
                    &key.hash().as_slice(),
                    &key.tag().0.as_slice(),
                    &data(&new.values)?,
                    &duration(new.lifetime.idle),
                    &duration(new.lifetime.absolute),
                ]),
            )
            .await;
        let row = match called {
            Err(fault) if fault.is_duplicate() => return Ok(Created::Exists),
            called => called?,
        };
        match get(&row, "outcome")? {
            "created" => Ok(Created::Created {
                loaded: loaded(&row, false, false)?,
                evicted: evicted(&row)?,
            }),
            "exists" => Ok(Created::Exists),
            "too many" => Ok(Created::Full),
            "revoked" => Ok(Created::Revoked),
            outcome => Err(strange(outcome)),
        }
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        let version = match guard {
            Guard::Exists => None,
            Guard::Version(version) => Some(integer(version)),
        };
        let called = self
            .link
            .row(
                &self.calls.patch,
                &[
                    &self.at(),
                    &key.hash().as_slice(),
                    &version,
                    &data(&patch.set)?,
                    &names(&patch.remove),
                    &count(limits.bytes),
                    &count(limits.values),
                    &count(limits.value),
                ],
            )
            .await;
        let row = called?;
        match get(&row, "outcome")? {
            "applied" => Ok(Patched::Applied { version: number(&row, "version")? }),
            "gone" => Ok(Patched::Gone),
            "conflict" => Ok(Patched::Conflict(loaded(&row, false, get(&row, "moved")?)?)),
            "full" => Ok(Patched::Full),
            outcome => Err(strange(outcome)),
        }
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        let nobody = Login::default();
        let (change, keep, grace, login) = match &rotation.change {
            Change::Login { authentication, keep_values } => {
                ("login", *keep_values, None, Login::of(authentication))
            }
            Change::Elevate => ("elevate", true, None, nobody),
            Change::Renew { grace } => ("renew", true, Some(duration(*grace)), nobody),
        };
        let (limits, lifetime) = (rotation.limits, rotation.lifetime);
        let called = self
            .link
            .row(
                &self.calls.rotate,
                &login.after(&[
                    &self.at(),
                    &old.hash().as_slice(),
                    &new.hash().as_slice(),
                    &new.tag().0.as_slice(),
                    &change,
                    &keep,
                    &grace,
                    &data(&rotation.patch.set)?,
                    &names(&rotation.patch.remove),
                    &count(limits.bytes),
                    &count(limits.values),
                    &count(limits.value),
                    &duration(lifetime.idle),
                    &duration(lifetime.absolute),
                ]),
            )
            .await;
        let row = match called {
            Err(fault) if fault.is_duplicate() => return Ok(Rotated::Exists),
            called => called?,
        };
        match get(&row, "outcome")? {
            "rotated" => Ok(Rotated::Rotated {
                loaded: loaded(&row, false, false)?,
                evicted: evicted(&row)?,
            }),
            "gone" => Ok(Rotated::Gone),
            "moved" => Ok(Rotated::Moved),
            "exists" => Ok(Rotated::Exists),
            "full" => Ok(Rotated::Full),
            "too many" => Ok(Rotated::TooMany),
            "revoked" => Ok(Rotated::Revoked),
            outcome => Err(strange(outcome)),
        }
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let hash = key.hash().as_slice();
        let row = self.link.row(&self.calls.delete, &[&self.at(), &hash]).await?;
        Ok(get(&row, "ended")?)
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        let id = subject.id.as_bytes();
        let rows = self.link.rows(&self.calls.list, &[&self.at(), &id]).await?;
        let listed = rows.iter().map(|row| {
            Ok(Listed {
                key: key(row)?,
                created: UnixMillis(number(row, "created")?),
                last_seen: UnixMillis(number(row, "last_seen")?),
                expires: UnixMillis(number(row, "expires")?),
                device: rows::device(row)?,
            })
        });
        listed.collect()
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        let (id, except) = (subject.id.as_bytes(), except.map(|key| key.hash().as_slice()));
        let kept = duration(EPOCH_KEPT);
        let row = self.link.row(&self.calls.revoke, &[&self.at(), &id, &except, &kept]).await?;
        Ok(number(&row, "ended")?)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        let row = self.link.row(&self.calls.epoch, &[&subject.id.as_bytes()]).await?;
        Ok(Epoch(number(&row, "epoch")?))
    }

    /// In batches of 1000, each a round trip and a transaction of some 20 ms.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < limit {
            let batch = BATCH.min(limit - removed);
            let row = self.link.row(&self.calls.sweep, &[&self.at(), &count(batch)]).await?;
            removed += usize::try_from(number(&row, "removed")?).unwrap_or(batch);
            if number(&row, "seen")? < batch as u64 {
                break;
            }
        }
        Ok(removed)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process().shared(true).durable(true).needs_sweep(true)
    }
}

fn evicted(row: &Row) -> Result<usize, StoreError> {
    Ok(usize::try_from(number(row, "evicted")?).unwrap_or(usize::MAX))
}

fn strange(outcome: &str) -> StoreError {
    StoreError::Invalid(format!("the functions in the database say {outcome:?}").into())
}
