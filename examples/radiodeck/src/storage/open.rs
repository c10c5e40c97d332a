use std::path::Path;
use std::sync::Arc;

use super::{PostgresStore, SqliteStore, Store, StoreError};
use crate::seed::Seed;

/// Opens the database that an address names, `postgres://…` or `sqlite:PATH`, with at most this many
/// connections for reading, and fills it if it is new.
///
/// # Errors
///
/// When the address cannot be read, nothing answers there, or it cannot be filled.
pub async fn open(address: &str, connections: usize) -> Result<Arc<dyn Store>, StoreError> {
    let seed = Seed::default();
    if let Some(path) = address.strip_prefix("sqlite:") {
        let store = SqliteStore::open(Path::new(path), connections).await?;
        store.fill(&seed).await?;
        return Ok(Arc::new(store));
    }
    let store = PostgresStore::connect(address, connections).await?;
    store.fill(&seed).await?;
    Ok(Arc::new(store))
}
