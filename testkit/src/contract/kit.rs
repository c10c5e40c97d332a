//! The subject with its types erased: what the laws are written against.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Body;
use tower_service::Service;

use super::error::ProbeError;
use super::probe::ServiceProbe;
use super::subject::{Http, Plain, Protocol};
use super::verdict::{Law, Violation};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// What the laws know of a subject.
#[expect(clippy::struct_excessive_bools, reason = "declarations of the subject, each on its own")]
pub(super) struct Kit {
    pub http: bool,
    pub capacity: Option<usize>,
    pub deadline: Option<Duration>,
    pub skips_inner: bool,
    pub reserves: bool,
    pub answers_errors: bool,
    pub names_errors: bool,
    pub counts: bool,
    pub hostile: Vec<String>,
    pub has_shared_state_check: bool,
    pub new_world: Box<dyn Fn() -> World + Send>,
}

/// A constructor call that must be refused with an error that names the bad value.
pub(super) struct Refusal {
    pub what: String,
    pub names: String,
    pub build: Box<dyn Fn() -> Result<(), BoxError> + Send + Sync>,
}

/// One layer of the subject with one controlled inner service. Fresh for each scenario.
pub(super) struct World {
    pub probe: ServiceProbe,
    /// `layer()` once more, on a clone of the inner service.
    pub wrap: Box<dyn Fn() -> Wrapped>,
    /// The layer's own in-flight count, if the subject shows it.
    pub held: Box<dyn Fn() -> Option<usize>>,
    pub shared_state: Box<dyn Fn() -> LocalFuture<Result<(), String>>>,
}

/// Which request to send.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Plain(usize),
    Hostile(usize),
}

pub(super) type Wrapped = Box<dyn Erased>;

pub(super) trait Erased {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>>;
    fn call(&mut self, input: Input) -> LocalFuture<Result<Reply, Failure>>;
    fn clone_box(&self) -> Wrapped;
}

/// An error of the subject and what its static type says.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: BoxError,
    pub erased: bool,
    pub same: bool,
}

impl Failure {
    fn new<E: Into<BoxError> + 'static>(error: E) -> Self {
        let id = TypeId::of::<E>();
        Self {
            error: error.into(),
            erased: id == TypeId::of::<BoxError>(),
            same: id == TypeId::of::<ProbeError>(),
        }
    }
}

/// A response: its status if it has one, and the body that is still to be read.
pub(super) struct Reply {
    pub status: Option<http::StatusCode>,
    pub extensions: usize,
    pub(super) body: Option<Pin<Box<dyn ErasedBody>>>,
}

pub(super) trait ErasedBody {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<(), BoxError>>>;
}

impl<B: Body<Error: Into<BoxError>>> ErasedBody for B {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<(), BoxError>>> {
        self.poll_frame(cx).map(|frame| Some(frame?.map(drop).map_err(Into::into)))
    }
}

impl Reply {
    pub(super) fn is_refusal(&self) -> bool {
        self.status.is_some_and(|status| status.is_client_error() || status.is_server_error())
    }
}

impl<R> Protocol<R> for Plain {
    const HTTP: bool = false;
    fn reply(_: R) -> super::subject::SealedReply {
        super::subject::SealedReply(Reply { status: None, extensions: 0, body: None })
    }
}

impl<B> Protocol<http::Response<B>> for Http
where
    B: Body<Error: Into<BoxError>> + 'static,
{
    const HTTP: bool = true;
    fn reply(response: http::Response<B>) -> super::subject::SealedReply {
        let (head, body) = response.into_parts();
        super::subject::SealedReply(Reply {
            status: Some(head.status),
            extensions: head.extensions.len(),
            body: Some(Box::pin(body)),
        })
    }
}

/// A service with the closure that makes its requests.
pub(super) struct Typed<S, Req, P> {
    pub service: S,
    pub request: Rc<dyn Fn(Input) -> Req>,
    pub protocol: std::marker::PhantomData<P>,
}

impl<S, Req, P> Erased for Typed<S, Req, P>
where
    S: Service<Req, Error: Into<BoxError> + 'static, Future: 'static> + Clone + 'static,
    P: Protocol<S::Response> + 'static,
    Req: 'static,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.service.poll_ready(cx).map_err(Failure::new)
    }

    fn call(&mut self, input: Input) -> LocalFuture<Result<Reply, Failure>> {
        let future = self.service.call((self.request)(input));
        Box::pin(async move { future.await.map(|res| P::reply(res).0).map_err(Failure::new) })
    }

    fn clone_box(&self) -> Wrapped {
        Box::new(Self {
            service: self.service.clone(),
            request: self.request.clone(),
            protocol: std::marker::PhantomData,
        })
    }
}

/// Collects violations of one law.
pub(super) struct Findings<'a> {
    pub law: Law,
    pub violations: &'a mut Vec<Violation>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.violations.push(Violation { law: self.law, what: what.into() });
    }

    pub(super) fn expect(&mut self, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.add(what());
        }
    }
}

/// Lets spawned tasks run until they have nothing left to do right now.
pub(super) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
