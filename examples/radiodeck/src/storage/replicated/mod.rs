//! The rows on several nodes: reads on replicas, writes on the primary.
//!
//! The stores ask the same questions as before, in the same SQL; only the way to a connection is
//! another. Each request has a context of its own, which the causal layer has put into its
//! extensions: what the listener has just written they see at once, whichever replica answers. A
//! store that no request is bound to reads on any replica.

mod accident;
mod postgres;
mod sqlite;

use axum::http::Extensions;
use terrace_db::{Backend, CausalContext, ErrorKind, RwPool};

pub use self::accident::Accident;
use super::{Node, StoreError, StoreErrorKind};

/// A pool over all nodes, and whose requests it serves.
#[derive(Debug)]
pub(super) struct Replicated<B: Backend> {
    pool: RwPool<B>,
    context: CausalContext,
}

impl<B: Backend> Replicated<B> {
    pub(super) fn new(pool: RwPool<B>) -> Self {
        Self { pool, context: CausalContext::new() }
    }

    /// The same nodes for one request.
    pub(super) fn within(&self, request: &Extensions) -> Option<Self> {
        let context = request.get::<CausalContext>()?.clone();
        Some(Self { pool: self.pool.clone(), context })
    }
}

impl<B: Backend> Clone for Replicated<B> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), context: self.context.clone() }
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
