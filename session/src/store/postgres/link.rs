//! Connections, and one question on one of them.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::{Fault, Meaning};

/// The server ends a statement that takes too long, and says so. This much later nobody is there to say it.
const SILENCE: Duration = Duration::from_secs(1);

/// What a question is asked with.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Link {
    pool: Pool,
    limit: Duration,
}

impl Link {
    pub(super) fn new(pool: Pool, limit: Duration) -> Self {
        Self { pool, limit }
    }

    /// Asks one question, which gives one row: one round trip, and one more for the first time on a connection.
    pub(super) async fn row(&self, sql: &str, with: Parameters<'_>) -> Result<Row, Fault> {
        let mut rows = self.rows(sql, with).await?.into_iter();
        rows.next()
            .ok_or_else(|| Fault::invalid("PostgreSQL gave no row where there always is one"))
    }

    /// Asks one question.
    ///
    /// # Cancel safety
    ///
    /// The server may go on. The connection is closed, so that nobody's next question waits behind this one.
    pub(super) async fn rows(&self, sql: &str, with: Parameters<'_>) -> Result<Vec<Row>, Fault> {
        let lease = self.lease().await?;
        let limit = self.limit.saturating_add(SILENCE);
        let asked = ask(lease.client()?, sql, with, limit).await;
        if asked.as_ref().map_or_else(Fault::spares_connection, |_| true) {
            lease.give_back();
        }
        asked
    }

    /// A connection, for more than one question.
    pub(super) async fn lease(&self) -> Result<Lease, Fault> {
        // The pool has limits of its own, but for one that somebody else has made.
        match timeout(self.limit, self.pool.get()).await {
            Ok(object) => {
                object.map(|object| Lease { object: Some(object) }).map_err(Fault::connecting)
            }
            Err(_) => Err(Fault::late(self.limit, Meaning::Unavailable)),
        }
    }
}

async fn ask(
    client: &ClientWrapper,
    sql: &str,
    with: Parameters<'_>,
    limit: Duration,
) -> Result<Vec<Row>, Fault> {
    let prepared = timeout(limit, client.prepare_cached(sql)).await;
    let statement = prepared
        .map_err(|_| Fault::late(limit, Meaning::Unavailable))?
        .map_err(Fault::preparing)?;
    let rows = timeout(limit, client.query(&statement, with)).await;
    rows.map_err(|_| Fault::late(limit, Meaning::Unknown))?.map_err(Fault::asking)
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.pool.status();
        f.debug_struct("Link")
            .field("connections", &status.size)
            .field("at_most", &status.max_size)
            .finish_non_exhaustive()
    }
}

/// A connection that is closed unless it is given back: who was dropped in the middle of a question leaves one that is
/// busy with it.
pub(super) struct Lease {
    object: Option<Object>,
}

impl Lease {
    /// Itself, as long as it was not given back, which ends the lease.
    pub(super) fn client(&self) -> Result<&ClientWrapper, Fault> {
        let object = self.object.as_ref();
        object
            .map(|object| &**object)
            .ok_or_else(|| Fault::invalid("the connection was given back"))
    }

    pub(super) fn give_back(mut self) {
        self.object = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
