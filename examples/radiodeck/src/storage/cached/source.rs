//! What a cache loads from.

use std::fmt;
use std::sync::Arc;

use super::savings::Savings;
use crate::counts::counted;
use crate::storage::{Store, StoreError};

/// The database behind the caches.
///
/// A replica may not have what was written a moment ago. To read it there once would be a glance at
/// the past; to keep it would be the past for minutes, for everybody, after the invalidation that
/// should have ended it. So loads ask where every acknowledged write is, which is the primary. While
/// there is none they ask any node, and what comes of that is served and not kept.
#[derive(Clone)]
pub(super) struct Source {
    newest: Arc<dyn Store>,
    any: Option<Arc<dyn Store>>,
    savings: Arc<Savings>,
}

/// What the database said, and whether a cache may keep it.
pub(super) struct Said<T> {
    pub(super) rows: T,
    pub(super) newest: bool,
}

impl Source {
    pub(super) fn new(store: &Arc<dyn Store>, savings: Arc<Savings>) -> Self {
        match store.newest() {
            Some(newest) => Self { newest, any: Some(Arc::clone(store)), savings },
            None => Self { newest: Arc::clone(store), any: None, savings },
        }
    }

    pub(super) async fn ask<T, Fut>(
        &self,
        question: impl Fn(Arc<dyn Store>) -> Fut,
    ) -> Result<Said<T>, StoreError>
    where
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let (answer, cost) = counted(async {
            match (question(Arc::clone(&self.newest)).await, &self.any) {
                (Err(error), Some(any)) if error.is_retryable() => {
                    let rows = question(Arc::clone(any)).await?;
                    Ok(Said { rows, newest: false })
                }
                (answer, _) => answer.map(|rows| Said { rows, newest: true }),
            }
        })
        .await;
        self.savings.asked(cost.queries);
        answer
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("newest", &self.newest).finish_non_exhaustive()
    }
}
