//! The inner service of a contract test.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Sleep;
use tower_service::Service;

use super::error::ProbeError;
use super::plan::{Latency, Outcome};
use super::probe::{End, Ledger, ServiceProbe};

pub(super) type Respond<Req, Res> = dyn Fn(&Req, &ServiceProbe) -> Res + Send + Sync;

/// A tower service whose readiness, answers and latency a test controls through a
/// [`ServiceProbe`], and which records what its caller does with it.
///
/// It never panics at a broken contract (a call without readiness is counted in
/// [`Counts::unready_calls`](super::Counts)) unless it was told to.
///
/// ```
/// use terrace_testkit::contract::{ControlledService, Plan};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (probe, service) = ControlledService::new(|request: &u32| request * 2);
/// probe.script([Plan::fail("disk full")]);
/// assert!(service.clone().oneshot(1).await.is_err());
/// assert_eq!(service.oneshot(21).await, Ok(42));
/// assert_eq!(probe.counts().calls, 2);
/// # });
/// ```
///
/// # Clone
///
/// Clones share the probe. Readiness is per instance, as tower demands: a clone must be polled to
/// readiness before it is called.
pub struct ControlledService<Req, Res> {
    probe: ServiceProbe,
    respond: Arc<Respond<Req, Res>>,
    /// True from `poll_ready` = Ready to the next `call`.
    ready: bool,
}

impl<Req, Res> ControlledService<Req, Res> {
    /// A service that answers with `respond`, and the probe that controls it.
    pub fn new(respond: impl Fn(&Req) -> Res + Send + Sync + 'static) -> (ServiceProbe, Self) {
        Self::with_probe(move |request, _| respond(request))
    }

    /// Like [`new`](Self::new); `respond` also gets the probe, to make tracked bodies with it.
    pub fn with_probe(
        respond: impl Fn(&Req, &ServiceProbe) -> Res + Send + Sync + 'static,
    ) -> (ServiceProbe, Self) {
        Self::from_arc(Arc::new(respond))
    }

    pub(super) fn from_arc(respond: Arc<Respond<Req, Res>>) -> (ServiceProbe, Self) {
        let probe = ServiceProbe::default();
        (probe.clone(), Self { probe, respond, ready: false })
    }

    /// The probe that controls this service.
    #[must_use]
    pub fn probe(&self) -> &ServiceProbe {
        &self.probe
    }
}

impl<Req, Res> fmt::Debug for ControlledService<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlledService").field("ready", &self.ready).finish_non_exhaustive()
    }
}

// By hand: readiness is a reservation of one instance, a clone starts without it.
impl<Req, Res> Clone for ControlledService<Req, Res> {
    fn clone(&self) -> Self {
        self.probe.ledger.cloned();
        Self { probe: self.probe.clone(), respond: self.respond.clone(), ready: false }
    }
}

impl<Req, Res> Drop for ControlledService<Req, Res> {
    fn drop(&mut self) {
        if self.ready {
            self.probe.ledger.drop_reservation();
        }
    }
}

impl<Req, Res> Service<Req> for ControlledService<Req, Res> {
    type Response = Res;
    type Error = ProbeError;
    type Future = ControlledFuture<Req, Res>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        let poll = self.probe.ledger.poll_ready(self.ready, cx);
        if matches!(poll, Poll::Ready(Ok(()))) {
            self.ready = true;
        }
        poll
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let ready = std::mem::take(&mut self.ready);
        let (id, plan) = self.probe.ledger.call(ready);
        ControlledFuture {
            ticket: Ticket { ledger: self.probe.ledger.clone(), id, end: None },
            probe: self.probe.clone(),
            respond: self.respond.clone(),
            request: Some(request),
            latency: plan.latency,
            outcome: plan.outcome,
            sleep: None,
        }
    }
}

/// Counts the call out, however it ends.
struct Ticket {
    ledger: Arc<Ledger>,
    id: u64,
    end: Option<End>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // An ended future may live on inside the caller; it was counted out at its end.
        if self.end.is_none() {
            self.ledger.ended(self.id, End::Cancelled);
        }
    }
}

impl Ticket {
    fn end(&mut self, end: End) {
        self.end = Some(end);
        self.ledger.ended(self.id, end);
    }
}

/// The response future of [`ControlledService`].
pub struct ControlledFuture<Req, Res> {
    ticket: Ticket,
    probe: ServiceProbe,
    respond: Arc<Respond<Req, Res>>,
    request: Option<Req>,
    latency: Latency,
    outcome: Outcome,
    sleep: Option<Pin<Box<Sleep>>>,
}

// Nothing in it is pinned in place (the timer is boxed), whatever the request type is.
impl<Req, Res> Unpin for ControlledFuture<Req, Res> {}

impl<Req, Res> fmt::Debug for ControlledFuture<Req, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlledFuture").field("latency", &self.latency).finish_non_exhaustive()
    }
}

impl<Req, Res> Future for ControlledFuture<Req, Res> {
    type Output = Result<Res, ProbeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.latency {
            Latency::Immediate | Latency::Polls(0) => {}
            Latency::Polls(left) => {
                *left -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Latency::After(time) => {
                let time = *time;
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
                std::task::ready!(sleep.as_mut().poll(cx));
            }
            Latency::Held => std::task::ready!(this.ticket.ledger.poll_held(this.ticket.id, cx)),
        }
        let request = this.request.take().expect("polled again after it ended");
        match &this.outcome {
            Outcome::Respond => {
                let response = (this.respond)(&request, &this.probe);
                this.ticket.end(End::Completed);
                Poll::Ready(Ok(response))
            }
            Outcome::Fail(message) => {
                let error = ProbeError(message.clone());
                this.ticket.end(End::Failed);
                Poll::Ready(Err(error))
            }
            Outcome::Panic => panic!("the inner service panics, as the test told it to"),
        }
    }
}
