//! The operations, under their locks.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::Shared;
use super::index::{Index, Refused};
use super::session::{Live, Session, Way};
use super::table;
use crate::clock::UnixMillis;
use crate::expiry::Touch;
use crate::record::{self, Limits, Patch, Record};
use crate::store::{
    Change, Created, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation, Subject,
    transition,
};
use crate::token::SessionKey;

/// How many of what is due each creation and each noted use looks at. One is what each of them adds; with two,
/// what is over goes faster than it comes.
const LOOK: usize = 2;

/// What a sweep came to.
pub(super) struct Swept {
    pub(super) seen: usize,
    pub(super) removed: usize,
}

impl Shared {
    pub(super) fn load(&self, key: &SessionKey, touch: Touch) -> Option<Loaded> {
        let now = self.clock.now();
        let session = self.table.get(key)?;
        let loaded = {
            let mut state = session.lock();
            let (live, way) = state.at(key, now)?;
            if way == Way::Own {
                live.seen(now);
            }
            let record = &live.record;
            let noted = touch.deadline(record.last_seen, record.expires, record.absolute, now);
            if let Some(expires) = noted {
                let record = Arc::make_mut(&mut live.record);
                record.last_seen = now;
                record.expires = expires;
            }
            let moved = way == Way::Previous;
            Loaded { record: Arc::clone(&live.record), now, touched: noted.is_some(), moved }
        };
        if loaded.touched {
            self.sweep(LOOK);
        }
        Some(loaded)
    }

    pub(super) fn create(&self, key: &SessionKey, new: &NewSession) -> Created {
        let now = self.clock.now();
        let mut index = self.index();
        self.reap(&mut index, LOOK, now);
        if self.is_taken(key, now) {
            return Created::Exists;
        }
        let room = match &new.authentication {
            Some(login) => index.admit(login, None, now),
            None => Ok(Vec::new()),
        };
        let oldest = match room {
            Ok(oldest) => oldest,
            Err(Refused::Full) => return Created::Full,
            Err(Refused::Revoked) => return Created::Revoked,
        };
        let subject = new.authentication.as_ref().map(|login| login.subject.clone());
        let record = Arc::new(transition::begin(new, now));
        self.begin(&mut index, *key, subject, &record);
        let evicted = oldest.iter().filter(|other| self.end(&mut index, other, now)).count();
        let loaded = Loaded { record, now, touched: false, moved: false };
        Created::Created { loaded, evicted }
    }

    pub(super) fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Patched {
        let now = self.clock.now();
        let Some(session) = self.table.get(key) else { return Patched::Gone };
        let mut state = session.lock();
        let Some((live, way)) = state.at(key, now) else { return Patched::Gone };
        if let Guard::Version(version) = guard
            && version != live.record.version
        {
            let (record, moved) = (Arc::clone(&live.record), way == Way::Previous);
            return Patched::Conflict(Loaded { record, now, touched: false, moved });
        }
        if patch.is_empty() {
            return Patched::Applied { version: live.record.version };
        }
        let before = table::weight(&live.record);
        // Copied only while somebody looks at what was loaded.
        let record = Arc::make_mut(&mut live.record);
        if !record::apply(Arc::make_mut(&mut record.values), patch, limits) {
            return Patched::Full;
        }
        record.version = record.version.saturating_add(1);
        let version = record.version;
        let crowded = table::weight(&live.record) != before
            && self.table.reweigh(&live.key, &session, &live.record);
        drop(state);
        if crowded {
            // Its own lock is free again: the index comes first.
            drop(self.index());
        }
        Patched::Applied { version }
    }

    pub(super) fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Rotated {
        let now = self.clock.now();
        let mut index = self.index();
        self.reap(&mut index, LOOK, now);
        let taken = self.is_taken(new, now);
        let Some(session) = self.table.get(old) else { return Rotated::Gone };
        let mut state = session.lock();
        let Some((live, way)) = state.at(old, now) else { return Rotated::Gone };
        if let Change::Renew { grace } = rotation.change
            && way == Way::Previous
            && live.was_renewed(grace, now)
        {
            return Rotated::Moved;
        }
        let Some(record) = transition::rotate(&live.record, rotation, now) else {
            return Rotated::Full;
        };
        let record = Arc::new(record);
        let loaded = Loaded { record: Arc::clone(&record), now, touched: false, moved: false };
        let (subject, room) = match &rotation.change {
            Change::Login { authentication: login, .. } => {
                (Some(login.subject.clone()), index.admit(login, Some(session.id), now))
            }
            _ => (session.subject.clone(), Ok(Vec::new())),
        };
        let oldest = match room {
            Ok(oldest) => oldest,
            Err(Refused::Full) => return Rotated::TooMany,
            Err(Refused::Revoked) => return Rotated::Revoked,
        };
        if taken {
            return Rotated::Exists;
        }
        if let Change::Renew { grace } = rotation.change {
            let dead = live.renew(*old, *new, grace);
            live.record = record;
            // The lighter one first: both at full weight could be more than there is room for.
            self.table.insert_alias(*old, &session);
            self.table.insert(*new, &session, &live.record);
            dead.iter().for_each(|key| self.table.remove(key, &session));
            return Rotated::Rotated { loaded, evicted: 0 };
        }
        self.begin(&mut index, *new, subject, &record);
        let ended = state.end();
        drop(state);
        self.forget(&mut index, &session, ended);
        let evicted = oldest.iter().filter(|other| self.end(&mut index, other, now)).count();
        Rotated::Rotated { loaded, evicted }
    }

    pub(super) fn delete(&self, key: &SessionKey) -> bool {
        let now = self.clock.now();
        let mut index = self.index();
        let Some(session) = self.table.get(key) else { return false };
        let there = session.lock().at(key, now).is_some();
        there && self.end(&mut index, &session, now)
    }

    pub(super) fn list(&self, subject: &Subject) -> Vec<Listed> {
        let now = self.clock.now();
        let index = self.index();
        let sessions = index.of(subject);
        drop(index);
        let listed = |session: &Arc<Session>| session.lock().living(now).map(listed);
        let mut list: Vec<_> = sessions.iter().filter_map(listed).collect();
        list.sort_unstable_by_key(|one| std::cmp::Reverse((one.last_seen, one.created)));
        list
    }

    pub(super) fn revoke(&self, subject: &Subject, except: Option<&SessionKey>) -> u64 {
        let now = self.clock.now();
        let mut index = self.index();
        index.advance(subject, now);
        let mut ended = 0;
        for session in index.of(subject) {
            let kept = except.is_some_and(|key| session.lock().at(key, now).is_some());
            if !kept && self.end(&mut index, &session, now) {
                ended += 1;
            }
        }
        ended
    }

    /// Looks at what is due, and removes what is over.
    pub(super) fn sweep(&self, look: usize) -> Swept {
        let now = self.clock.now();
        self.reap(&mut self.index(), look, now)
    }

    /// The index, without those that were evicted.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        for session in self.table.take_evicted() {
            // Dead already; this takes away what leads to it.
            let ended = session.lock().end();
            self.forget(&mut index, &session, ended);
        }
        index
    }

    fn reap(&self, index: &mut Index, look: usize, now: UnixMillis) -> Swept {
        let reaped = index.reap(look, now);
        for (session, live) in &reaped.over {
            live.keys().for_each(|key| self.table.remove(&key, session));
        }
        Swept { seen: reaped.seen, removed: reaped.over.len() }
    }

    fn is_taken(&self, key: &SessionKey, now: UnixMillis) -> bool {
        self.table.get(key).is_some_and(|session| session.lock().at(key, now).is_some())
    }

    fn begin(
        &self,
        index: &mut Index,
        key: SessionKey,
        subject: Option<Subject>,
        record: &Arc<Record>,
    ) {
        let session = Session::new(index.next_id(), subject, key, Arc::clone(record));
        let session = Arc::new(session);
        if let Some(over) = self.table.get(&key) {
            self.forget(index, &over, over.lock().end());
        }
        index.add(&session, record.expires);
        self.table.insert(key, &session, record);
    }

    /// Ends a session, and says whether it was there.
    fn end(&self, index: &mut Index, session: &Arc<Session>, now: UnixMillis) -> bool {
        let mut state = session.lock();
        let there = state.living(now).is_some();
        let ended = state.end();
        drop(state);
        self.forget(index, session, ended);
        there
    }

    /// Takes what is left of a dead session away.
    fn forget(&self, index: &mut Index, session: &Arc<Session>, ended: Option<Live>) {
        index.remove(session);
        if let Some(live) = ended {
            live.keys().for_each(|key| self.table.remove(&key, session));
        }
    }
}

fn listed(live: &Live) -> Listed {
    let record = &live.record;
    Listed {
        key: live.key,
        created: record.created,
        last_seen: record.last_seen,
        expires: record.expires,
        device: record.device.clone(),
    }
}
