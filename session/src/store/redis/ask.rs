//! From a key to the session: what all operations share.

use std::time::Duration;

use tokio::time::sleep;

use super::Redis;
use super::call::Call;
use super::error::Says;
use super::names;
use super::reply::{Reply, Status, invalid};
use super::rotate::Claim;
use super::script::Script;
use crate::clock::millis;
use crate::error::StoreError;
use crate::token::{SessionKey, Tag};

/// A hundred years. Sums of two of these and a time of day are numbers that Lua counts exactly.
const LONGEST: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;
/// A time of day that leaves room for them.
const LATEST: u64 = 900_000_000_000_000;
/// How much longer keys stay when time is told by somebody else than Redis.
const APART: u64 = 60 * 60 * 1_000;
/// How often a key is asked again: what it leads to was renewed at that moment, or is moving.
const ROUNDS: usize = 8;
/// How long a session is left alone that is moving. The other half of a move is a round trip away.
const PAUSE: Duration = Duration::from_millis(10);
/// Keys that one command removes.
const BATCH: usize = 500;

/// What an operation does with a session that is moving to another slot, and has not yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Claims {
    /// It can have it: the answer is [`Status::Claimed`], with the session.
    Seen,
    /// It waits until the move is made or given up.
    Waited,
}

/// Where a session is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) key: SessionKey,
    /// The key that led here, if it is another one.
    pub(super) by: Option<SessionKey>,
}

impl At {
    pub(super) fn own(key: &SessionKey) -> Self {
        Self { key: *key, by: None }
    }
}

/// As scripts count.
pub(super) fn ms(duration: Duration) -> u64 {
    millis(duration).min(LONGEST)
}

impl Redis {
    /// A script with the arguments that all have.
    pub(super) fn call<'a>(
        &self,
        script: Script,
        keys: impl IntoIterator<Item = String>,
        by: Option<SessionKey>,
    ) -> Call<'a> {
        let now = self.clock.as_ref().map(|clock| clock.now().0.min(LATEST));
        let stay = if now.is_some() { APART } else { 0 };
        let by = by.map(|key| names::hash(&key));
        Call::new(script, keys.into_iter().collect()).arg(now).arg(by).arg(stay)
    }

    pub(super) async fn ask(&self, call: &Call<'_>) -> Result<Reply, StoreError> {
        Reply::read(self.link.ask(call).await?)
    }

    /// Asks for the session that a key leads to, wherever it is, and says where that was. Nothing if there is none.
    pub(super) async fn find<'a>(
        &self,
        key: &SessionKey,
        claims: Claims,
        call: impl Fn(&At) -> Call<'a>,
    ) -> Result<Option<(At, Reply)>, StoreError> {
        let mut at = At::own(key);
        let mut led = None;
        for _ in 0..ROUNDS {
            let mut reply = self.ask(&call(&at)).await?;
            match reply.status {
                Status::Moved => {
                    let to = names::key(key.tag(), &reply.bytes()?);
                    let to = to.ok_or_else(|| invalid("a key that leads nowhere"))?;
                    // It still leads to where nothing was.
                    if led.replace(to) == Some(to) {
                        return Ok(None);
                    }
                    at = At { key: to, by: Some(*key) };
                }
                Status::Gone if at.by.is_some() => at = At::own(key),
                Status::Gone | Status::Dead => return Ok(None),
                Status::Claimed => {
                    let (to, lapsed) = (reply.bytes()?, reply.number()? == 1);
                    match (self.resolve(&at, &to, lapsed).await?, claims) {
                        (Claim::Ended, _) => {}
                        (Claim::Open, Claims::Seen) => return Ok(Some((at, reply))),
                        (Claim::Open, Claims::Waited) => sleep(PAUSE).await,
                    }
                }
                _ => return Ok(Some((at, reply))),
            }
        }
        Err(StoreError::Unavailable(Says("the session is moving").into()))
    }

    /// Removes keys that lead nowhere any more. Nobody waits for it: it is room, and they have an end of their own.
    pub(super) fn remove(&self, keys: &[SessionKey]) {
        let calls = keys.chunks(BATCH).map(|keys| {
            let names = keys.iter().map(|key| self.names.session(key));
            self.call(Script::Remove, names, None)
        });
        let calls: Vec<_> = calls.collect();
        if calls.is_empty() {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            for call in &calls {
                if store.ask(call).await.is_err() {
                    return;
                }
            }
        });
    }

    /// The names of a session, its tag's index and its listing.
    pub(super) fn session(&self, key: &SessionKey) -> [String; 3] {
        let [index, listing] = self.tag(key.tag());
        [self.names.session(key), index, listing]
    }

    /// The names of a tag's index and its listing.
    pub(super) fn tag(&self, tag: Tag) -> [String; 2] {
        [self.names.index(tag), self.names.listing(tag)]
    }
}
