use super::Sqlite;
use crate::error::Error;
use crate::pool::Transaction;

/// The table that [`Transaction::claim`] writes to, for your migrations.
///
/// Rows are needed for as long as somebody may try the same again; delete older ones by `at`.
pub const IDEMPOTENCY_TABLE: &str = "CREATE TABLE IF NOT EXISTS terrace_idempotency (\
     id TEXT PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) WITHOUT ROWID";

const CLAIM: &str = "INSERT INTO terrace_idempotency (id) VALUES (?1) ON CONFLICT (id) DO NOTHING";

impl Transaction<Sqlite> {
    /// Claims the id of a request within this transaction. `false` if an earlier attempt with this
    /// id was committed: then all of that attempt has happened, and this one should be dropped.
    ///
    /// It needs the table [`IDEMPOTENCY_TABLE`]. A promotion that drops a write drops its claim
    /// with it.
    ///
    /// # Errors
    ///
    /// As every statement.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and the transaction with it rolled back.
    pub async fn claim(&mut self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.call(move |db| db.prepare_cached(CLAIM)?.execute([id])).await.map(|rows| rows == 1)
    }
}
