//! What is known beside the sessions themselves: whose they are, subjects' epochs, and when to look what is over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::session::{Live, Session};
use crate::clock::UnixMillis;
use crate::store::{Authentication, Epoch, Subject, WhenFull};

/// How long an epoch is remembered after a revocation. The sessions before it are dead at once; what it is still good
/// for is a login whose proof is older, and none of these takes a day.
const EPOCH_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// When to look again at a session that somebody is at.
const LATER: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Index {
    last_id: u64,
    subjects: HashMap<Subject, Known>,
    /// By time, then by session, or by turn.
    due: BTreeMap<(UnixMillis, u64), Due>,
}

/// What is known of a subject, while there is something.
#[derive(Debug, Default)]
struct Known {
    epoch: Epoch,
    /// Until when the epoch is remembered.
    until: UnixMillis,
    sessions: BTreeMap<u64, Arc<Session>>,
}

#[derive(Debug)]
enum Due {
    Session(Arc<Session>),
    Epoch(Subject),
}

/// Why a login gets no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Revoked,
    Full,
}

/// What a look at what is due came to.
#[derive(Debug, Default)]
pub(super) struct Reaped {
    /// So many it looked at.
    pub(super) seen: usize,
    /// These are over, and dead now.
    pub(super) over: Vec<(Arc<Session>, Live)>,
}

impl Index {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    pub(super) fn add(&mut self, session: &Arc<Session>, expires: UnixMillis) {
        if let Some(subject) = &session.subject {
            let known = self.subjects.entry(subject.clone()).or_default();
            known.sessions.insert(session.id, Arc::clone(session));
        }
        self.look_at(expires, session);
    }

    pub(super) fn remove(&mut self, session: &Session) {
        let due = UnixMillis(session.due.load(Ordering::Relaxed));
        self.due.remove(&(due, session.id));
        let Some(subject) = &session.subject else { return };
        if let Some(known) = self.subjects.get_mut(subject) {
            known.sessions.remove(&session.id);
            self.tidy(subject);
        }
    }

    pub(super) fn of(&self, subject: &Subject) -> Vec<Arc<Session>> {
        let known = self.subjects.get(subject);
        known.map(|known| known.sessions.values().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn epoch(&self, subject: &Subject) -> Epoch {
        self.subjects.get(subject).map_or(Epoch(0), |known| known.epoch)
    }

    /// A new epoch: one more, and the time of day at least, so that it grows also after it was forgotten.
    pub(super) fn advance(&mut self, subject: &Subject, now: UnixMillis) {
        let turn = self.next_id();
        let known = self.subjects.entry(subject.clone()).or_default();
        known.epoch = Epoch(known.epoch.0.saturating_add(1).max(now.0));
        if known.until == UnixMillis(0) {
            self.due.insert((now.after(EPOCH_KEPT), turn), Due::Epoch(subject.clone()));
        }
        known.until = known.until.max(now.after(EPOCH_KEPT));
    }

    /// Whether a login may have a session, and who has to make room for it. `instead_of` goes in any case.
    pub(super) fn admit(
        &self,
        login: &Authentication,
        instead_of: Option<u64>,
        now: UnixMillis,
    ) -> Result<Vec<Arc<Session>>, Refused> {
        if login.epoch.is_some_and(|epoch| epoch != self.epoch(&login.subject)) {
            return Err(Refused::Revoked);
        }
        let Some(limit) = login.limit else { return Ok(Vec::new()) };
        let others =
            self.of(&login.subject).into_iter().filter(|other| Some(other.id) != instead_of);
        let mut others: Vec<_> = others
            .filter_map(|other| {
                let last_seen = other.lock().living(now)?.record.last_seen;
                Some(((last_seen, other.id), other))
            })
            .collect();
        let too_many = (others.len() + 1).saturating_sub(limit.sessions.max(1));
        match limit.when_full {
            WhenFull::Reject if too_many > 0 => Err(Refused::Full),
            WhenFull::Reject => Ok(Vec::new()),
            WhenFull::EvictOldest => {
                others.sort_unstable_by_key(|(age, _)| *age);
                Ok(others.into_iter().take(too_many).map(|(_, other)| other).collect())
            }
        }
    }

    /// Looks at no more than `look` of what is due, and ends what is over. Passes by a session that somebody is at.
    pub(super) fn reap(&mut self, look: usize, now: UnixMillis) -> Reaped {
        let mut reaped = Reaped::default();
        while reaped.seen < look {
            let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) else {
                break;
            };
            reaped.seen += 1;
            match first.remove() {
                Due::Session(session) => self.reap_session(session, now, &mut reaped),
                Due::Epoch(subject) => self.reap_epoch(subject, now),
            }
        }
        reaped
    }

    fn reap_session(&mut self, session: Arc<Session>, now: UnixMillis, reaped: &mut Reaped) {
        let Some(mut state) = session.try_lock() else {
            return self.look_at(now.after(LATER), &session);
        };
        if let Some(live) = state.living(now) {
            return self.look_at(live.record.expires, &session);
        }
        let over = state.end();
        drop(state);
        self.remove(&session);
        reaped.over.extend(over.map(|live| (session, live)));
    }

    fn reap_epoch(&mut self, subject: Subject, now: UnixMillis) {
        let turn = self.next_id();
        let Some(known) = self.subjects.get_mut(&subject) else { return };
        if known.until > now {
            self.due.insert((known.until, turn), Due::Epoch(subject));
            return;
        }
        known.epoch = Epoch(0);
        known.until = UnixMillis(0);
        self.tidy(&subject);
    }

    fn look_at(&mut self, when: UnixMillis, session: &Arc<Session>) {
        session.due.store(when.0, Ordering::Relaxed);
        self.due.insert((when, session.id), Due::Session(Arc::clone(session)));
    }

    fn tidy(&mut self, subject: &Subject) {
        let nothing = |known: &Known| known.sessions.is_empty() && known.until == UnixMillis(0);
        if self.subjects.get(subject).is_some_and(nothing) {
            self.subjects.remove(subject);
        }
    }

    /// Subjects, and what is due, for tests.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.subjects.len(), self.due.len())
    }
}
