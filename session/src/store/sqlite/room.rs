//! How many sessions a subject may have.

use rusqlite::{Connection, params};

use super::row::column;
use super::work;
use crate::clock::UnixMillis;
use crate::store::{Authentication, WhenFull};

/// Whether there is room for a login.
pub(super) enum Room {
    /// There is, once these are gone.
    Enough(Vec<i64>),
    Full,
    /// What was proved is of the past.
    Revoked,
}

impl Room {
    /// Looks for room for a login. `instead_of` goes in any case.
    pub(super) fn look(
        connection: &Connection,
        login: &Authentication,
        instead_of: Option<i64>,
        now: UnixMillis,
    ) -> rusqlite::Result<Self> {
        let subject = &*login.subject.id;
        if let Some(proved) = login.epoch
            && proved != work::epoch(connection, subject)?
        {
            return Ok(Self::Revoked);
        }
        let Some(limit) = login.limit else { return Ok(Self::Enough(Vec::new())) };
        let mut statement = connection.prepare_cached(
            "SELECT id FROM sessions WHERE subject = ?1 AND expires > ?2 AND id IS NOT ?3
             ORDER BY last_seen, created, id",
        )?;
        let others =
            statement.query_map(params![subject, column(now), instead_of], |row| row.get(0))?;
        let mut others: Vec<i64> = others.collect::<rusqlite::Result<_>>()?;
        let too_many = (others.len() + 1).saturating_sub(limit.sessions.max(1));
        if too_many > 0 && limit.when_full == WhenFull::Reject {
            return Ok(Self::Full);
        }
        others.truncate(too_many);
        Ok(Self::Enough(others))
    }
}
