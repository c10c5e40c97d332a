//! Brings tables up to date: at once if they are, else one process at a time.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::time::timeout;

use super::error::{Fault, Meaning};
use super::link::Link;
use super::schema::{LOCK, Schema, VERSION};

/// Making the tables takes a tenth of a second, and several hundred processes may be before us.
const WITHIN: Duration = Duration::from_secs(60);
/// Older ones have got no fixes for years: nobody has tried them.
const OLDEST: i32 = 130_000;

/// What a database says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    /// 0 if there is nothing.
    version: i64,
    /// The oldest code that works with it.
    serves: i64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    Migrate,
}

pub(super) async fn run(link: &Link, schema: &Schema, allowed: bool) -> Result<(), Fault> {
    let lease = link.lease().await?;
    let work = async {
        let client = lease.client()?;
        suits(client).await?;
        match decide(found(client, schema).await?, allowed)? {
            Next::Nothing => Ok(()),
            Next::Migrate => migrate(client, schema).await,
        }
    };
    timeout(WITHIN, work).await.map_err(|_| Fault::late(WITHIN, Meaning::Unavailable))??;
    lease.give_back();
    Ok(())
}

/// Our own transaction: a lock of the transaction goes with it in any case, also through a pooler between us and the
/// server.
async fn migrate(client: &ClientWrapper, schema: &Schema) -> Result<(), Fault> {
    let limit = WITHIN.as_millis();
    let lock = format!(
        "BEGIN; SET LOCAL statement_timeout = {limit}; SELECT pg_advisory_xact_lock({LOCK})"
    );
    batch(client, &lock).await?;
    // What the one before us has made.
    if decide(found(client, schema).await?, true)? == Next::Migrate {
        let there = "SELECT to_regnamespace($1) IS NOT NULL";
        let name = format!("\"{}\"", schema.name());
        let row = client.query_one(there, &[&name]).await.map_err(Fault::preparing)?;
        // Who may not create a schema may use one.
        if !row.try_get::<_, bool>(0).map_err(Fault::invalid)? {
            batch(client, &schema.create()).await?;
        }
        let from = found(client, schema).await?.version;
        batch(client, &schema.steps(from)).await?;
    }
    batch(client, "COMMIT").await
}

async fn batch(client: &ClientWrapper, sql: &str) -> Result<(), Fault> {
    client.batch_execute(sql).await.map_err(Fault::asking)
}

async fn suits(client: &ClientWrapper) -> Result<(), Fault> {
    let sql =
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')";
    let row = client.query_one(sql, &[]).await.map_err(Fault::preparing)?;
    let version = row.try_get::<_, i32>(0).map_err(Fault::invalid)?;
    let encoding = row.try_get::<_, &str>(1).map_err(Fault::invalid)?;
    if version < OLDEST {
        return Err(Fault::invalid(Unfit::Server(version)));
    }
    if encoding != "UTF8" {
        return Err(Fault::invalid(Unfit::Encoding(encoding.to_owned())));
    }
    Ok(())
}

async fn found(client: &ClientWrapper, schema: &Schema) -> Result<Found, Fault> {
    let there = "SELECT to_regclass($1) IS NOT NULL";
    let books = schema.expand("@migrations");
    let row = client.query_one(there, &[&books]).await.map_err(Fault::preparing)?;
    if !row.try_get::<_, bool>(0).map_err(Fault::invalid)? {
        return Ok(Found { version: 0, serves: 0 });
    }
    let newest = "SELECT version, serves FROM @migrations ORDER BY version DESC LIMIT 1";
    let newest = schema.expand(newest);
    let row = client.query_opt(&newest, &[]).await.map_err(Fault::preparing)?;
    let Some(row) = row else { return Ok(Found { version: 0, serves: 0 }) };
    let number = |index: usize| row.try_get::<_, i64>(index).map_err(Fault::invalid);
    Ok(Found { version: number(0)?, serves: number(1)? })
}

fn decide(found: Found, allowed: bool) -> Result<Next, Fault> {
    if found.serves > VERSION {
        return Err(Fault::invalid(Unfit::Newer(found)));
    }
    match found.version {
        VERSION.. => Ok(Next::Nothing),
        _ if allowed => Ok(Next::Migrate),
        version => Err(Fault::invalid(Unfit::Older(version))),
    }
}

/// Why a database will not do.
#[derive(Debug)]
enum Unfit {
    Server(i32),
    Encoding(String),
    Newer(Found),
    Older(i64),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(version) => {
                write!(f, "PostgreSQL 13 or newer is needed, and this is {}", version / 10_000)
            }
            Self::Encoding(encoding) => {
                write!(f, "a database in UTF8 is needed, and this one is in {encoding}")
            }
            Self::Newer(Found { version, serves }) => write!(
                f,
                "the tables are of version {version}, which works with code from version {serves} on, \
                 and this code is of version {VERSION}"
            ),
            Self::Older(0) => {
                f.write_str("there are no tables for sessions, and this store is not to make them")
            }
            Self::Older(version) => write!(
                f,
                "the tables are of version {version}, this code needs version {VERSION}, and it is \
                 not to change them"
            ),
        }
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(version: i64, serves: i64, allowed: bool) -> Option<Next> {
        decide(Found { version, serves }, allowed).ok()
    }

    #[test]
    fn an_empty_database_gets_tables_unless_that_is_forbidden() {
        assert_eq!(decided(0, 0, true), Some(Next::Migrate));
        assert_eq!(decided(0, 0, false), None);
    }

    #[test]
    fn tables_that_are_up_to_date_are_left_alone() {
        assert_eq!(decided(VERSION, 1, true), Some(Next::Nothing));
        assert_eq!(decided(VERSION, 1, false), Some(Next::Nothing));
    }

    #[test]
    fn newer_tables_are_used_if_they_serve_this_code_and_refused_if_not() {
        assert_eq!(decided(VERSION + 5, VERSION, true), Some(Next::Nothing));
        assert_eq!(decided(VERSION + 5, VERSION + 1, true), None);
    }
}
