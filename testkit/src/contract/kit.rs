//! The subject with its types erased: what the laws are written against.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use http_body::Body;
use tower_service::Service;

use super::probe::{ProbeError, ServiceProbe};
use super::subject::{Http, Plain, Protocol};
use super::verdict::{Law, Violation};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// More polls than this after one wake are a busy loop: no honest layer needs so many steps.
pub(super) const BUSY: usize = 64;

/// What the laws know of a subject.
#[expect(
    clippy::struct_excessive_bools,
    reason = "declarations of the subject, each on its own"
)]
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
    body: Option<Pin<Box<dyn ErasedBody>>>,
}

trait ErasedBody {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<(), BoxError>>>;
}

impl<B: Body<Error: Into<BoxError>>> ErasedBody for B {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<(), BoxError>>> {
        self.poll_frame(cx)
            .map(|frame| Some(frame?.map(drop).map_err(Into::into)))
    }
}

impl Reply {
    pub(super) fn is_refusal(&self) -> bool {
        self.status
            .is_some_and(|status| status.is_client_error() || status.is_server_error())
    }
}

impl<R> Protocol<R> for Plain {
    const HTTP: bool = false;
    fn reply(_: R) -> super::subject::SealedReply {
        super::subject::SealedReply(Reply {
            status: None,
            extensions: 0,
            body: None,
        })
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
        Box::pin(async move {
            future
                .await
                .map(|res| P::reply(res).0)
                .map_err(Failure::new)
        })
    }

    fn clone_box(&self) -> Wrapped {
        Box::new(Self {
            service: self.service.clone(),
            request: self.request.clone(),
            protocol: std::marker::PhantomData,
        })
    }
}

/// A waker that counts.
#[derive(Debug, Default)]
pub(super) struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Alarm {
    pub(super) fn rang(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

/// Polls `poll_ready` until it stalls without having woken itself.
///
/// `Err` holds the number of polls of a busy loop.
pub(super) fn drive_ready(
    service: &mut Wrapped,
    alarm: &Arc<Alarm>,
) -> Result<Poll<Result<(), Failure>>, usize> {
    let waker = Waker::from(alarm.clone());
    for _ in 0..BUSY {
        let poll = service.poll_ready(&mut Context::from_waker(&waker));
        if poll.is_ready() || !alarm.rang() {
            return Ok(poll);
        }
    }
    Err(BUSY)
}

/// More polls than any request of the suite needs.
const ENOUGH: usize = 10_000;

enum Stage {
    Ready(Wrapped, Input),
    Calling(LocalFuture<Result<Reply, Failure>>),
    Body(Reply),
    Failed(Failure),
    Ended(Reply),
}

/// One request on its way: to readiness, to the head, to the end of the body.
pub(super) struct Flight {
    stage: Stage,
    pub alarm: Arc<Alarm>,
}

impl Flight {
    /// The way axum calls: a clone of its own, driven to readiness, called once.
    pub(super) fn oneshot(service: &Wrapped, n: usize) -> Self {
        Self::with(Stage::Ready(service.clone_box(), Input::Plain(n)))
    }

    pub(super) fn hostile(service: &Wrapped, n: usize) -> Self {
        Self::with(Stage::Ready(service.clone_box(), Input::Hostile(n)))
    }

    /// Calls an instance that is ready.
    pub(super) fn call(service: &mut Wrapped, n: usize) -> Self {
        Self::with(Stage::Calling(service.call(Input::Plain(n))))
    }

    fn with(stage: Stage) -> Self {
        Self {
            stage,
            alarm: Arc::default(),
        }
    }

    /// Polls once; true when nothing is left to wait for. Stops for a poll at the head.
    fn step(&mut self, cx: &mut Context<'_>, through_body: bool) -> Poll<()> {
        loop {
            match &mut self.stage {
                Stage::Ready(service, input) => match std::task::ready!(service.poll_ready(cx)) {
                    Ok(()) => self.stage = Stage::Calling(service.call(*input)),
                    Err(failure) => self.stage = Stage::Failed(failure),
                },
                Stage::Calling(future) => match std::task::ready!(future.as_mut().poll(cx)) {
                    Ok(reply) => self.stage = Stage::Body(reply),
                    Err(failure) => self.stage = Stage::Failed(failure),
                },
                Stage::Body(_) if !through_body => return Poll::Ready(()),
                Stage::Body(reply) => {
                    let more = match reply.body.as_mut() {
                        Some(body) => std::task::ready!(body.as_mut().poll_next(cx)),
                        None => None,
                    };
                    if !matches!(more, Some(Ok(()))) {
                        let (status, extensions) = (reply.status, reply.extensions);
                        // The ended body stays alive: its end alone must release what it held.
                        let body = reply.body.take();
                        self.stage = Stage::Ended(Reply {
                            status,
                            extensions,
                            body,
                        });
                    }
                }
                Stage::Failed(_) | Stage::Ended(_) => return Poll::Ready(()),
            }
        }
    }

    /// Polls once with the flight's own alarm.
    pub(super) fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(self.alarm.clone());
        self.step(&mut Context::from_waker(&waker), true)
    }

    /// Polls as long as it wakes itself; `Err` is the number of polls of a busy loop.
    pub(super) fn stall(&mut self, through_body: bool) -> Result<Poll<()>, usize> {
        let waker = Waker::from(self.alarm.clone());
        for _ in 0..BUSY {
            let poll = self.step(&mut Context::from_waker(&waker), through_body);
            if poll.is_ready() || !self.alarm.rang() {
                return Ok(poll);
            }
        }
        Err(BUSY)
    }

    /// Drives it to its end (or to the head) with the runtime's help; false after `limit`.
    pub(super) async fn finish(&mut self, through_body: bool, limit: Duration) -> bool {
        let mut polls = 0;
        let end = std::future::poll_fn(|cx| {
            polls += 1;
            // Paused time stands still while somebody wakes itself: a limit in time alone would
            // never come.
            if polls > ENOUGH {
                Poll::Ready(false)
            } else {
                self.step(cx, through_body).map(|()| true)
            }
        });
        tokio::time::timeout(limit, end).await.unwrap_or(false)
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.stage {
            Stage::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    pub(super) fn reply(&self) -> Option<&Reply> {
        match &self.stage {
            Stage::Body(reply) | Stage::Ended(reply) => Some(reply),
            _ => None,
        }
    }

    /// How it stands, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.stage {
            Stage::Ready(..) => "still waiting for readiness".into(),
            Stage::Calling(_) => "still waiting for the response".into(),
            Stage::Body(_) => "still reading the body".into(),
            Stage::Failed(failure) => format!("failed: {}", failure.error),
            Stage::Ended(reply) => match reply.status {
                Some(status) => format!("answered {status}"),
                None => "answered".into(),
            },
        }
    }
}

/// Collects violations of one law.
pub(super) struct Findings<'a> {
    pub law: Law,
    pub violations: &'a mut Vec<Violation>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.violations.push(Violation {
            law: self.law,
            what: what.into(),
        });
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
