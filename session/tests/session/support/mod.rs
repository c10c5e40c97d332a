//! A site whose store is counted and fails by order, and browsers that visit it.

mod browser;
mod scripted;

pub use browser::{Browser, Visit, service};
pub use scripted::{Fault, Op, Scripted};

use std::sync::Arc;
use std::time::Duration;

use terrace_session::layer::SessionBuilder;
use terrace_session::store::Memory;
use terrace_session::{Keys, ManualClock, SessionLayer, UnixMillis};

pub const MINUTE: Duration = Duration::from_secs(60);

pub struct Site {
    pub layer: SessionLayer,
    pub store: Arc<Scripted>,
    pub clock: ManualClock,
}

impl Site {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(settings: impl FnOnce(SessionBuilder) -> SessionBuilder) -> Self {
        let clock = ManualClock::at(UnixMillis(1_000_000_000));
        let store = Arc::new(Scripted::around(Memory::builder().clock(clock.clone()).build()));
        let builder = SessionLayer::builder(Arc::clone(&store), keys()).seed(1);
        let layer = settings(builder).build().unwrap();
        Self { layer, store, clock }
    }

    /// Another process with the same store and the same keys.
    pub fn another(&self) -> SessionLayer {
        SessionLayer::builder(Arc::clone(&self.store), keys()).seed(2).build().unwrap()
    }
}

pub fn keys() -> Keys {
    Keys::new(1, &[7; 32]).unwrap()
}
