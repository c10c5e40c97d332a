use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::rule::{Rule, on};

/// How many bytes all fills under way may hold together.
///
/// What is stored is bounded by its store; this bounds what is not there yet. A fill that gets no
/// more goes on without keeping its body: it becomes a window, and holds a chunk or two.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// How many bytes there are in all.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many bytes are held now. More than the limit by up to one chunk for each window that got
    /// nothing.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// What one fill holds of the budget, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Option<Arc<Budget>>,
    taken: u64,
}

impl Share {
    pub(super) fn new(budget: Option<Arc<Budget>>) -> Self {
        Self { budget, taken: 0 }
    }

    /// Takes more, if there is so much.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let Some(budget) = &self.budget else { return true };
        let fits = |used: u64| {
            let used = used.checked_add(bytes)?;
            (used <= budget.limit || !on(Rule::Budget)).then_some(used)
        };
        let grown = budget.used.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.taken += bytes;
        }
        grown
    }

    /// Takes more, whether there is so much or not.
    pub(super) fn overdraw(&mut self, bytes: u64) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_add(bytes, Ordering::Relaxed);
            self.taken += bytes;
        }
    }

    pub(super) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.taken);
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(bytes, Ordering::Relaxed);
            self.taken -= bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.taken);
    }
}
