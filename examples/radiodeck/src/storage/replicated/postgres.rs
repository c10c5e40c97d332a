//! PostgreSQL servers.

use std::time::Duration;

use terrace_db::backend::postgres::Postgres;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Replicated, failed};
use crate::seed::Seed;
use crate::storage::StoreError;
use crate::storage::postgres::fill::fill;

/// How long the filling of a new database may take.
const FILL_WITHIN: Duration = Duration::from_secs(60);

impl Replicated<Postgres> {
    /// Asks a replica that is fresh enough for this request, or else the primary.
    pub(in crate::storage) async fn read(
        &self,
        operation: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.reading().query(statement, parameters).await.map_err(|error| failed(operation, error))
    }

    /// Writes on the primary, in one statement.
    pub(in crate::storage) async fn write(
        &self,
        operation: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.writing().query(statement, parameters).await.map_err(|error| failed(operation, error))
    }

    /// Fills a new database on the primary.
    pub(in crate::storage) async fn fill(&self, seed: &Seed) -> Result<(), StoreError> {
        let apart = self.apart();
        let filled = async {
            let mut primary = apart.writing().deadline(FILL_WITHIN).await?;
            primary.run(async |connection| Ok(fill(connection.client_mut(), seed).await?)).await
        };
        filled.await.map_err(|error| failed("fill", error))?;
        apart.everywhere().await;
        Ok(())
    }
}
