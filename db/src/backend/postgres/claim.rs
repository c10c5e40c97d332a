use super::Postgres;
use crate::error::Error;
use crate::pool::Transaction;

/// The table that [`Transaction::claim`] writes to, for your migrations.
///
/// Rows are needed for as long as somebody may try the same again; delete older ones by `at`.
pub const IDEMPOTENCY_TABLE: &str = "CREATE TABLE IF NOT EXISTS terrace_idempotency (\
     id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())";

const CLAIM: &str = "INSERT INTO terrace_idempotency (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";

impl Transaction<Postgres> {
    /// Claims the id of a request within this transaction. `false` if an earlier attempt with this
    /// id was committed: then all of that attempt has happened, and this one should be dropped.
    ///
    /// Waits for another attempt that is under way with the same id, also for one whose client has
    /// gone: the answer is certain. It needs the table [`IDEMPOTENCY_TABLE`].
    ///
    /// A promotion that drops a write drops its claim with it.
    ///
    /// # Errors
    ///
    /// As every statement.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and the transaction with it rolled back.
    pub async fn claim(&mut self, id: &str) -> Result<bool, Error> {
        Ok(self.execute(CLAIM, &[&id]).await? == 1)
    }
}
