//! A cluster of files.

use std::time::Duration;

use rusqlite::Connection;
use terrace_db::backend::sqlite::Sqlite;

use super::{Replicated, failed};
use crate::storage::StoreError;

/// How long a write may take: the first is the filling of the whole database.
const WRITE_WITHIN: Duration = Duration::from_secs(60);

impl Replicated<Sqlite> {
    /// Asks a replica that is fresh enough for this request, or else the primary.
    pub(in crate::storage) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.reading().call(work).await.map_err(|error| failed(operation, error))
    }

    /// Writes on the primary, in one transaction.
    pub(in crate::storage) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let write = self.writing().deadline(WRITE_WITHIN);
        write
            .call(move |transaction| work(transaction))
            .await
            .map_err(|error| failed(operation, error))
    }
}
