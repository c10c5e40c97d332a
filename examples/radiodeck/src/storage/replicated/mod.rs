//! The rows on several nodes: reads on replicas, writes on the primary.
//!
//! The stores ask the same questions as before, in the same SQL; only the way to a connection is
//! another. A listener's request has a context, which [`CausalLayer`](terrace_db::CausalLayer) has
//! put into its extensions: what they have just written they see at once, whichever replica answers.
//! Without one, any replica will do.

mod event;
mod postgres;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use axum::http::Extensions;
use terrace_db::backend::postgres::Postgres;
use terrace_db::backend::sqlite::Sqlite;
use terrace_db::{Backend, CausalContext, ErrorKind, NodeState, NodeStatus, Read, RwPool, Write};

pub use self::event::Event;
use super::{Node, Nodes, PostgresStore, SqliteStore, Store, StoreError, StoreErrorKind};
use crate::seed::Seed;

/// How long the primary may take to answer who could ask a replica instead.
const NEWEST_WITHIN: Duration = Duration::from_secs(1);

/// A store in a cluster of files, filled if it is new.
///
/// # Errors
///
/// When it is new and cannot be filled.
pub async fn files(pool: RwPool<Sqlite>) -> Result<Arc<dyn Store>, StoreError> {
    let store = SqliteStore::replicated(pool);
    store.fill(&Seed::default()).await?;
    Ok(Arc::new(store))
}

/// A store in a PostgreSQL primary and its replicas, filled if it is new.
///
/// # Errors
///
/// When it is new and cannot be filled.
pub async fn servers(pool: RwPool<Postgres>) -> Result<Arc<dyn Store>, StoreError> {
    let store = PostgresStore::replicated(pool);
    store.fill(&Seed::default()).await?;
    Ok(Arc::new(store))
}

/// A pool over all nodes, and whose requests it serves.
#[derive(Debug)]
pub(super) struct Replicated<B: Backend> {
    pool: RwPool<B>,
    context: Option<CausalContext>,
    /// Reads on the primary alone.
    newest: bool,
}

impl<B: Backend> Replicated<B> {
    pub(super) fn new(pool: RwPool<B>) -> Self {
        Self { pool, context: None, newest: false }
    }

    fn reading(&self) -> Read<'_, B> {
        let read = match &self.context {
            Some(context) => self.pool.read().context(context),
            None => self.pool.read(),
        };
        if self.newest { read.primary().deadline(NEWEST_WITHIN) } else { read }
    }

    fn writing(&self) -> Write<'_, B> {
        match &self.context {
            Some(context) => self.pool.write().context(context),
            None => self.pool.write(),
        }
    }

    /// The same nodes for one request.
    pub(super) fn within(&self, request: &Extensions) -> Option<Self> {
        let context = CausalContext::from_extensions(request)?.clone();
        Some(Self { context: Some(context), ..self.clone() })
    }

    /// The same nodes, of which the primary is read: it alone has every write for certain.
    pub(super) fn newest(&self) -> Self {
        Self { newest: true, ..self.clone() }
    }

    /// For what is not a request's: its own context.
    pub(super) fn apart(&self) -> Self {
        Self { context: Some(CausalContext::new()), ..self.clone() }
    }

    /// Waits until every replica that serves has what was written in this context, or for a few
    /// seconds: strangers' requests go to any of them.
    pub(super) async fn everywhere(&self) {
        let position = self.context.as_ref().and_then(CausalContext::position);
        let behind = || {
            let mut nodes = self.pool.status().nodes.into_iter();
            nodes.any(|node| node.state == NodeState::Replica && node.position < position)
        };
        let waiting = async {
            while behind() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _too_slow = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    }

    /// The number that all nodes share and no others have: known since the first of them answered.
    pub(super) fn database(&self) -> Option<String> {
        self.pool.status().system.map(|system| system.to_string())
    }

    pub(super) async fn status(&self) -> Nodes {
        let reads = self.reading().await.ok().map(|connection| connection.served_by().to_owned());
        Nodes { reads, nodes: self.pool.status().nodes.into_iter().map(node).collect() }
    }
}

impl<B: Backend> Clone for Replicated<B> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), context: self.context.clone(), newest: self.newest }
    }
}

fn node(status: NodeStatus) -> Node {
    let silent = matches!(status.state, NodeState::Unknown | NodeState::Down | NodeState::Denied);
    let state = serde_json::to_value(status.state).unwrap_or_default();
    Node {
        name: status.name,
        state: state.as_str().unwrap_or_default().to_owned(),
        // Nobody is behind themselves.
        lag_ms: status.lag_ms.filter(|_| status.state != NodeState::Primary),
        position: status.position.map(|position| position.to_string()),
        error: status.last_error.filter(|_| silent),
    }
}

fn failed(operation: &'static str, error: terrace_db::Error) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::Busy | ErrorKind::Conflict => StoreErrorKind::Busy,
        // Not confirmed, or not answered: all that the site writes may be written twice.
        ErrorKind::NoPrimary
        | ErrorKind::SplitBrain
        | ErrorKind::NoNode
        | ErrorKind::TooStale
        | ErrorKind::Timeout
        | ErrorKind::Disconnected
        | ErrorKind::NotPrimary
        | ErrorKind::Unconfirmed => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Failed,
    };
    StoreError::new(kind, operation, error)
}
