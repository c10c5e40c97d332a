//! The service: pick, lease, hand over.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tower_service::Service;

use super::{BalanceFuture, Builder};
use crate::completion::{AtResponse, Completion};
use crate::membership::{EndpointStatus, Members, Published};
use crate::policy::{Rng, Tried};
use crate::retry::{NoRetry, Retry};
use crate::telemetry::Telemetry;
use crate::{BalanceError, Lease};

/// Sends each request to one of its endpoints. See the [module](super) for how and why.
///
/// # Errors
///
/// [`BalanceError`]: nothing to pick from, or the endpoint that failed, with its error and whether
/// the request may have reached it.
///
/// # Cancel safety
///
/// Dropping the response future drops the endpoint's and releases the lease.
///
/// # Clone
///
/// Clones are one balancer: they share members, health and load. Each has its own chance, derived
/// from the common seed. The [`Driver`](crate::Driver) ends when the last clone is dropped.
pub struct Balance<S, Req, C = AtResponse, R = NoRetry> {
    shared: Arc<Shared<S, Req, C, R>>,
    rng: Rng,
}

pub(crate) struct Shared<S, Req, C, R> {
    pub(super) published: Arc<Published<S, Req>>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) members: Members<S>,
    pub(super) completion: C,
    pub(super) retry: R,
    /// Where the next clone's generator starts.
    pub(super) seeds: AtomicU64,
    /// The driver waits for this to be dropped.
    pub(super) _alive: oneshot::Sender<()>,
}

impl<S, Req, C, R> Shared<S, Req, C, R> {
    pub(super) fn fresh_rng(&self) -> Rng {
        // Weyl's sequence with the golden ratio: neighbouring seeds far apart, none twice.
        Rng::from_seed(self.seeds.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

impl<S, Req> Balance<S, Req>
where
    S: Clone + Send + Sync + 'static,
    Req: 'static,
{
    /// Starts building a balancer.
    pub fn builder() -> Builder<S, Req> {
        Builder::new()
    }
}

impl<S: Clone, Req, C, R> Balance<S, Req, C, R> {
    pub(super) fn new(shared: Arc<Shared<S, Req, C, R>>) -> Self {
        Self { rng: shared.fresh_rng(), shared }
    }

    /// Chooses an endpoint and takes a lease on it: the balancer without the service around it.
    ///
    /// For protocols that are not request and response, a connection to a database say: use the
    /// service as long as the lease lives.
    ///
    /// # Errors
    ///
    /// Every [`BalanceError`] but `Endpoint`.
    pub fn pick(
        &mut self,
        request: &Req,
    ) -> Result<(Lease, S), BalanceError<std::convert::Infallible>> {
        self.shared.published.load().pick(request, &Tried::default(), &mut self.rng)
    }

    /// A handle to change the members.
    #[must_use]
    pub fn members(&self) -> Members<S> {
        self.shared.members.clone()
    }

    /// Every endpoint, available or not, as the balancer sees it now.
    #[must_use]
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.shared.published.load().statuses()
    }
}

impl<S, Req, C, R> Service<Req> for Balance<S, Req, C, R>
where
    S: Service<Req> + Clone,
    C: Completion<S::Response>,
    R: Retry<Req, S::Error>,
{
    type Response = C::Output;
    type Error = BalanceError<S::Error>;
    type Future = BalanceFuture<S, Req, C, R>;

    /// Always ready: which endpoint must be ready is known only with the request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let tried = Tried::default();
        let snapshot = self.shared.published.load();
        match snapshot.pick(&request, &tried, &mut self.rng) {
            Ok((lease, service)) => {
                // A copy costs more than the pick, and is of no use with nowhere else to go.
                let saved = snapshot.has_choice().then(|| self.shared.retry.save(&request));
                let (shared, saved) = (Arc::clone(&self.shared), saved.flatten());
                BalanceFuture::attempt(shared, lease, service, request, saved)
            }
            Err(error) => {
                self.shared.telemetry.not_picked(&error);
                BalanceFuture::failed(Arc::clone(&self.shared), error)
            }
        }
    }
}

impl<S, Req, C, R> Clone for Balance<S, Req, C, R> {
    fn clone(&self) -> Self {
        // A generator of its own: with a copied one all clones would choose alike.
        Self { rng: self.shared.fresh_rng(), shared: Arc::clone(&self.shared) }
    }
}

impl<S, Req, C, R> fmt::Debug for Balance<S, Req, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("name", &self.shared.telemetry.name())
            .finish_non_exhaustive()
    }
}
