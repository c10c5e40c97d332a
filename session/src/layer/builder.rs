use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tower_layer::Layer;

use super::Copies;
use super::error::BuildError;
use super::outage::Outage;
use super::service::SessionService;
use super::shared::{Chance, Shared};
use crate::cookie::{Checked, Cookie};
use crate::expiry::Expiry;
use crate::record::Limits;
use crate::session::Sessions;
use crate::store::{Guarded, Store, SubjectLimit};
use crate::telemetry::Telemetry;
use crate::token::Keys;

/// Gives each request its [`Session`](crate::Session). The [module](super) has examples.
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
        let builder = Self::builder(store, keys);
        Self { shared: Arc::new(builder.shared(Checked::default())) }
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

/// A store in the same data centre answers in a few milliseconds; one that takes fifty times as long is in trouble, and its
/// callers are people who wait.
const STORE_TIMEOUT: Duration = Duration::from_millis(250);

/// The settings of a [`SessionLayer`].
#[derive(Debug)]
pub struct SessionBuilder {
    store: Arc<dyn Store>,
    keys: Keys,
    expiry: Expiry,
    cookie: Cookie,
    limits: Limits,
    subject_limit: Option<SubjectLimit>,
    outage: Outage,
    region: u8,
    store_timeout: Duration,
    commit_on_server_error: bool,
    seed: Option<u64>,
}

impl SessionBuilder {
    /// How long sessions live. Default: 30 minutes unused, 12 hours in any case ([`Expiry`] says why).
    #[must_use]
    pub fn expiry(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }

    /// How the cookie is sent. Default [`Cookie::lax`].
    #[must_use]
    pub fn cookie(self, cookie: Cookie) -> Self {
        Self { cookie, ..self }
    }

    /// How much a session may hold. Default: [`Limits`] says it.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// How many sessions a user may have. Default: any number, because people have more devices than one thinks of.
    #[must_use]
    pub fn subject_limit(self, limit: SubjectLimit) -> Self {
        Self { subject_limit: Some(limit), ..self }
    }

    /// What requests are told while the store is away. Default [`Outage::FailClosed`].
    #[must_use]
    pub fn outage(self, outage: Outage) -> Self {
        Self { outage, ..self }
    }

    /// The data centre that new tokens are marked with. Default 0, of one who has one.
    #[must_use]
    pub fn region(self, region: u8) -> Self {
        Self { region, ..self }
    }

    /// How long each question to the store may take. Default 250 ms: many times what a store in the same data centre
    /// needs.
    #[must_use]
    pub fn store_timeout(self, limit: Duration) -> Self {
        Self { store_timeout: limit, ..self }
    }

    /// Whether values are kept that a handler set before it answered with 500 or more. Default no: it did not do what it began,
    /// and its request may be sent again. Logins, logouts and [`update`](crate::Session::update) are kept in any case.
    #[must_use]
    pub fn commit_on_server_error(self, commit: bool) -> Self {
        Self { commit_on_server_error: commit, ..self }
    }

    /// Where the chance begins by which colliding updates wait. Default: the operating system's random numbers. No secret
    /// comes from here.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if a setting means nothing, or contradicts another one.
    pub fn build(self) -> Result<SessionLayer, BuildError> {
        let none = |what| BuildError::Zero { what };
        let lifetime = self.expiry.lifetime();
        let durations = [
            (lifetime.idle, "expiry.idle"),
            (lifetime.absolute, "expiry.absolute"),
            (self.store_timeout, "store_timeout"),
        ];
        if let Some((_, what)) = durations.into_iter().find(|(duration, _)| duration.is_zero()) {
            return Err(none(what));
        }
        let Limits { bytes, values, value } = self.limits;
        let counts = [
            (bytes, "limits.bytes"),
            (values, "limits.values"),
            (value, "limits.value"),
            (self.subject_limit.map_or(1, |limit| limit.sessions), "subject_limit.sessions"),
        ];
        if let Some((_, what)) = counts.into_iter().find(|(count, _)| *count == 0) {
            return Err(none(what));
        }
        if let Outage::StaleOk(Duration::ZERO) = self.outage {
            return Err(none("outage"));
        }
        let cookie = self.cookie.check().map_err(BuildError::Cookie)?;
        Ok(SessionLayer { shared: Arc::new(self.shared(cookie)) })
    }

    fn shared(self, cookie: Checked) -> Shared {
        let copies = OnceLock::new();
        if let Outage::StaleOk(_) = self.outage {
            copies.get_or_init(Copies::new);
        }
        Shared {
            store: Guarded::new(self.store).time_limit(self.store_timeout),
            keys: self.keys,
            cookie,
            expiry: self.expiry,
            limits: self.limits,
            subject_limit: self.subject_limit,
            outage: self.outage,
            region: self.region,
            commit_on_server_error: self.commit_on_server_error,
            copies,
            chance: Chance::new(self.seed),
            telemetry: Telemetry::default(),
        }
    }
}
