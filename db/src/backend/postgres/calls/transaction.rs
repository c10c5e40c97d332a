//! Transactions.

use std::pin::pin;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::Postgres;
use super::super::exchange::{AtMostOne, Count, Params, Rows, Shape};
use super::{at_most_one, one};
use crate::error::{Error, Outcome};
use crate::pool::{Effect, Transaction};

/// Statements inside the transaction. After an error of the database only a rollback helps, and
/// [`commit`](Transaction::commit) says so too.
impl Transaction<Postgres> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server says no, or nothing in time. Nothing of a transaction that does not commit
    /// stays.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and the transaction with it rolled back.
    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.ask::<Rows>(sql, params).await
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one. The transaction is
    /// none the worse then, and what the statement did is part of it.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let found = self.ask::<AtMostOne>(sql, params).await?;
        one(found, Outcome::Refused, self.served_by())
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query_one`](Self::query_one), but no row is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let found = self.ask::<AtMostOne>(sql, params).await?;
        at_most_one(found, Outcome::Refused, self.served_by())
    }

    /// How many rows the statement has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn execute(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        self.ask::<Count>(sql, params).await
    }

    /// Several statements in one text, without parameters and without rows: a level of isolation,
    /// a savepoint. Not `COMMIT` or `ROLLBACK`, for which there are methods.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.run(async |connection| connection.batch_execute(sql).await).await
    }

    async fn ask<S: Shape>(&mut self, sql: &str, params: Params<'_>) -> Result<S::Answer, Error> {
        let (raw, watch, _) = self.parts();
        watch.over(Effect::InTransaction, pin!(raw.ask::<S>(sql, params))).await
    }
}
