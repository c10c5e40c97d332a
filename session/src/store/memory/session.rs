//! One session: what it holds, under which keys it is there, and that it never comes back.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::record::Record;
use crate::store::Subject;
use crate::token::SessionKey;

/// A session, from its creation to its end. A login or an elevation ends it, and begins another one with its values:
/// so a subject is fixed, and is read without a lock.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) subject: Option<Subject>,
    /// When the index looks next whether it is over. Changed only under the index's lock.
    pub(super) due: AtomicU64,
    evicted: AtomicBool,
    state: Mutex<State>,
}

/// Dead is for ever: who still holds the session, a patch that waited for the lock say, finds it dead.
#[derive(Debug)]
pub(super) enum State {
    Live(Live),
    /// Dead, and its keys are still to be taken away.
    Evicted(Live),
    Dead,
}

#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) record: Arc<Record>,
    pub(super) key: SessionKey,
    pub(super) previous: Option<Previous>,
}

/// The key that a session had before its renewal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Previous {
    pub(super) key: SessionKey,
    grace: Duration,
    /// When it ends. Not known until the new key was used: the answer with it may have been lost.
    until: Option<UnixMillis>,
}

/// By which of its keys a session was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Own,
    Previous,
}

impl Session {
    pub(super) fn new(
        id: u64,
        subject: Option<Subject>,
        key: SessionKey,
        record: Arc<Record>,
    ) -> Self {
        let live = Live { record, key, previous: None };
        Self {
            id,
            subject,
            due: AtomicU64::new(0),
            evicted: AtomicBool::new(false),
            state: Mutex::new(State::Live(live)),
        }
    }

    /// Its state, for a few lines of work on it. It is dead if it was evicted.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.alive(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its state, if nobody is at it.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(self.alive(state)),
            Err(TryLockError::Poisoned(poisoned)) => Some(self.alive(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn alive<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if self.evicted.load(Ordering::Acquire)
            && let Some(live) = state.end()
        {
            *state = State::Evicted(live);
        }
        state
    }

    /// Ends it from where no lock may be taken.
    pub(super) fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }
}

impl State {
    /// What is alive, if it is there under this key now.
    pub(super) fn at(&mut self, key: &SessionKey, now: UnixMillis) -> Option<(&mut Live, Way)> {
        let Self::Live(live) = self else { return None };
        let way = live.way(key, now)?;
        Some((live, way))
    }

    /// What is alive and not over.
    pub(super) fn living(&self, now: UnixMillis) -> Option<&Live> {
        match self {
            Self::Live(live) if !live.record.is_expired(now) => Some(live),
            Self::Live(_) | Self::Evicted(_) | Self::Dead => None,
        }
    }

    /// Ends it, and gives what there is to take away.
    pub(super) fn end(&mut self) -> Option<Live> {
        match mem::replace(self, Self::Dead) {
            Self::Live(live) | Self::Evicted(live) => Some(live),
            Self::Dead => None,
        }
    }
}

impl Live {
    fn way(&self, key: &SessionKey, now: UnixMillis) -> Option<Way> {
        if self.record.is_expired(now) {
            return None;
        }
        if *key == self.key {
            return Some(Way::Own);
        }
        let previous = self.previous.filter(|previous| previous.key == *key)?;
        previous.until.is_none_or(|until| now < until).then_some(Way::Previous)
    }

    /// Its new key has arrived: the one before ends after the grace.
    pub(super) fn seen(&mut self, now: UnixMillis) {
        if let Some(previous) = &mut self.previous {
            previous.until.get_or_insert(now.after(previous.grace));
        }
    }

    /// Whether a renewal by the previous key has nothing to do: the key that it asks to replace is in use, or is on its way.
    pub(super) fn was_renewed(&self, grace: Duration, now: UnixMillis) -> bool {
        let used = self.previous.is_none_or(|previous| previous.until.is_some());
        used || now < self.record.renewed.after(grace)
    }

    /// Goes on under a new key. The key by which it was found leads there, and any other one it had is given back: it is dead.
    pub(super) fn renew(
        &mut self,
        found: SessionKey,
        new: SessionKey,
        grace: Duration,
    ) -> Option<SessionKey> {
        let previous = self.previous.replace(Previous { key: found, grace, until: None });
        let key = mem::replace(&mut self.key, new);
        if found == key { previous.map(|previous| previous.key) } else { Some(key) }
    }

    /// All keys that lead to it.
    pub(super) fn keys(&self) -> impl Iterator<Item = SessionKey> + use<> {
        [Some(self.key), self.previous.map(|previous| previous.key)].into_iter().flatten()
    }
}
