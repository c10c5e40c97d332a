//! The description of a layer under test.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tower_layer::Layer;

use super::body::ProbeBody;
use super::hostile;
use super::kit::{BoxError, LocalFuture, Refusal, Reply};
use super::probe::ServiceProbe;
use super::service::{ControlledService, Respond};

/// A request ends with its response.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

/// A request ends with its response's body.
#[derive(Clone, Copy, Debug)]
pub struct Http;

/// How the suite reads a response: [`Plain`] or [`Http`].
pub trait Protocol<Response> {
    #[doc(hidden)]
    const HTTP: bool;
    #[doc(hidden)]
    fn reply(response: Response) -> SealedReply;
}

/// Only the suite looks inside a response.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "opaque on purpose")]
pub struct SealedReply(pub(super) Reply);

pub(super) type Inner<Req, Res> = ControlledService<Req, Res>;
type ReadInFlight<L> = dyn Fn(&L) -> usize + Send + Sync;
type SharedState<L, Req, Res> =
    Arc<dyn Fn(&L, Inner<Req, Res>) -> LocalFuture<Result<(), String>> + Send + Sync>;

/// A layer under test: how to make it, what to send, and what it declares about itself.
///
/// The [module](super) has examples. Each declaration opens checks: what is not declared is either
/// held against the layer (a layer that does not say [`skips_inner`](Self::skips_inner) must not
/// skip it) or listed as not checked in the [`Verdict`](super::Verdict).
pub struct Subject<L, Req, Res, P = Plain> {
    pub(super) name: String,
    pub(super) layer: Arc<dyn Fn() -> L + Send + Sync>,
    pub(super) request: Arc<dyn Fn(usize) -> Req + Send + Sync>,
    pub(super) respond: Arc<Respond<Req, Res>>,
    pub(super) in_flight: Option<Arc<ReadInFlight<L>>>,
    pub(super) shared_state: Option<SharedState<L, Req, Res>>,
    pub(super) capacity: Option<usize>,
    pub(super) deadline: Option<Duration>,
    pub(super) skips_inner: bool,
    pub(super) reserves: bool,
    pub(super) answers_errors: bool,
    pub(super) names_errors: bool,
    pub(super) hostile: Vec<(String, Arc<dyn Fn() -> Req + Send + Sync>)>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) protocol: PhantomData<fn() -> P>,
}

impl<L, Req, Res, P> fmt::Debug for Subject<L, Req, Res, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<L, Req, Res> Subject<L, Req, Res, Plain> {
    /// A layer for any request type: `layer` makes a fresh one, `request` the n-th request and
    /// `respond` the inner service's answer.
    pub fn new(
        name: impl Into<String>,
        layer: impl Fn() -> L + Send + Sync + 'static,
        request: impl Fn(usize) -> Req + Send + Sync + 'static,
        respond: impl Fn(&Req) -> Res + Send + Sync + 'static,
    ) -> Self {
        Self::build(name.into(), layer, request, move |request, _| respond(request))
    }
}

impl<L> Subject<L, Request<ProbeBody>, Response<ProbeBody>, Http> {
    /// A layer for HTTP: `GET /n`, answered by a body of two tracked frames.
    ///
    /// Hostile requests are included; [`requests`](Self::requests) and
    /// [`responds`](Self::responds) replace what is sent and answered.
    pub fn http(name: impl Into<String>, layer: impl Fn() -> L + Send + Sync + 'static) -> Self {
        let mut subject = Self::build(name.into(), layer, hostile::plain_request, |_, probe| {
            Response::new(probe.body(["first frame", "second frame"]))
        });
        subject.hostile = hostile::requests();
        subject
    }
}

impl<L, Req, Res, P> Subject<L, Req, Res, P> {
    fn build(
        name: String,
        layer: impl Fn() -> L + Send + Sync + 'static,
        request: impl Fn(usize) -> Req + Send + Sync + 'static,
        respond: impl Fn(&Req, &ServiceProbe) -> Res + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            layer: Arc::new(layer),
            request: Arc::new(request),
            respond: Arc::new(respond),
            in_flight: None,
            shared_state: None,
            capacity: None,
            deadline: None,
            skips_inner: false,
            reserves: false,
            answers_errors: false,
            names_errors: false,
            hostile: Vec::new(),
            refusals: Vec::new(),
            protocol: PhantomData,
        }
    }

    /// Sends these requests instead; the n-th call should differ from the others if the layer
    /// coalesces or caches equal ones.
    #[must_use]
    pub fn requests(mut self, request: impl Fn(usize) -> Req + Send + Sync + 'static) -> Self {
        self.request = Arc::new(request);
        self
    }

    /// Lets the inner service answer like this; the probe makes tracked bodies
    /// ([`ServiceProbe::body`]).
    #[must_use]
    pub fn responds(
        mut self,
        respond: impl Fn(&Req, &ServiceProbe) -> Res + Send + Sync + 'static,
    ) -> Self {
        self.respond = Arc::new(respond);
        self
    }

    /// Shows how many requests the layer counts as unfinished (leases, permits, in-flight gauge).
    ///
    /// Opens the checks that it is shared by all products of the layer, follows the body, and
    /// returns to zero whenever a future is dropped.
    #[must_use]
    pub fn in_flight(mut self, read: impl Fn(&L) -> usize + Send + Sync + 'static) -> Self {
        self.in_flight = Some(Arc::new(read));
        self
    }

    /// Declares that at most this many requests reach the inner service at once.
    #[must_use]
    pub fn capacity(mut self, requests: usize) -> Self {
        self.capacity = Some(requests);
        self
    }

    /// Declares that a request waits for its turn (or, without a capacity, for the inner service)
    /// no longer than this, and is then refused.
    #[must_use]
    pub fn waits_at_most(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Declares that `call` may not reach the inner service, or picks one by the request: then
    /// `poll_ready` must always be Ready and reserve nothing of the inner service.
    #[must_use]
    pub fn skips_inner(mut self) -> Self {
        self.skips_inner = true;
        self
    }

    /// Declares that the layer reserves its own capacity in `poll_ready`, and may be Pending there.
    ///
    /// Only for layers that never stand in an HTTP stack: axum ignores readiness, so the wait has
    /// no deadline that the layer could keep.
    #[must_use]
    pub fn reserves_in_poll_ready(mut self) -> Self {
        self.reserves = true;
        self
    }

    /// Declares that an error of the inner service may become a regular answer (a fallback, a
    /// stale copy).
    #[must_use]
    pub fn answers_errors(mut self) -> Self {
        self.answers_errors = true;
        self
    }

    /// Declares that the service's error is a type of its own although it speaks HTTP: it stands
    /// inside another that answers for it, as a balancer stands inside a proxy.
    #[must_use]
    pub fn names_errors(mut self) -> Self {
        self.names_errors = true;
        self
    }

    /// Adds a request that must not make the layer panic; `what` names it in messages.
    #[must_use]
    pub fn hostile(
        mut self,
        what: impl Into<String>,
        request: impl Fn() -> Req + Send + Sync + 'static,
    ) -> Self {
        self.hostile.push((what.into(), Arc::new(request)));
        self
    }

    /// Adds a constructor call with a bad value: it must return an error that contains `names`.
    #[must_use]
    pub fn refuses<T, E: Into<BoxError>>(
        mut self,
        what: impl Into<String>,
        names: impl Into<String>,
        build: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        let build = Box::new(move || build().map(drop).map_err(Into::into));
        self.refusals.push(Refusal { what: what.into(), names: names.into(), build });
        self
    }

    /// Adds a check of law 1 of your own: two products of one layer, and whether what the first
    /// learned is known to the second. `Err` says what went wrong.
    #[must_use]
    pub fn shares_state<F>(
        mut self,
        check: impl Fn(L::Service, L::Service, ServiceProbe) -> F + Send + Sync + 'static,
    ) -> Self
    where
        L: Layer<Inner<Req, Res>>,
        F: Future<Output = Result<(), String>> + 'static,
    {
        self.shared_state = Some(Arc::new(move |layer, inner| {
            let probe = inner.probe().clone();
            Box::pin(check(layer.layer(inner.clone()), layer.layer(inner), probe))
        }));
        self
    }
}
