use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tower_layer::Layer;

use super::error::BuildError;
use super::outage::Outage;
use super::service::SessionService;
use super::shared::{Chance, Shared};
use super::Copies;
use crate::cookie::Cookie;
use crate::expiry::Expiry;
use crate::record::Limits;
use crate::session::Sessions;
use crate::store::{Guarded, Store, SubjectLimit};
use crate::telemetry::Telemetry;
use crate::token::Keys;

/// Gives each request its [`Session`](crate::Session). The [module](self) has examples.
///
/// # Clone
///
/// Clones, and the services that they make, share the store, its circuit and the copies.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    shared: Arc<Shared>,
}

impl SessionLayer {
    /// A layer with all defaults.
    #[must_use]
    pub fn new(store: impl Store, keys: Keys) -> Self {
        Self { shared: Arc::new(Self::builder(store, keys).shared_by_default()) }
    }

    /// A layer whose settings are chosen. An `Arc<dyn Store>` is a store as well.
    #[must_use]
    pub fn builder(store: impl Store, keys: Keys) -> SessionBuilder {
        SessionBuilder {
            store: Arc::new(store),
            keys,
            expiry: Expiry::default(),
            cookie: Cookie::default(),
            limits: Limits::default(),
            subject_limit: None,
            outage: Outage::default(),
            region: 0,
            store_timeout: STORE_TIMEOUT,
            commit_on_server_error: false,
            seed: None,
        }
    }

    /// The sessions of all users, for operators.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(&self.shared))
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.shared))
    }
}
