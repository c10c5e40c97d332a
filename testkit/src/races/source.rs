use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Gate;

/// Where the truth is: one value, which begins as 1 and grows with every change.
///
/// A clone is another handle to the same one.
#[derive(Clone, Debug)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    value: AtomicU64,
    loads: AtomicU64,
    panics: AtomicBool,
    gate: Gate,
}

impl Default for Source {
    fn default() -> Self {
        Self::new()
    }
}

impl Source {
    /// One whose value is 1.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            value: AtomicU64::new(1),
            loads: AtomicU64::new(0),
            panics: AtomicBool::new(false),
            gate: Gate::new(),
        }))
    }

    /// What is there.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.value.load(Ordering::SeqCst)
    }

    /// How often it was read.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// Writes the next value, and returns it.
    #[allow(clippy::must_use_candidate)] // Who only invalidates has no use for it.
    pub fn change(&self) -> u64 {
        self.0.value.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Reads, and then may be held: like a query whose answer is on its way.
    ///
    /// # Panics
    ///
    /// If it was held and [told](Self::panic_once) to.
    pub async fn load(&self) -> u64 {
        let value = self.value();
        let first = self.0.loads.fetch_add(1, Ordering::SeqCst) == 0;
        self.0.gate.pass().await;
        assert!(
            !(first && self.0.panics.load(Ordering::SeqCst)),
            "the first load was told to panic"
        );
        value
    }

    /// The first load of all will panic.
    pub fn panic_once(&self) {
        self.0.panics.store(true, Ordering::SeqCst);
    }

    /// Holds loads, if told to.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.0.gate.clone()
    }
}
