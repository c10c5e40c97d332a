#![doc = include_str!("../README.md")]

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{Connection, Executor, Row};
use terrace_db::backend::{Fault, Observation, Role};
use terrace_db::{Access, Backend, Position, SystemId};

/// PostgreSQL through sqlx.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqlxPostgres;

/// A connection, and what it may do.
#[derive(Debug)]
pub struct SqlxConnection(pub PgConnection);

/// What a server says of itself, for every kind of node.
const OBSERVE: &str = "\
SELECT (SELECT system_identifier FROM pg_control_system()) AS system, standby, \
(CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END \
- '0/0'::pg_lsn)::int8 AS at, \
CASE WHEN standby \
THEN (SELECT timeline_id FROM pg_control_checkpoint()) \
ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline, \
(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8 AS started \
FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS node";

const WRITTEN: &str = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8 AS at, \
('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline";

const REPLAYED: &str = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::int8 AS at";

impl Backend for SqlxPostgres {
    type Target = PgConnectOptions;
    type Connection = SqlxConnection;
    type Error = sqlx::Error;

    fn system_name(&self) -> &'static str {
        "postgresql"
    }

    async fn connect(
        &self,
        target: &PgConnectOptions,
        access: Access,
    ) -> Result<SqlxConnection, sqlx::Error> {
        let target = match access {
            Access::ReadOnly => target.clone().options([("default_transaction_read_only", "on")]),
            Access::ReadWrite => target.clone(),
        };
        Ok(SqlxConnection(PgConnection::connect_with(&target).await?))
    }

    /// sqlx finds out with the next statement.
    fn is_open(&self, _: &SqlxConnection) -> bool {
        true
    }

    async fn ping(&self, connection: &mut SqlxConnection) -> Result<(), sqlx::Error> {
        connection.0.ping().await
    }

    async fn observe(&self, connection: &mut SqlxConnection) -> Result<Observation, sqlx::Error> {
        let row = connection.0.fetch_one(OBSERVE).await?;
        let standby: bool = row.try_get("standby")?;
        Ok(Observation {
            system: SystemId(row.try_get::<i64, _>("system")?.cast_unsigned()),
            role: if standby { Role::Replica } else { Role::Primary },
            position: position(row.try_get("timeline")?, row.try_get("at")?),
            incarnation: row.try_get::<i64, _>("started")?.cast_unsigned(),
            history: None,
        })
    }

    async fn replayed(&self, connection: &mut SqlxConnection) -> Result<u64, sqlx::Error> {
        let row = connection.0.fetch_one(REPLAYED).await?;
        Ok(row.try_get::<Option<i64>, _>("at")?.map_or(0, i64::cast_unsigned))
    }

    async fn written(&self, connection: &mut SqlxConnection) -> Result<Position, sqlx::Error> {
        let row = connection.0.fetch_one(WRITTEN).await?;
        Ok(position(row.try_get("timeline")?, row.try_get("at")?))
    }

    async fn begin(&self, connection: &mut SqlxConnection) -> Result<(), sqlx::Error> {
        connection.0.execute("BEGIN").await.map(drop)
    }

    /// In a transaction that has failed, a commit says that all went well: so it is asked first.
    async fn commit(
        &self,
        connection: &mut SqlxConnection,
        position: bool,
    ) -> Result<Option<Position>, sqlx::Error> {
        if let Err(error) = connection.0.execute("SELECT 1").await {
            connection.0.execute("ROLLBACK").await?;
            return Err(error);
        }
        connection.0.execute("COMMIT").await?;
        if position { self.written(connection).await.map(Some) } else { Ok(None) }
    }

    async fn rollback(&self, connection: &mut SqlxConnection) -> Result<(), sqlx::Error> {
        connection.0.execute("ROLLBACK").await.map(drop)
    }

    fn fault(&self, error: &sqlx::Error) -> Fault {
        match error {
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("25006") => Fault::ReadOnly,
                Some("40001" | "40P01") => Fault::Conflict,
                Some("57P03" | "53300") => Fault::Unavailable,
                Some(code) if code.starts_with("08") || code.starts_with("57P") => Fault::Broken,
                Some(code) if code.starts_with("28") || code == "3D000" => Fault::Denied,
                _ => Fault::Statement,
            },
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Fault::Unreachable
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Fault::Broken,
            sqlx::Error::Configuration(_) => Fault::Denied,
            _ => Fault::Client,
        }
    }
}

/// Where a node is, from a URL.
///
/// # Errors
///
/// If it is no URL of PostgreSQL.
pub fn target(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(url.parse::<PgConnectOptions>()?.ssl_mode(PgSslMode::Disable))
}

fn position(timeline: i32, offset: i64) -> Position {
    Position::new(timeline.cast_unsigned(), offset.cast_unsigned())
}
