//! The operations, each inside a transaction that its caller has begun and will commit.
//!
//! Whatever is refused is refused before anything was written.
//!
//! There are no epochs in the sessions themselves: a revocation deletes all of a subject's sessions in one
//! transaction, so that none is left that could be older. The epoch is for logins whose proof is older.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::room::Room;
use super::row::{self, Session, bytes, column, storable};
use crate::clock::UnixMillis;
use crate::expiry::Touch;
use crate::record::{self, Limits, Patch, Record};
use crate::store::{
    Change, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation, Subject,
    transition,
};
use crate::token::SessionKey;

/// How long an epoch is remembered after a revocation: no login takes a day from the look at its proof to the session.
const EPOCH_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A session as it is, and whether its load has something to write.
pub(super) fn look(
    connection: &Connection,
    key: &SessionKey,
    touch: Touch,
    now: UnixMillis,
) -> rusqlite::Result<Option<(Loaded, bool)>> {
    let Some(session) = Session::find(connection, key, now)? else { return Ok(None) };
    let session = session.with_values(connection)?;
    let writes = touched(&session.record, touch, now).is_some() || session.settles(now).is_some();
    Ok(Some((loaded(session, now), writes)))
}

/// A session, once its use was noted.
pub(super) fn load(
    connection: &Connection,
    key: &SessionKey,
    touch: Touch,
    now: UnixMillis,
) -> rusqlite::Result<Option<Loaded>> {
    let Some(session) = Session::find(connection, key, now)? else { return Ok(None) };
    let mut session = session.with_values(connection)?;
    if let Some(until) = session.settles(now) {
        connection
            .prepare_cached("UPDATE sessions SET previous_until = ?2 WHERE id = ?1")?
            .execute(params![session.id, column(until)])?;
    }
    let noted = touched(&session.record, touch, now);
    if let Some(expires) = noted {
        connection
            .prepare_cached("UPDATE sessions SET last_seen = ?2, expires = ?3 WHERE id = ?1")?
            .execute(params![session.id, column(now), column(expires)])?;
        session.record.last_seen = now;
        session.record.expires = expires;
    }
    Ok(Some(Loaded { touched: noted.is_some(), ..loaded(session, now) }))
}

pub(super) fn create(
    connection: &Connection,
    key: &SessionKey,
    new: &NewSession,
    now: UnixMillis,
) -> rusqlite::Result<Created> {
    if Session::find(connection, key, now)?.is_some() {
        return Ok(Created::Exists);
    }
    let room = match &new.authentication {
        Some(login) => Room::look(connection, login, None, now)?,
        None => Room::Enough(Vec::new()),
    };
    let oldest = match room {
        Room::Enough(oldest) => oldest,
        Room::Full => return Ok(Created::Full),
        Room::Revoked => return Ok(Created::Revoked),
    };
    let record = storable(transition::begin(new, now));
    let evicted = end(connection, &oldest)?;
    clear(connection, key)?;
    row::insert(connection, key, &record)?;
    Ok(Created::Created { loaded: begun(record, now), evicted })
}

pub(super) fn patch(
    connection: &Connection,
    key: &SessionKey,
    patch: &Patch,
    guard: Guard,
    limits: Limits,
    now: UnixMillis,
) -> rusqlite::Result<Patched> {
    let Some(session) = Session::find(connection, key, now)? else { return Ok(Patched::Gone) };
    let version = session.record.version;
    if let Guard::Version(expected) = guard
        && expected != version
    {
        return Ok(Patched::Conflict(loaded(session.with_values(connection)?, now)));
    }
    if patch.is_empty() {
        return Ok(Patched::Applied { version });
    }
    let session = session.with_values(connection)?;
    let mut after = (*session.record.values).clone();
    if !record::apply(&mut after, patch, limits) {
        return Ok(Patched::Full);
    }
    row::write(connection, session.id, &session.record.values, &after)?;
    let version = version.saturating_add(1);
    connection
        .prepare_cached("UPDATE sessions SET version = ?2 WHERE id = ?1")?
        .execute(params![session.id, version.cast_signed()])?;
    Ok(Patched::Applied { version })
}

pub(super) fn rotate(
    connection: &Connection,
    old: &SessionKey,
    new: &SessionKey,
    rotation: &Rotation,
    now: UnixMillis,
) -> rusqlite::Result<Rotated> {
    let Some(session) = Session::find(connection, old, now)? else { return Ok(Rotated::Gone) };
    let alias = match rotation.change {
        Change::Renew { grace } if session.moved && session.was_renewed(grace, now) => {
            return Ok(Rotated::Moved);
        }
        Change::Renew { grace } => Some((old, grace)),
        Change::Login { .. } | Change::Elevate => None,
    };
    let session = session.with_values(connection)?;
    let Some(record) = transition::rotate(&session.record, rotation, now) else {
        return Ok(Rotated::Full);
    };
    let room = match &rotation.change {
        Change::Login { authentication, .. } => {
            Room::look(connection, authentication, Some(session.id), now)?
        }
        Change::Elevate | Change::Renew { .. } => Room::Enough(Vec::new()),
    };
    let oldest = match room {
        Room::Enough(oldest) => oldest,
        Room::Full => return Ok(Rotated::TooMany),
        Room::Revoked => return Ok(Rotated::Revoked),
    };
    if Session::find(connection, new, now)?.is_some() {
        return Ok(Rotated::Exists);
    }
    let record = storable(record);
    let evicted = end(connection, &oldest)?;
    clear(connection, new)?;
    row::rekey(connection, &session, new, alias, &record)?;
    Ok(Rotated::Rotated { loaded: begun(record, now), evicted })
}

/// Deletes a session. One that is over goes as well, so that it does not come back with a clock that goes backwards.
pub(super) fn delete(
    connection: &Connection,
    key: &SessionKey,
    now: UnixMillis,
) -> rusqlite::Result<bool> {
    let session = Session::find(connection, key, now)?;
    match &session {
        Some(session) => end(connection, &[session.id])?,
        None => clear(connection, key)?,
    };
    Ok(session.is_some())
}

pub(super) fn list(
    connection: &Connection,
    subject: &Subject,
    now: UnixMillis,
) -> rusqlite::Result<Vec<Listed>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, created, last_seen, expires, label, agent, network FROM sessions
         WHERE subject = ?1 AND expires > ?2 ORDER BY last_seen DESC, created DESC, id DESC",
    )?;
    let rows = statement.query_map(params![subject.id, column(now)], |row| {
        Ok(Listed {
            key: row::key(row)?,
            created: row::time(row, "created")?,
            last_seen: row::time(row, "last_seen")?,
            expires: row::time(row, "expires")?,
            device: row::device(row)?,
        })
    })?;
    rows.collect()
}

pub(super) fn revoke(
    connection: &Connection,
    subject: &Subject,
    except: Option<&SessionKey>,
    now: UnixMillis,
) -> rusqlite::Result<u64> {
    let kept = match except {
        Some(key) => Session::find(connection, key, now)?.map(|session| session.id),
        None => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO epochs (subject, epoch, until) VALUES (?1, max(?2, 1), ?3)
             ON CONFLICT DO UPDATE
             SET epoch = max(epoch + 1, excluded.epoch), until = max(until, excluded.until)",
        )?
        .execute(params![subject.id, column(now), column(now.after(EPOCH_KEPT))])?;
    let there = connection
        .prepare_cached(
            "DELETE FROM sessions WHERE subject = ?1 AND id IS NOT ?2 AND expires > ?3",
        )?
        .execute(params![subject.id, kept, column(now)])?;
    // What was over goes uncounted, and does not come back with a clock that goes backwards.
    connection
        .prepare_cached("DELETE FROM sessions WHERE subject = ?1 AND id IS NOT ?2")?
        .execute(params![subject.id, kept])?;
    Ok(u64::try_from(there).unwrap_or(u64::MAX))
}

pub(super) fn epoch(connection: &Connection, subject: &str) -> rusqlite::Result<Epoch> {
    let epoch: Option<i64> = connection
        .prepare_cached("SELECT epoch FROM epochs WHERE subject = ?1")?
        .query_row([subject], |row| row.get(0))
        .optional()?;
    Ok(Epoch(epoch.unwrap_or(0).cast_unsigned()))
}

pub(super) fn sweep(
    connection: &Connection,
    limit: usize,
    now: UnixMillis,
) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "DELETE FROM epochs WHERE subject IN
             (SELECT subject FROM epochs WHERE until <= ?1 LIMIT ?2)",
        )?
        .execute(params![column(now), limit])?;
    connection
        .prepare_cached(
            "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
        )?
        .execute(params![column(now), limit])
}

/// Ends sessions, and says how many there were.
fn end(connection: &Connection, sessions: &[i64]) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached("DELETE FROM sessions WHERE id = ?1")?;
    sessions.iter().try_fold(0, |ended, id| Ok(ended + statement.execute([id])?))
}

/// Takes away what is over and still has this key.
fn clear(connection: &Connection, key: &SessionKey) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE sessions SET previous = NULL WHERE previous = ?1")?
        .execute([bytes(key)])?;
    connection.prepare_cached("DELETE FROM sessions WHERE key = ?1")?.execute([bytes(key)])
}

fn touched(record: &Record, touch: Touch, now: UnixMillis) -> Option<UnixMillis> {
    touch.deadline(record.last_seen, record.expires, record.absolute, now)
}

fn loaded(session: Session, now: UnixMillis) -> Loaded {
    let moved = session.moved;
    Loaded { record: Arc::new(session.record), now, touched: false, moved }
}

fn begun(record: Record, now: UnixMillis) -> Loaded {
    Loaded { record: Arc::new(record), now, touched: false, moved: false }
}
