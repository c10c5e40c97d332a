//! A plain reference: what a store has to answer to any sequence of questions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::expiry::Touch;
use crate::record::{self, Limits, Patch, Record};
use crate::store::{NewSession, Rotation, SubjectLimit, WhenFull, transition};
use crate::token::SessionKey;

/// Sessions as they have to be. Looks at everything each time, and keeps nothing that is over.
#[derive(Default)]
pub(super) struct Model {
    pub(super) sessions: Vec<Session>,
    /// When each subject was last revoked.
    pub(super) revoked: BTreeMap<Arc<str>, UnixMillis>,
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) key: SessionKey,
    pub(super) record: Record,
    previous: Option<Previous>,
}

#[derive(Clone, Copy)]
struct Previous {
    key: SessionKey,
    grace: Duration,
    until: Option<UnixMillis>,
}

impl Model {
    /// Lets time pass.
    pub(super) fn at(&mut self, now: UnixMillis) {
        self.sessions.retain(|session| !session.record.is_expired(now));
        for session in &mut self.sessions {
            session.previous =
                session.previous.filter(|old| old.until.is_none_or(|until| now < until));
        }
    }

    /// The session under a key, and whether it has moved on from there.
    pub(super) fn find(&mut self, key: &SessionKey) -> Option<(&mut Session, bool)> {
        let is_it = |session: &&mut Session| session.key == *key || session.is_previous(key);
        let session = self.sessions.iter_mut().find(is_it)?;
        let moved = session.key != *key;
        Some((session, moved))
    }

    pub(super) fn load(
        &mut self,
        key: &SessionKey,
        touch: Touch,
        now: UnixMillis,
    ) -> Option<(Record, bool, bool)> {
        let (session, moved) = self.find(key)?;
        if let Some(previous) = session.previous.as_mut().filter(|_| !moved) {
            previous.until.get_or_insert(now.after(previous.grace));
        }
        let record = &mut session.record;
        let noted = touch.deadline(record.last_seen, record.expires, record.absolute, now);
        if let Some(expires) = noted {
            record.last_seen = now;
            record.expires = expires;
        }
        Some((record.clone(), noted.is_some(), moved))
    }

    pub(super) fn create(&mut self, key: SessionKey, new: &NewSession, now: UnixMillis) {
        let record = transition::begin(new, now);
        self.sessions.push(Session { key, record, previous: None });
    }

    /// Whether there is room, with the values that were there.
    pub(super) fn patch(record: &mut Record, patch: &Patch, limits: Limits) -> bool {
        record::apply(Arc::make_mut(&mut record.values), patch, limits)
    }

    /// The keys of a subject, the last used first.
    pub(super) fn list(&self, subject: &str) -> Vec<SessionKey> {
        let of = |session: &&Session| session.record.subject.as_deref() == Some(subject);
        let mut list: Vec<_> = self.sessions.iter().filter(of).collect();
        list.sort_by_key(|session| std::cmp::Reverse(session.record.last_seen));
        list.iter().map(|session| session.key).collect()
    }

    /// Makes room for one session more, if that may be, and gives how many had to go.
    pub(super) fn admit(
        &mut self,
        subject: &str,
        limit: Option<SubjectLimit>,
        instead_of: Option<SessionKey>,
    ) -> Option<usize> {
        let Some(limit) = limit else { return Some(0) };
        let mut others = self.list(subject);
        others.retain(|key| Some(*key) != instead_of);
        let too_many = (others.len() + 1).saturating_sub(limit.sessions);
        if too_many > 0 && limit.when_full == WhenFull::Reject {
            return None;
        }
        let gone: Vec<_> = others.into_iter().rev().take(too_many).collect();
        self.sessions.retain(|session| !gone.contains(&session.key));
        Some(gone.len())
    }

    pub(super) fn end(&mut self, key: &SessionKey) -> bool {
        let before = self.sessions.len();
        self.sessions.retain(|session| session.key != *key && !session.is_previous(key));
        self.sessions.len() < before
    }

    pub(super) fn revoke(
        &mut self,
        subject: &Arc<str>,
        except: Option<&SessionKey>,
        now: UnixMillis,
    ) -> u64 {
        let kept = |session: &Session| {
            let excepted =
                except.is_some_and(|key| session.key == *key || session.is_previous(key));
            excepted || session.record.subject.as_ref() != Some(subject)
        };
        let before = self.sessions.len();
        self.sessions.retain(kept);
        self.revoked.insert(Arc::clone(subject), now);
        (before - self.sessions.len()) as u64
    }
}

impl Session {
    fn is_previous(&self, key: &SessionKey) -> bool {
        self.previous.is_some_and(|previous| previous.key == *key)
    }

    /// Whether a renewal by the old key has something to do.
    pub(super) fn was_lost(&self, grace: Duration, now: UnixMillis) -> bool {
        let unseen = self.previous.is_some_and(|previous| previous.until.is_none());
        unseen && now >= self.record.renewed.after(grace)
    }

    /// Goes on under a new key.
    pub(super) fn moves(
        &mut self,
        old: SessionKey,
        new: SessionKey,
        rotation: &Rotation,
        now: UnixMillis,
    ) {
        if let Some(record) = transition::rotate(&self.record, rotation, now) {
            self.record = record;
        }
        self.key = new;
        self.previous = match rotation.change {
            crate::store::Change::Renew { grace } => {
                Some(Previous { key: old, grace, until: None })
            }
            _ => None,
        };
    }
}
