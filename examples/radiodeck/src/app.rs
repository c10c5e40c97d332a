use std::path::Path;
use std::sync::Arc;

use axum::http::Extensions;

use crate::clock::Clock;
use crate::edge::{Front, Remote};
use crate::identity::{CookieIdentity, Identity};
use crate::storage::Store;
use crate::view::Pictures;

/// What the site's handlers share: a store, a clock, a way to know the listener.
///
/// # Clone
///
/// All clones share everything.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) pictures: Pictures,
    pub(crate) edge: Option<Remote>,
    pub(crate) servers: Option<Arc<Path>>,
}

impl App {
    /// A site on this store, by the machine's clock.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self::shared(Arc::new(store))
    }

    /// The same on a store that others hold too.
    #[must_use]
    pub fn shared(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Clock::system(),
            identity: Arc::new(CookieIdentity),
            name: None,
            pictures: Pictures::default(),
            edge: None,
            servers: None,
        }
    }

    /// Names this app server: responses carry the name in `x-served-by`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Is behind an edge: pages name their pictures there, and at the site while it is away;
    /// `/status` shows what it saves.
    #[must_use]
    pub fn behind(mut self, edge: Front) -> Self {
        self.pictures = Pictures::at(edge.urls);
        self.edge = Some(edge.remote);
        self
    }

    /// Is one of several app servers on this data directory, whose number changes with their load; `/status`
    /// shows them.
    #[must_use]
    pub fn among(mut self, data: &Path) -> Self {
        self.servers = Some(data.into());
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Knows listeners in another way.
    #[must_use]
    pub fn identity(mut self, identity: impl Identity) -> Self {
        self.identity = Arc::new(identity);
        self
    }

    /// The site as one listener's request sees it.
    ///
    /// Strangers write nothing, so they need no context, and without one a shared cache may keep
    /// their pages.
    pub(crate) fn within(&self, request: &Extensions) -> Self {
        let mut app = self.clone();
        if let Some(store) = app.store.within(request) {
            app.store = store;
        }
        app
    }
}
