//! One request's way: an attempt, and perhaps one more elsewhere.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::Shared;
use crate::completion::Completion;
use crate::policy::Tried;
use crate::retry::Retry;
use crate::{BalanceError, Lease, Sent};

/// Attempts for one request. The second one is for the endpoint that has just died; a third would
/// multiply the load of an outage by three.
const MAX_ATTEMPTS: u32 = 2;

pin_project! {
    /// The future of [`Balance`](super::Balance).
    pub struct BalanceFuture<S: Service<Req>, Req, C, R> {
        shared: Arc<Shared<S, Req, C, R>>,
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Req>, Req> {
        Attempt {
            #[pin]
            response: Oneshot<S, Req>,
            lease: Option<Lease>,
            saved: Option<Req>,
            tried: Tried,
            attempts: u32,
        },
        NotPicked {
            error: Option<BalanceError<S::Error>>,
        },
        Done,
    }
}

impl<S, Req, C, R> BalanceFuture<S, Req, C, R>
where
    S: Service<Req>,
    R: Retry<Req, S::Error>,
{
    pub(super) fn attempt(
        shared: Arc<Shared<S, Req, C, R>>,
        lease: Lease,
        service: S,
        request: Req,
        saved: Option<Req>,
    ) -> Self {
        let state = State::Attempt {
            response: Oneshot::new(service, request),
            lease: Some(lease),
            saved,
            tried: Tried::default(),
            attempts: 1,
        };
        Self { shared, state }
    }

    pub(super) fn failed(shared: Arc<Shared<S, Req, C, R>>, error: BalanceError<S::Error>) -> Self {
        Self { shared, state: State::NotPicked { error: Some(error) } }
    }
}

impl<S, Req, C, R> Future for BalanceFuture<S, Req, C, R>
where
    S: Service<Req> + Clone,
    C: Completion<S::Response>,
    R: Retry<Req, S::Error>,
{
    type Output = Result<C::Output, BalanceError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let output = match this.state.as_mut().project() {
                StateProj::Attempt { response, lease, saved, tried, attempts } => {
                    let result = ready!(response.poll(cx));
                    // There is one from the start of every attempt to its end.
                    let Some(lease) = lease.take() else {
                        return Poll::Pending;
                    };
                    match result {
                        Ok(response) => Ok(this.shared.completion.complete(lease, response)),
                        Err(mut source) => {
                            let sent = this.shared.retry.sent(&source);
                            tried.insert(lease.endpoint());
                            let (id, name) = (lease.endpoint(), Arc::clone(lease.name()));
                            // The failed attempt no longer counts when the next one is picked.
                            drop(lease);
                            let again =
                                this.shared.again(*attempts, sent, &mut source, saved, tried);
                            if let Some(next) = again {
                                let (lease, service, request) = next;
                                let next = State::Attempt {
                                    response: Oneshot::new(service, request),
                                    lease: Some(lease),
                                    saved: None,
                                    tried: *tried,
                                    attempts: *attempts + 1,
                                };
                                this.state.set(next);
                                continue;
                            }
                            this.shared.telemetry.endpoint_failed(sent);
                            let attempts = *attempts;
                            Err(BalanceError::Endpoint { id, name, sent, attempts, source })
                        }
                    }
                }
                StateProj::NotPicked { error } => match error.take() {
                    Some(error) => Err(error),
                    None => return Poll::Pending,
                },
                // Polled after it was ready, which its contract forbids; pending does no harm.
                StateProj::Done => return Poll::Pending,
            };
            this.state.set(State::Done);
            return Poll::Ready(output);
        }
    }
}

impl<S: Clone, Req, C, R> Shared<S, Req, C, R> {
    /// The next attempt, if one is safe and there is an endpoint for it.
    fn again<E>(
        &self,
        attempts: u32,
        sent: Sent,
        source: &mut E,
        saved: &mut Option<Req>,
        tried: &Tried,
    ) -> Option<(Lease, S, Req)>
    where
        R: Retry<Req, E>,
    {
        if attempts >= MAX_ATTEMPTS {
            return None;
        }
        let request = match sent {
            Sent::No => saved.take().or_else(|| self.retry.reclaim(source)),
            Sent::Maybe => saved.take(),
        }?;
        let picked = self.published.load().pick::<E>(&request, tried, &mut self.fresh_rng());
        let (lease, service) = picked.ok()?;
        self.telemetry.retried();
        Some((lease, service, request))
    }
}

impl<S: Service<Req>, Req, C, R> fmt::Debug for BalanceFuture<S, Req, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceFuture").finish_non_exhaustive()
    }
}
