//! A store beside the model, step by step.

use std::sync::Arc;
use std::time::Duration;

use super::ground::{
    ABSOLUTE, GRACE, Ground, IDLE, LIFETIME, MILLI, USE, Verdict, holds, login, of, removing, same,
    session_of, setting, tag,
};
use super::model::Model;
use super::report::Failure;
use crate::clock::{ManualClock, UnixMillis};
use crate::expiry::Touch;
use crate::record::Limits;
use crate::store::{
    Authentication, Change, Created, Epoch, Guard, Loaded, NewSession, Patched, Rotated, Rotation,
    Store, Subject, SubjectLimit, WhenFull,
};
use crate::token::SessionKey;

/// A step of a replay: any four bytes are one. They say what to do, with which session, and how.
pub type Step = [u8; 4];

/// Asks a store what these steps say, and compares each answer with that of a plain model.
///
/// The store has to be empty and to go by this clock. Steps may be random ones, so that a test that prints its seed
/// or shrinks what it found, proptest say, finds the shortest sequence that a store gets wrong.
///
/// # Errors
///
/// The first answer that differs, with the step that it was for.
pub async fn replay(store: Arc<dyn Store>, clock: ManualClock, steps: &[Step]) -> Verdict {
    clock.set(super::START);
    let mut replay = Replay {
        ground: Ground::new("replay", store, clock),
        model: Model::default(),
        keys: Vec::new(),
        stale: [Epoch(0); 2],
    };
    for (turn, step) in steps.iter().enumerate() {
        replay.step(*step).await.map_err(|failure| Failure {
            got: format!("{} (step {turn}: {step:?})", failure.got),
            ..failure
        })?;
    }
    Ok(())
}

struct Replay {
    ground: Ground,
    model: Model,
    /// All that there ever were.
    keys: Vec<SessionKey>,
    /// Each subject's epoch before the last revocation.
    stale: [Epoch; 2],
}

const TINY: Limits = Limits { bytes: 8, values: 2, value: 4 };
const NAMES: [&str; 4] = ["a", "b.c", "é", "__proto__"];
const VALUES: [&str; 4] = ["1", "1e1", "\"\\u0000\"", "[1,2]"];

fn pick<T: Copy>(from: &[T], by: u8) -> Option<T> {
    from.get(usize::from(by) % from.len().max(1)).copied()
}

fn subject(by: u8) -> Subject {
    let id = if by.is_multiple_of(2) { "alice" } else { "bob" };
    Subject { id: id.into(), tag: tag(b"both") }
}

impl Replay {
    async fn step(&mut self, [what, which, how, more]: Step) -> Verdict {
        // No two moments are the same, so that the order of use is one.
        self.ground.clock.advance(MILLI);
        self.model.at(self.now());
        // One of the last few, dead or alive.
        let recent = self.keys.get(self.keys.len().saturating_sub(8)..).unwrap_or_default();
        let key = pick(recent, which).unwrap_or_else(|| self.new_key());
        match what % 16 {
            0 | 1 => self.create(how, more).await,
            2..=4 => self.load(&key, how).await,
            5..=7 => self.patch(&key, how, more).await,
            8..=11 => self.rotate(&key, what, how, more).await,
            12 => self.delete(&key, how).await,
            13 => self.revoke(&key, how).await,
            14 => self.pass(how, more).await,
            _ => self.list(how).await,
        }
    }

    fn now(&self) -> UnixMillis {
        self.ground.now()
    }

    fn new_key(&self) -> SessionKey {
        self.ground.key_at(tag(b"both"))
    }

    /// What a store gave, beside the model's record: its version is its own, as long as it grows with each change.
    fn compare(&self, loaded: &Loaded, touched: bool, moved: bool, key: &SessionKey) -> Verdict {
        let session = self.model.sessions.iter().find(|session| session.key == *key);
        let expected = session.map(|session| &session.record);
        same("the session", &expected, &Some(&*loaded.record))?;
        same("the answer's time", &self.now(), &loaded.now)?;
        same("whether a use was noted", &touched, &loaded.touched)?;
        same("whether it has moved", &moved, &loaded.moved)
    }

    async fn load(&mut self, key: &SessionKey, how: u8) -> Verdict {
        let always = Touch::Use { idle: IDLE, after: Duration::ZERO };
        let touch = pick(&[Touch::Never, USE, always], how).unwrap_or(Touch::Never);
        let loaded = self.ground.store.load(key, touch).await?;
        let now = self.now();
        let expected = self.model.load(key, touch, now);
        let Some((_, touched, moved)) = expected else {
            return holds("no session", loaded.is_none(), loaded);
        };
        let Some(loaded) = loaded else { return holds("a session", false, loaded) };
        let key = self.model.find(key).map_or(*key, |(session, _)| session.key);
        self.compare(&loaded, touched, moved, &key)
    }

    /// Who logs in: with the epoch that is, none, or one from before a revocation that everybody still remembers.
    async fn authentication(&self, how: u8, more: u8) -> Result<(Authentication, bool), Failure> {
        let subject = subject(how);
        let at = self.model.revoked.get(&subject.id).copied();
        let fresh = at.is_some_and(|at| self.now().since(at) < Duration::from_secs(60 * 60));
        let is_stale = fresh && more.is_multiple_of(8);
        let epoch = match more % 8 {
            0 if is_stale => self.stale.get(usize::from(how % 2)).copied(),
            1 | 2 => Some(self.ground.store.epoch(&subject).await?),
            _ => None,
        };
        let when_full = if more % 16 < 8 { WhenFull::Reject } else { WhenFull::EvictOldest };
        let limit = SubjectLimit { sessions: 2, when_full };
        let limit = (!is_stale && how % 4 < 2).then_some(limit);
        Ok((Authentication { epoch, limit, ..login(&subject) }, is_stale))
    }

    async fn create(&mut self, how: u8, more: u8) -> Verdict {
        let taken = self.model.sessions.last().map(|session| session.key);
        if let Some(taken) = taken.filter(|_| how.is_multiple_of(16)) {
            let stranger = NewSession { authentication: None, values: of(&[]), lifetime: LIFETIME };
            let created = self.ground.store.create(&taken, &stranger).await?;
            return same("a creation under a key that is taken", &Created::Exists, &created);
        }
        let key = self.new_key();
        self.keys.push(key);
        let (login, is_stale) = self.authentication(how, more).await?;
        let new = match more % 3 {
            0 => NewSession { authentication: None, values: of(&[("a", "0")]), lifetime: LIFETIME },
            _ => session_of(login),
        };
        let created = self.ground.store.create(&key, &new).await?;
        let now = self.now();
        let admitted = match &new.authentication {
            Some(_) if is_stale => return same("the creation", &Created::Revoked, &created),
            Some(login) => self.model.admit(&login.subject.id, login.limit, None),
            None => Some(0),
        };
        let Some(expected) = admitted else {
            return same("the creation", &Created::Full, &created);
        };
        let Created::Created { loaded, evicted } = created else {
            return holds("a new session", false, created);
        };
        same("how many made room", &expected, &evicted)?;
        self.model.create(key, &new, now);
        self.compare(&loaded, false, false, &key)
    }

    async fn patch(&mut self, key: &SessionKey, how: u8, more: u8) -> Verdict {
        let (name, json) = (pick(&NAMES, how).unwrap_or("a"), pick(&VALUES, more).unwrap_or("1"));
        let patch = if how < 64 { removing(&[name]) } else { setting(&[(name, json)]) };
        let limits = if more < 64 { TINY } else { Limits::default() };
        let there = self.model.find(key).map(|(session, _)| session.record.version);
        let (guard, fits) = match (how / 4 % 4, there) {
            (0, Some(version)) => (Guard::Version(version), true),
            (1, Some(version)) => (Guard::Version(version.wrapping_sub(1)), false),
            _ => (Guard::Exists, true),
        };
        let patched = self.ground.store.patch(key, &patch, guard, limits).await?;
        let Some((session, moved)) = self.model.find(key) else {
            return same("the patch", &Patched::Gone, &patched);
        };
        if !fits {
            let Patched::Conflict(loaded) = patched else {
                return holds("a conflict", false, patched);
            };
            let key = session.key;
            return self.compare(&loaded, false, moved, &key);
        }
        if !Model::patch(&mut session.record, &patch, limits) {
            return same("the patch", &Patched::Full, &patched);
        }
        let Patched::Applied { version } = patched else {
            return holds("a patch that is applied", false, patched);
        };
        holds("a later version", version > session.record.version, version)?;
        session.record.version = version;
        Ok(())
    }

    async fn rotate(&mut self, old: &SessionKey, what: u8, how: u8, more: u8) -> Verdict {
        let (login, is_stale) = self.authentication(how, more).await?;
        let limit = login.limit;
        let change = match what % 4 {
            0 => Change::Login { authentication: login.clone(), keep_values: more < 128 },
            1 => Change::Elevate,
            _ => Change::Renew { grace: GRACE },
        };
        let is_login = matches!(change, Change::Login { .. });
        let patch = if more % 32 == 31 { setting(&[("r", "1")]) } else { removing(&[]) };
        let rotation = Rotation { change, patch, limits: Limits::default(), lifetime: LIFETIME };
        let new = self.new_key();
        self.keys.push(new);
        let rotated = self.ground.store.rotate(old, &new, &rotation).await?;
        let now = self.now();
        let Some((session, moved)) = self.model.find(old) else {
            return same("the rotation", &Rotated::Gone, &rotated);
        };
        let renews = matches!(rotation.change, Change::Renew { .. });
        if renews && moved && !session.was_lost(GRACE, now) {
            return same("the renewal", &Rotated::Moved, &rotated);
        }
        if is_login && is_stale {
            return same("the login", &Rotated::Revoked, &rotated);
        }
        let key = session.key;
        let limit = limit.filter(|_| is_login);
        let Some(expected) = self.model.admit(&login.subject.id, limit, Some(key)) else {
            return same("the login", &Rotated::TooMany, &rotated);
        };
        let Rotated::Rotated { loaded, evicted } = rotated else {
            return holds("a rotation", false, rotated);
        };
        same("how many made room", &expected, &evicted)?;
        if let Some((session, _)) = self.model.find(old) {
            let before = session.record.version;
            session.moves(*old, new, &rotation, now);
            holds("a version that is no earlier", loaded.record.version >= before, &loaded)?;
            session.record.version = loaded.record.version;
        }
        self.compare(&loaded, false, false, &new)
    }

    async fn delete(&mut self, key: &SessionKey, how: u8) -> Verdict {
        // Not too often, or there would be nothing to look at.
        if how.is_multiple_of(2) {
            return self.load(key, how).await;
        }
        let deleted = self.ground.store.delete(key).await?;
        same("whether it was there", &self.model.end(key), &deleted)
    }

    async fn revoke(&mut self, key: &SessionKey, how: u8) -> Verdict {
        let subject = subject(how);
        let except = (how % 4 < 2).then_some(key);
        let before = self.ground.store.epoch(&subject).await?;
        let ended = self.ground.store.revoke(&subject, except).await?;
        let after = self.ground.store.epoch(&subject).await?;
        holds("a later epoch", after > before, (before, after))?;
        if let Some(stale) = self.stale.get_mut(usize::from(how % 2)) {
            *stale = before;
        }
        let now = self.now();
        same("how many ended", &self.model.revoke(&subject.id, except, now), &ended)
    }

    async fn pass(&mut self, how: u8, more: u8) -> Verdict {
        let spans = [GRACE - MILLI, GRACE, IDLE / 8, IDLE / 2, IDLE - MILLI, IDLE, ABSOLUTE / 2];
        // The long ones end nearly everything.
        let spans = if more < 200 { spans.get(..4).unwrap_or_default() } else { &spans };
        self.ground.clock.advance(pick(spans, how).unwrap_or(MILLI));
        if more.is_multiple_of(4) {
            let limit = usize::from(how % 4);
            let swept = self.ground.store.sweep(limit).await?;
            holds("no more than it may", swept <= limit, swept)?;
        }
        Ok(())
    }

    async fn list(&mut self, how: u8) -> Verdict {
        let subject = subject(how);
        let expected = self.model.list(&subject.id);
        same("the list", &expected, &self.ground.keys_of(&subject).await?)
    }
}
