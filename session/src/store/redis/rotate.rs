//! Sessions that move to a new key.
//!
//! Within one slot, or on one server, a move is one script. Between two slots of a cluster it is two, and nobody may see a
//! state between them from which the session is lost, or is there twice:
//!
//! 1. *Claim*, at the old key: nobody changes the session from now on, and it is noted where it goes and until when.
//! 2. *Install*, at the new key, if that time is not over: the session, and with it a mark that the move was made. This is
//!    the moment at which it moves. The mark outlives the session, so that a logout from the new key does not bring the
//!    old one back.
//! 3. The old key is removed. It is dead whether or not this happens.
//!
//! Whoever finds a claim looks for the mark. With it, the old key is dead. Without it, the session is still under the old
//! key: it can be read and deleted, and who wants to change it waits. When the time is over, and five seconds more since
//! the clocks of two nodes differ, no mark can come any more, and the claim is taken away: a client died between the
//! steps, and its user is still logged in.
//!
//! A logout between 1 and 3 is noted at the old key, and a revocation takes it out of its subject's list. A login goes
//! on after that: it is a new proof. What is renewed or elevated must not survive it, so there the third step is waited
//! for, and if it finds one of these, the new session is deleted.

use std::time::Duration;

use super::Redis;
use super::ask::{At, Claims, ms};
use super::call::Call;
use super::error::Says;
use super::names;
use super::reply::{self, Reply, Status};
use super::script::Script;
use crate::error::StoreError;
use crate::store::{Authentication, Change, Rotated, Rotation, WhenFull};
use crate::token::SessionKey;

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The session can still move.
    Open,
    /// It has moved, or is back.
    Ended,
}

/// How long the second half of a move may take to arrive.
const WINDOW: Duration = Duration::from_secs(5);

impl Redis {
    pub(super) async fn turn(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        let call = |at: &At| {
            let [key, index, listing] = self.session(new);
            let mut keys = self.session(&at.key).to_vec();
            keys.extend([key, index, listing, self.names.epochs(new.tag())]);
            keys.extend(at.by.map(|by| self.names.session(&by)));
            let call = rotation_args(self.call(Script::Rotate, keys, at.by), rotation, 0);
            patch_args(call, rotation)
        };
        let Some((at, mut reply)) = self.find(old, Claims::Waited, call).await? else {
            return Ok(Rotated::Gone);
        };
        let rotated = self.rotated(&mut reply, new)?;
        if matches!(rotated, Rotated::Rotated { .. }) {
            self.remove(&reply.keys(at.key.tag())?);
        }
        Ok(rotated)
    }

    /// Between two slots.
    pub(super) async fn carry(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        let claim = |at: &At| {
            let keys = self.session(&at.key).into_iter().take(2);
            let call = self.call(Script::Claim, keys, at.by);
            call.arg(why(&rotation.change))
                .arg(grace(&rotation.change))
                .arg(names::place(new))
                .arg(ms(WINDOW))
        };
        let Some((at, mut reply)) = self.find(old, Claims::Waited, claim).await? else {
            return Ok(Rotated::Gone);
        };
        if reply.status != Status::Ok {
            return self.rotated(&mut reply, new);
        }
        let (until, fields) = (reply.number()?, reply.texts()?);

        let mut keys = self.session(new).to_vec();
        keys.extend([self.names.epochs(new.tag()), self.names.mark(new.tag(), &at.key)]);
        let call = rotation_args(self.call(Script::Install, keys, None), rotation, until);
        let installed = self.ask(&patch_args(call, rotation).args(fields)).await;
        let rotated = match installed {
            Ok(mut reply) => self.rotated(&mut reply, new),
            Err(error) => Err(error),
        };
        match &rotated {
            Ok(Rotated::Rotated { .. }) => {}
            // It may be there. Who asks for the old key later will find out.
            Err(StoreError::Unknown(_)) => return rotated,
            _ => {
                // If this does not arrive, the claim lapses.
                let _ = self.settle(&at, &names::place(new), false).await;
                return rotated;
            }
        }
        if matches!(rotation.change, Change::Login { .. }) {
            let (store, place) = (self.clone(), names::place(new));
            tokio::spawn(async move { store.settle(&at, &place, true).await });
        } else if !self.settle(&at, &names::place(new), true).await? {
            self.end(new).await?;
            return Ok(Rotated::Gone);
        }
        rotated
    }

    /// What became of a move: whether it was made, or its time is over.
    pub(super) async fn resolve(
        &self,
        at: &At,
        to: &[u8],
        lapsed: bool,
    ) -> Result<Claim, StoreError> {
        let made = match names::at(to) {
            Some(new) => {
                let mark = self.names.mark(new.tag(), &at.key);
                let made = self.ask(&self.call(Script::Made, [mark], None)).await?;
                made.status == Status::Ok
            }
            None => false,
        };
        if !made && !lapsed {
            return Ok(Claim::Open);
        }
        self.settle(at, &String::from_utf8_lossy(to), made).await?;
        Ok(Claim::Ended)
    }

    /// Ends a claim. Says whether nobody has ended the session meanwhile.
    async fn settle(&self, at: &At, to: &str, made: bool) -> Result<bool, StoreError> {
        let mut keys = self.session(&at.key).to_vec();
        keys.extend(at.by.map(|by| self.names.session(&by)));
        let call = self.call(Script::Settle, keys, at.by).arg(to).arg(usize::from(made));
        Ok(self.ask(&call).await?.status == Status::Ok)
    }

    fn rotated(&self, reply: &mut Reply, new: &SessionKey) -> Result<Rotated, StoreError> {
        Ok(match reply.status {
            Status::Ok => {
                let loaded = reply.loaded(false)?;
                let oldest = reply.keys(new.tag())?;
                self.remove(&oldest);
                Rotated::Rotated { loaded, evicted: oldest.len() }
            }
            Status::Still => Rotated::Moved,
            Status::Full => Rotated::Full,
            Status::Crowded => Rotated::TooMany,
            Status::Revoked => Rotated::Revoked,
            Status::Exists => Rotated::Exists,
            Status::Late => {
                return Err(StoreError::Unavailable(
                    Says("the second half of a move was late").into(),
                ));
            }
            _ => Rotated::Gone,
        })
    }
}

fn why(change: &Change) -> &'static str {
    match change {
        Change::Login { .. } => "login",
        Change::Elevate => "elevate",
        Change::Renew { .. } => "renew",
    }
}

fn grace(change: &Change) -> u64 {
    match change {
        Change::Renew { grace } => ms(*grace),
        _ => 0,
    }
}

/// What a script is told of a rotation, but for its patch.
fn rotation_args<'a>(call: Call<'a>, rotation: &'a Rotation, until: u64) -> Call<'a> {
    let (login, keep) = match &rotation.change {
        Change::Login { authentication, keep_values } => (Some(authentication), *keep_values),
        _ => (None, true),
    };
    let call = call
        .arg(why(&rotation.change))
        .arg(ms(rotation.lifetime.idle))
        .arg(ms(rotation.lifetime.absolute))
        .arg(grace(&rotation.change))
        .arg(usize::from(keep));
    let limits = rotation.limits;
    login_args(call, login)
        .args([limits.bytes, limits.values, limits.value])
        .args([rotation.patch.set.len(), rotation.patch.remove.len()])
        .arg(until)
}

fn patch_args<'a>(call: Call<'a>, rotation: &'a Rotation) -> Call<'a> {
    super::patch_args(call, &rotation.patch)
}

/// Who logs in, six arguments.
pub(super) fn login_args<'a>(call: Call<'a>, login: Option<&'a Authentication>) -> Call<'a> {
    let limit = login.and_then(|login| login.limit);
    let full = limit.map(|limit| match limit.when_full {
        WhenFull::Reject => "reject",
        WhenFull::EvictOldest => "evict",
    });
    call.arg(login.map(|login| names::who(&login.subject.id)))
        .arg(login.map(|login| &*login.subject.id))
        .arg(reply::device(&login.map(|login| login.device.clone()).unwrap_or_default()))
        .arg(login.and_then(|login| login.epoch).map(|epoch| epoch.0))
        .arg(limit.map(|limit| limit.sessions))
        .arg(full)
}
