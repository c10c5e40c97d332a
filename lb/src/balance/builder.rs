//! Putting a balancer together.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::{Balance, Shared};
use crate::completion::{AtBodyEnd, AtResponse};
use crate::driver::{Driver, Parts, erased};
use crate::health::{Check, HealthConfig};
use crate::membership::{Discover, Table, commands};
use crate::policy::{P2c, Policy, Rng};
use crate::retry::{NoRetry, Retry};
use crate::telemetry::Telemetry;
use crate::{BuildError, Endpoint};

/// Builds a [`Balance`] and its [`Driver`].
#[must_use = "a builder does nothing until it is built"]
pub struct Builder<S, Req, C = AtResponse, R = NoRetry> {
    name: Arc<str>,
    policy: Arc<dyn Policy<Req>>,
    endpoints: Vec<Endpoint<S>>,
    discovery: Option<Box<dyn erased::Discover<S>>>,
    health: Option<(Arc<dyn erased::Check<S>>, HealthConfig)>,
    seed: Option<u64>,
    completion: C,
    retry: R,
}

impl<S, Req> Builder<S, Req>
where
    S: Clone + Send + Sync + 'static,
    Req: 'static,
{
    pub(super) fn new() -> Self {
        Self {
            name: "default".into(),
            policy: Arc::new(P2c::new()),
            endpoints: Vec::new(),
            discovery: None,
            health: None,
            seed: None,
            completion: AtResponse,
            retry: NoRetry,
        }
    }
}

impl<S, Req, C, R> Builder<S, Req, C, R>
where
    S: Clone + Send + Sync + 'static,
    Req: 'static,
{
    /// Names the balancer in metrics and logs. Default: `default`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the policy. Default: [`P2c`], which is near the best at any size and cannot herd.
    pub fn policy(mut self, policy: impl Policy<Req>) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Sets the endpoints to start with. Default: none.
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Endpoint<S>>) -> Self {
        self.endpoints = endpoints.into_iter().collect();
        self
    }

    /// Follows a source of changes, from the endpoints set by [`endpoints`](Self::endpoints) on.
    pub fn discover(mut self, source: impl Discover<S>) -> Self {
        self.discovery = Some(Box::new(source));
        self
    }

    /// Checks the endpoints' health. Default: nobody checks, and every endpoint counts as up.
    pub fn health(mut self, check: impl Check<S>, config: HealthConfig) -> Self {
        self.health = Some((Arc::new(check), config));
        self
    }

    /// Makes all chance reproducible: picks and the jitter of checks. Default: a fresh seed, drawn
    /// once from the operating system when the balancer is built.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Counts an HTTP request in flight until its body or its tunnel ends: see [`AtBodyEnd`].
    pub fn http(self) -> Builder<S, Req, AtBodyEnd, R> {
        self.completion(AtBodyEnd)
    }

    /// Sets when a request is over. Default: [`AtResponse`].
    pub fn completion<D>(self, completion: D) -> Builder<S, Req, D, R> {
        Builder {
            completion,
            name: self.name,
            policy: self.policy,
            endpoints: self.endpoints,
            discovery: self.discovery,
            health: self.health,
            seed: self.seed,
            retry: self.retry,
        }
    }

    /// Sends a failed request once more, to another endpoint, where that is safe. Default:
    /// [`NoRetry`], because only the retry knows what is safe for this kind of request.
    pub fn retry<E, T: Retry<Req, E>>(self, retry: T) -> Builder<S, Req, C, T>
    where
        S: tower_service::Service<Req, Error = E>,
    {
        Builder {
            retry,
            name: self.name,
            policy: self.policy,
            endpoints: self.endpoints,
            discovery: self.discovery,
            health: self.health,
            seed: self.seed,
            completion: self.completion,
        }
    }

    /// Makes the balancer and the future that keeps it up to date, to be spawned.
    ///
    /// The balancer answers from its first endpoints even if the driver is never run; it is then
    /// as it was built, for ever.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the endpoint that is listed twice or the setting that is out of range.
    pub fn build(self) -> Result<(Balance<S, Req, C, R>, Driver), BuildError> {
        if let Some((_, config)) = &self.health {
            config.validate().map_err(BuildError::Health)?;
        }
        let mut table = Table::new(self.health.is_some());
        let joined = table.replace(self.endpoints);
        let joined = joined.map_err(|name| BuildError::DuplicateEndpoint { name })?;
        let mut rng = Rng::from_seed(self.seed.unwrap_or_else(|| RandomState::new().hash_one(())));
        let published = Arc::new(ArcSwap::from_pointee(table.snapshot(&*self.policy)));
        let telemetry = Arc::new(Telemetry::new(self.name));
        let (members, commands) = commands();
        let (alive, gone) = oneshot::channel();
        let driver = Driver::new(Parts {
            table,
            joined,
            policy: self.policy,
            published: Arc::clone(&published),
            telemetry: Arc::clone(&telemetry),
            commands,
            gone,
            discovery: self.discovery,
            health: self.health,
            rng: Rng::from_seed(rng.next_u64()),
        });
        let shared = Shared {
            published,
            telemetry,
            members,
            completion: self.completion,
            retry: self.retry,
            seeds: rng.next_u64().into(),
            _alive: alive,
        };
        Ok((Balance::new(Arc::new(shared)), driver))
    }

    /// Builds, and spawns the driver on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, as [`tokio::spawn`] does.
    pub fn spawn(self) -> Result<Balance<S, Req, C, R>, BuildError> {
        let (balance, driver) = self.build()?;
        tokio::spawn(driver);
        Ok(balance)
    }
}

impl<S, Req, C, R> fmt::Debug for Builder<S, Req, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("endpoints", &self.endpoints)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
