//! A session as a row, and its values as rows.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::clock::{UnixMillis, millis};
use crate::error::BoxError;
use crate::record::{Device, Name, Record, Value, Values};
use crate::token::{SessionKey, Tag};

/// Bytes of a key: the tag, and the hash.
const KEY: usize = 4 + 32;

/// What [`Session::read`] needs.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, key, previous, previous_until, grace, subject, version, created, last_seen, expires,
                    absolute, authenticated, renewed, label, agent, network
             FROM sessions WHERE ",
            $where
        )
    };
}

const BY_KEY: &str = select!("key = ?1 AND expires > ?2");

const BY_PREVIOUS: &str =
    select!("previous = ?1 AND (previous_until IS NULL OR previous_until > ?2) AND expires > ?2");

const INSERT: &str = "
INSERT INTO sessions
    (key, subject, version, created, last_seen, expires, absolute, authenticated, renewed,
     label, agent, network)
VALUES
    (:key, :subject, :version, :created, :last_seen, :expires, :absolute, :authenticated, :renewed,
     :label, :agent, :network)";

const MOVE: &str = "
UPDATE sessions SET
    key = :key, previous = :previous, previous_until = NULL, grace = :grace,
    subject = :subject, version = :version, created = :created, last_seen = :last_seen,
    expires = :expires, absolute = :absolute, authenticated = :authenticated, renewed = :renewed,
    label = :label, agent = :agent, network = :network
WHERE id = :id";

/// A session that is there.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: i64,
    /// Without its values.
    pub(super) record: Record,
    /// Whether it was found by the key that it had before a renewal.
    pub(super) moved: bool,
    previous: Option<Previous>,
}

/// The key from before a renewal.
#[derive(Clone, Copy, Debug)]
struct Previous {
    /// When it ends. Not known until the new one was used: the answer with it may have been lost.
    until: Option<UnixMillis>,
    grace: Duration,
}

impl Session {
    /// The session that is there under a key, also under the one that it had before.
    pub(super) fn find(
        connection: &Connection,
        key: &SessionKey,
        now: UnixMillis,
    ) -> rusqlite::Result<Option<Self>> {
        let found = |sql, moved| {
            let mut statement = connection.prepare_cached(sql)?;
            let row = params![bytes(key), column(now)];
            statement.query_row(row, |row| Self::read(row, moved)).optional()
        };
        Ok(match found(BY_KEY, false)? {
            Some(session) => Some(session),
            None => found(BY_PREVIOUS, true)?,
        })
    }

    fn read(row: &Row<'_>, moved: bool) -> rusqlite::Result<Self> {
        let grace = Duration::from_millis(time(row, "grace")?.0);
        let until = optional_time(row, "previous_until")?;
        let previous = row.get_ref("previous")? != ValueRef::Null;
        let version: i64 = row.get("version")?;
        let record = Record {
            version: version.cast_unsigned(),
            created: time(row, "created")?,
            last_seen: time(row, "last_seen")?,
            expires: time(row, "expires")?,
            absolute: time(row, "absolute")?,
            subject: row.get("subject")?,
            authenticated: optional_time(row, "authenticated")?,
            renewed: time(row, "renewed")?,
            device: device(row)?,
            values: Arc::default(),
        };
        let previous = previous.then_some(Previous { until, grace });
        Ok(Self { id: row.get("id")?, record, moved, previous })
    }

    /// Reads its values too.
    pub(super) fn with_values(mut self, connection: &Connection) -> rusqlite::Result<Self> {
        self.record.values = Arc::new(values(connection, self.id)?);
        Ok(self)
    }

    /// When the key from before ends, if this is the first time that the new one is used.
    pub(super) fn settles(&self, now: UnixMillis) -> Option<UnixMillis> {
        let previous = self.previous.filter(|previous| previous.until.is_none() && !self.moved)?;
        Some(now.after(previous.grace))
    }

    /// Whether a renewal by the key from before has nothing to do: the new one was used, or is on its way.
    pub(super) fn was_renewed(&self, grace: Duration, now: UnixMillis) -> bool {
        let used = self.previous.is_none_or(|previous| previous.until.is_some());
        used || now < self.record.renewed.after(grace)
    }
}

/// Adds a session.
pub(super) fn insert(
    connection: &Connection,
    key: &SessionKey,
    record: &Record,
) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":key": bytes(key),
        ":subject": record.subject.as_deref(),
        ":version": record.version.cast_signed(),
        ":created": column(record.created),
        ":last_seen": column(record.last_seen),
        ":expires": column(record.expires),
        ":absolute": column(record.absolute),
        ":authenticated": record.authenticated.map(column),
        ":renewed": column(record.renewed),
        ":label": record.device.label,
        ":agent": record.device.agent,
        ":network": record.device.network,
    })?;
    write(connection, connection.last_insert_rowid(), &Values::new(), &record.values)
}

/// The key that goes on to lead to a session that has moved, and how long after the new one was used.
pub(super) type Alias<'a> = Option<(&'a SessionKey, Duration)>;

/// Gives a session a new key, and what else has changed. Columns that are not known here stay as they are.
pub(super) fn rekey(
    connection: &Connection,
    session: &Session,
    new: &SessionKey,
    alias: Alias<'_>,
    record: &Record,
) -> rusqlite::Result<()> {
    connection.prepare_cached(MOVE)?.execute(named_params! {
        ":id": session.id,
        ":key": bytes(new),
        ":previous": alias.map(|(key, _)| bytes(key)),
        ":grace": alias.map_or(0, |(_, grace)| column(UnixMillis(millis(grace)))),
        ":subject": record.subject.as_deref(),
        ":version": record.version.cast_signed(),
        ":created": column(record.created),
        ":last_seen": column(record.last_seen),
        ":expires": column(record.expires),
        ":absolute": column(record.absolute),
        ":authenticated": record.authenticated.map(column),
        ":renewed": column(record.renewed),
        ":label": record.device.label,
        ":agent": record.device.agent,
        ":network": record.device.network,
    })?;
    write(connection, session.id, &session.record.values, &record.values)
}

/// Writes what is different in `after`.
pub(super) fn write(
    connection: &Connection,
    session: i64,
    before: &Values,
    after: &Values,
) -> rusqlite::Result<()> {
    let mut remove =
        connection.prepare_cached("DELETE FROM session_values WHERE session = ?1 AND name = ?2")?;
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        remove.execute(params![session, name.as_str()])?;
    }
    let mut set = connection.prepare_cached(
        "INSERT INTO session_values (session, name, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?;
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(*value)) {
        set.execute(params![session, name.as_str(), value.as_json()])?;
    }
    Ok(())
}

fn values(connection: &Connection, session: i64) -> rusqlite::Result<Values> {
    let mut statement =
        connection.prepare_cached("SELECT name, value FROM session_values WHERE session = ?1")?;
    let rows = statement.query_map([session], |row| {
        let name = Name::new(row.get_ref(0)?.as_str()?).map_err(|error| invalid(0, error))?;
        let value = row.get_ref(1)?.as_str()?;
        Ok((name, Value::from_json(value).map_err(|error| invalid(1, error))?))
    })?;
    rows.collect()
}

/// The device of the row.
pub(super) fn device(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device { label: row.get("label")?, agent: row.get("agent")?, network: row.get("network")? })
}

/// The key of the row.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<SessionKey> {
    let bytes = row.get_ref("key")?.as_blob()?;
    let split = bytes.split_first_chunk::<4>();
    let parts = split.and_then(|(tag, hash)| Some((*tag, <[u8; 32]>::try_from(hash).ok()?)));
    let (tag, hash) = parts
        .ok_or(FromSqlError::InvalidBlobSize { expected_size: KEY, blob_size: bytes.len() })?;
    Ok(SessionKey::new(Tag(tag), hash))
}

/// A key as the file has it.
pub(super) fn bytes(key: &SessionKey) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    let parts = key.tag().0.into_iter().chain(*key.hash());
    bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    bytes
}

/// A time as the file has it. SQLite's numbers end where a signed one does, in 292 million years.
pub(super) fn column(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A record with times that the file can hold, so that it is read as it was written.
pub(super) fn storable(record: Record) -> Record {
    let latest = |time: UnixMillis| UnixMillis(column(time).cast_unsigned());
    Record { expires: latest(record.expires), absolute: latest(record.absolute), ..record }
}

/// The time in a column. There are none before 1970.
pub(super) fn time(row: &Row<'_>, name: &str) -> rusqlite::Result<UnixMillis> {
    let number: i64 = row.get(name)?;
    Ok(UnixMillis(number.max(0).cast_unsigned()))
}

fn optional_time(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<UnixMillis>> {
    let number: Option<i64> = row.get(name)?;
    Ok(number.map(|number| UnixMillis(number.max(0).cast_unsigned())))
}

fn invalid(column: usize, error: impl Into<BoxError>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
