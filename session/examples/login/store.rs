//! The store that `--store` names.

use std::sync::Arc;
use std::time::Duration;

use terrace_session::store::redis::OpenError;
use terrace_session::store::{Memory, Postgres, Redis, Sqlite};
use terrace_session::{Store, StoreError};

use super::{AnyError, BadFlag, bad};

/// Nothing here repeats the text: there may be a password in it.
const CHOICES: &str = "--store: neither memory, sqlite:PATH, redis://… nor postgres://…";

/// Opens it. `limit` is what the layer gives each question.
pub(crate) async fn open(text: &str, limit: Duration) -> Result<Arc<dyn Store>, AnyError> {
    if text == "memory" {
        return Ok(Arc::new(Memory::new()));
    }
    match text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            // Less than the limit, so that waiting in vain is an error that says that nothing was done.
            let patience = limit.mul_f64(0.8);
            let store = Sqlite::builder(path).patience(patience).open().await;
            Ok(Arc::new(store.map_err(|error| bad("--store", &error))?))
        }
        Some(("redis" | "rediss", _)) => match Redis::builder(text).connect().await {
            Ok(store) => Ok(Arc::new(store)),
            Err(error @ OpenError::Unreachable { .. }) => Err(error.into()),
            Err(error) => Err(bad("--store", &error)),
        },
        Some(("postgres" | "postgresql", _)) => match Postgres::connect(text).await {
            Ok(store) => Ok(Arc::new(store)),
            Err(error @ StoreError::Invalid(_)) => Err(bad("--store", &error)),
            Err(error) => Err(error.into()),
        },
        _ => Err(BadFlag(CHOICES.to_owned()).into()),
    }
}
