//! A site whose store is counted and fails by order, and browsers that visit it.

mod browser;
mod scripted;

pub(crate) use browser::{Browser, Visit, service};
pub(crate) use scripted::{Fault, Op, Scripted};

use std::sync::Arc;
use std::time::Duration;

use terrace_session::layer::SessionBuilder;
use terrace_session::store::Memory;
use terrace_session::{Keys, ManualClock, SessionLayer, UnixMillis};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct Site {
    pub(crate) layer: SessionLayer,
    pub(crate) store: Arc<Scripted>,
    pub(crate) clock: ManualClock,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(settings: impl FnOnce(SessionBuilder) -> SessionBuilder) -> Self {
        let clock = ManualClock::at(UnixMillis(1_000_000_000));
        let store = Arc::new(Scripted::around(Memory::builder().clock(clock.clone()).build()));
        let builder = SessionLayer::builder(Arc::clone(&store), keys()).seed(1);
        let layer = settings(builder).build().unwrap();
        Self { layer, store, clock }
    }

    /// Another process with the same store and the same keys.
    pub(crate) fn another(&self) -> SessionLayer {
        SessionLayer::builder(Arc::clone(&self.store), keys()).seed(2).build().unwrap()
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new(1, &[7; 32]).unwrap()
}
