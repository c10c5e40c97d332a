//! Redis, one server or a cluster. Uses nothing that is newer than 6.2; tested with 6.2, 7.0 and 8.0, and with
//! Valkey 8.1.
//!
//! A session is one hash, and an operation on it is one script: what two requests change is merged where it is kept, and
//! what was deleted is not there to be written to. The time is the server's.
//!
//! ```no_run
//! use terrace_session::store::Redis;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Redis::connect("redis://sessions.internal").await?;
//! # let _ = store; Ok(()) }
//! ```
//!
//! A cluster, by some of its nodes, and a prefix of its own:
//!
//! ```no_run
//! use terrace_session::store::Redis;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let nodes = ["redis://sessions-1.internal", "redis://sessions-2.internal"];
//! let store = Redis::cluster(nodes).prefix("shop").connect().await?;
//! # let _ = store; Ok(()) }
//! ```
//!
//! # What is on a server
//!
//! `TAG` is a session's tag in hex, in braces: what belongs to a subject is in one slot.
//!
//! | key | is |
//! |---|---|
//! | `terrace:{TAG}:s:HASH` | a session: a hash; or what leads to one since a renewal |
//! | `terrace:{TAG}:i` | when the sessions of the tag's subjects end: a sorted set of `SUBJECT:HASH` |
//! | `terrace:{TAG}:d` | when they began, when they were used and with what: a hash, for lists |
//! | `terrace:{TAG}:e` | when subjects were revoked: a hash |
//! | `terrace:{TAG}:m:HASH` | that a session has moved here from another slot: only in a cluster |
//!
//! Who is logged in is logged in while the sorted set says so: to end all sessions of a subject, or the oldest, is to take them
//! out of it, and their hashes are room that is given back after that. The subject is no part of a key, because a load
//! knows only the token, and a script that makes up names of keys is one that Redis does not support.
//!
//! In a session, values are under `=NAME`, and what is known of it under one letter: `f` the format, `v` version, `c`
//! created, `l` last seen, `x` expires, `a` absolute, `r` renewed, `s` subject, `h` its hash, `t` authenticated, `d` device,
//! `p` the key before, `g` its grace, `u` when the key was first used, `n` and `w` where it moves and until when, `k` that it
//! was deleted meanwhile. Fields
//! that a later version adds are left alone, and go along when it moves.
//!
//! Every key has a TTL: of a session its end, of what sessions share the last of their ends. Nobody has to sweep, and no keyspace
//! events are needed.
//!
//! # Trips
//!
//! One an operation. Two if the session was renewed a moment ago and is asked for by its key from before; two for a
//! rotation between two slots of a cluster. A server that has forgotten a script costs one more. Hashes of sessions that
//! were ended in numbers are removed after the answer, when nobody waits.
//!
//! # When a cluster moves a slot
//!
//! No session ends and no write is lost. A session whose keys are partly here and partly there, and a stranger's until
//! the whole slot is there, is put off by Redis (`TRYAGAIN`): asked again after 20 ms, three times, and then
//! [`Unavailable`](crate::StoreError::Unavailable).
//!
//! # When not
//!
//! A server that evicts ends sessions: use `maxmemory-policy noeviction`. One without persistence that is restarted logs
//! everybody out, and a failover loses the last writes, a logout among them: where that matters, use PostgreSQL.

mod ask;
mod builder;
mod call;
mod error;
mod link;
mod names;
mod reply;
mod rotate;
mod script;

pub use self::builder::RedisBuilder;
pub use self::error::OpenError;

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::ask::{At, Claims, ms};
use self::call::{Arg as _, Call};
use self::link::Link;
use self::names::Names;
use self::reply::Status;
use self::script::Script;
use super::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Store, Subject,
};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::token::SessionKey;

/// How long an epoch is known. The sessions before it are over at once; what it is still good for is a login whose proof is
/// older, and none of these takes a month.
const EPOCH_KNOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Sessions on Redis.
///
/// It has one connection, and makes a new one when that breaks. While there is none, operations fail at once with
/// [`StoreError::Unavailable`].
///
/// # Clone
///
/// Clones share the connection.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
    names: Names,
    clock: Option<Arc<dyn Clock>>,
}

impl Redis {
    /// The store on one server, once it answers: `redis://user:password@host:port/database`, or `rediss://` with the
    /// feature `tls-rustls`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the URL cannot be used, or the server does not answer within a second.
    pub async fn connect(url: impl Into<String>) -> Result<Self, OpenError> {
        Self::builder(url).connect().await
    }

    /// A store on one server, with settings of its own.
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(vec![url.into()], false)
    }

    /// A store on a cluster, by some of its nodes.
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisBuilder {
        RedisBuilder::new(urls.into_iter().map(Into::into).collect(), true)
    }

    /// How often it has begun to connect.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.link.attempts()
    }

    async fn end(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let call = |at: &At, moving: bool| {
            let mut keys = self.session(&at.key).to_vec();
            keys.extend(at.by.map(|by| self.names.session(&by)));
            self.call(Script::Delete, keys, at.by).arg(usize::from(moving))
        };
        let found = self.find(key, Claims::Seen, |at| call(at, false)).await?;
        let Some((at, mut reply)) = found else { return Ok(false) };
        if reply.status == Status::Claimed {
            reply = self.ask(&call(&at, true)).await?;
            if reply.status != Status::Ok {
                return Ok(false);
            }
        }
        if at.by.is_none() {
            self.remove(&reply.keys(key.tag())?);
        }
        Ok(true)
    }
}

#[async_trait]
impl Store for Redis {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        let call = |at: &At| {
            let call = self.call(Script::Load, self.session(&at.key), at.by);
            match touch {
                Touch::Never => call,
                Touch::Use { idle, after } => call.arg(ms(idle)).arg(ms(after)),
            }
        };
        let found = self.find(key, Claims::Seen, call).await?;
        let Some((at, mut reply)) = found else { return Ok(None) };
        reply.loaded(at.by.is_some()).map(Some)
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        let [session, index, listing] = self.session(key);
        let keys = [session, index, listing, self.names.epochs(key.tag())];
        let call = self.call(Script::Create, keys, None);
        let call = call.arg(ms(new.lifetime.idle)).arg(ms(new.lifetime.absolute));
        let mut call = rotate::login_args(call, new.authentication.as_ref());
        for (name, value) in &new.values {
            call = call.arg(format!("={name}")).arg(value.as_json());
        }
        let mut reply = self.ask(&call).await?;
        Ok(match reply.status {
            Status::Ok => {
                let loaded = reply.loaded(false)?;
                let oldest = reply.keys(key.tag())?;
                self.remove(&oldest);
                Created::Created { loaded, evicted: oldest.len() }
            }
            Status::Crowded => Created::Full,
            Status::Revoked => Created::Revoked,
            _ => Created::Exists,
        })
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        let call = |at: &At| {
            let keys = self.session(&at.key).into_iter().take(2);
            let version = match guard {
                Guard::Exists => None,
                Guard::Version(version) => Some(version),
            };
            let call = self.call(Script::Patch, keys, at.by).arg(version);
            let call = call.args([limits.bytes, limits.values, limits.value]);
            patch_args(call.args([patch.set.len(), patch.remove.len()]), patch)
        };
        let found = self.find(key, Claims::Waited, call).await?;
        let Some((at, mut reply)) = found else { return Ok(Patched::Gone) };
        Ok(match reply.status {
            Status::Ok => Patched::Applied { version: reply.number()? },
            Status::Conflict => Patched::Conflict(reply.loaded(at.by.is_some())?),
            Status::Full => Patched::Full,
            _ => Patched::Gone,
        })
    }

    /// Between two slots of a cluster it is two steps; see the module's source for why that is safe.
    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        if self.link.is_cluster() && old.tag() != new.tag() {
            self.carry(old, new, rotation).await
        } else {
            self.turn(old, new, rotation).await
        }
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.end(key).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        let call = self.call(Script::List, self.tag(subject.tag), None);
        let mut reply = self.ask(&call.arg(names::who(&subject.id))).await?;
        let mut list = reply.listed(subject.tag)?;
        list.sort_unstable_by_key(|one| Reverse((one.last_seen, one.created)));
        Ok(list)
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        let call = |at: Option<&At>| {
            let mut keys = self.tag(subject.tag).to_vec();
            keys.push(self.names.epochs(subject.tag));
            keys.extend(at.map(|at| self.names.session(&at.key)));
            let call = self.call(Script::Revoke, keys, at.and_then(|at| at.by));
            call.arg(names::who(&subject.id)).arg(ms(EPOCH_KNOWN))
        };
        let found = match except.filter(|key| key.tag() == subject.tag) {
            Some(key) => {
                self.find(key, Claims::Waited, |at| call(Some(at))).await?.map(|(_, reply)| reply)
            }
            None => None,
        };
        let mut reply = match found {
            Some(reply) => reply,
            None => self.ask(&call(None)).await?,
        };
        let ended = reply.keys(subject.tag)?;
        self.remove(&ended);
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        let call = self.call(Script::Epoch, [self.names.epochs(subject.tag)], None);
        let mut reply = self.ask(&call.arg(names::who(&subject.id))).await?;
        reply.number().map(Epoch)
    }

    /// Nothing is left to do: Redis removes what is over.
    async fn sweep(&self, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process().shared(true).durable(true)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Names and values to set, then names to remove.
fn patch_args<'a>(call: Call<'a>, patch: &'a Patch) -> Call<'a> {
    let pairs = patch
        .set
        .iter()
        .flat_map(|(name, value)| [format!("={name}").text(), value.as_json().text()]);
    call.args(pairs).args(patch.remove.iter().map(|name| format!("={name}")))
}
