use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, future, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::oneshot;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use tower_service::Service;

use super::{Guard, GuardedBody};
use crate::origin::breaker::Condition;
use crate::origin::rule::{self, Rule};
use crate::origin::{BoxError, BreakerSettings, CapSettings, OriginError};

type Frames = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, BoxError>>>>;
type Answer = Result<Response<Frames>, BoxError>;

fn body(frames: Vec<Result<&'static str, &'static str>>) -> Response<Frames> {
    let frames = frames.into_iter().map(|frame| match frame {
        Ok(data) => Ok(Frame::data(Bytes::from_static(data.as_bytes()))),
        Err(error) => Err(BoxError::from(error)),
    });
    Response::new(StreamBody::new(stream::iter(frames.collect::<Vec<_>>())))
}

fn status(status: StatusCode) -> Answer {
    let mut response = body(vec![]);
    *response.status_mut() = status;
    Ok(response)
}

/// An origin whose calls are answered by the test, one after the other.
#[derive(Clone, Default)]
struct Origin(Arc<Mutex<VecDeque<oneshot::Sender<Answer>>>>);

impl Origin {
    fn service(
        &self,
    ) -> impl Service<Request<()>, Response = Response<Frames>, Error = BoxError, Future: Send>
    + Clone
    + Send
    + 'static {
        let calls = Arc::clone(&self.0);
        service_fn(move |_: Request<()>| {
            let (answer, answered) = oneshot::channel();
            calls.lock().unwrap().push_back(answer);
            async { answered.await.unwrap_or_else(|_| Err("gone".into())) }
        })
    }

    fn under_way(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn answer(&self, answer: Answer) {
        drop(self.0.lock().unwrap().pop_front().unwrap().send(answer));
    }
}

type Call = future::BoxFuture<'static, Result<Response<GuardedBody<Frames>>, OriginError>>;

struct Scene {
    origin: Origin,
    guard: Guard,
}

impl Scene {
    fn new(failures: u32, in_flight: usize) -> Self {
        let breaker = BreakerSettings::default().failures(failures);
        let cap = CapSettings::default().in_flight(in_flight);
        Self { origin: Origin::default(), guard: Guard::new(breaker, cap).unwrap() }
    }

    /// A call that has gone as far as it can.
    fn call(&self) -> Call {
        let service = self.guard.layer(self.origin.service());
        let mut call = service.oneshot(Request::new(())).boxed();
        if let Some(ended) = call.as_mut().now_or_never() {
            return future::ready(ended).boxed();
        }
        call
    }

    async fn fails(&self) {
        let call = self.call();
        self.origin.answer(Err("down".into()));
        call.await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_fails_is_left_alone_and_then_asked_by_one() {
    let scene = Scene::new(2, 8);
    scene.fails().await;
    scene.fails().await;
    assert!(matches!(scene.call().await, Err(OriginError::Refused { .. })));
    tokio::time::advance(Duration::from_secs(1)).await;
    let probe = scene.call();
    let others: Vec<Call> = (0..10).map(|_| scene.call()).collect();
    assert_eq!(scene.origin.under_way(), 1);
    for other in others {
        assert!(matches!(other.await, Err(OriginError::Refused { .. })));
    }
    scene.origin.answer(status(StatusCode::OK));
    probe.await.unwrap();
    assert_eq!((scene.guard.condition(), scene.guard.opened()), (Condition::Closed, 1));
}

/// How many of a queue reach an origin that fails while they wait.
async fn let_loose(without: Option<Rule>) -> usize {
    let _off = rule::off(without);
    let scene = Scene::new(1, 1);
    let mut calls: Vec<Call> = (0..10).map(|_| scene.call()).collect();
    assert_eq!(scene.guard.cap().waiting(), 9);
    scene.origin.answer(Err("down".into()));
    calls.remove(0).await.unwrap_err();
    let mut reached = 0;
    for mut call in calls {
        if call.as_mut().now_or_never().is_none() {
            reached += 1;
            scene.origin.answer(Err("down".into()));
            call.await.unwrap_err();
        }
    }
    reached
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_not_let_loose_on_an_origin_that_failed_meanwhile() {
    assert_eq!(let_loose(None).await, 0);
    // The control: who asks before it queues is let through.
    assert_eq!(let_loose(Some(Rule::AskLast)).await, 9);
}

/// Whether a call queues for an origin that is left alone.
async fn queues(without: Option<Rule>) -> bool {
    let _off = rule::off(without);
    let scene = Scene::new(1, 1);
    scene.fails().await;
    let _place = scene.guard.cap().enter().await.unwrap();
    let call = scene.call().now_or_never();
    assert!(call.as_ref().is_none_or(|ended| matches!(ended, Err(OriginError::Refused { .. }))));
    call.is_none()
}

#[tokio::test(start_paused = true)]
async fn who_would_be_refused_does_not_queue_first() {
    assert!(!queues(None).await);
    assert!(queues(Some(Rule::LookFirst)).await);
}

/// The breaker's condition after its probe was dropped.
async fn after_a_dropped_probe(without: Option<Rule>) -> Condition {
    let _off = rule::off(without);
    let scene = Scene::new(1, 8);
    scene.fails().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let probe = scene.call();
    assert_eq!(scene.guard.condition(), Condition::HalfOpen);
    drop(probe);
    assert_eq!(scene.guard.cap().in_flight(), 0);
    scene.guard.condition()
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_frees_its_place() {
    assert_eq!(after_a_dropped_probe(None).await, Condition::Open);
    let stuck = after_a_dropped_probe(Some(Rule::ReportDropped)).await;
    assert_eq!(stuck, Condition::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_means_down_counts_and_a_broken_page_does_not() {
    for (code, condition) in [
        (StatusCode::SERVICE_UNAVAILABLE, Condition::Open),
        (StatusCode::INTERNAL_SERVER_ERROR, Condition::Closed),
        (StatusCode::NOT_FOUND, Condition::Closed),
    ] {
        let scene = Scene::new(1, 8);
        let call = scene.call();
        scene.origin.answer(status(code));
        call.await.unwrap();
        assert_eq!(scene.guard.condition(), condition, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_fault_of_the_origins_does_not_count() {
    let scene = Scene::new(1, 8);
    let call = scene.call();
    scene.origin.answer(Err(OriginError::Request("the client's body broke".into()).into()));
    call.await.unwrap_err();
    assert_eq!(scene.guard.condition(), Condition::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_body_ends() {
    let scene = Scene::new(5, 8);
    let call = scene.call();
    scene.origin.answer(Ok(body(vec![Ok("a"), Ok("b")])));
    let mut read = call.await.unwrap().into_body();
    read.frame().await.unwrap().unwrap();
    assert_eq!(scene.guard.cap().in_flight(), 1);
    assert_eq!(read.collect().await.unwrap().to_bytes(), "b");
    assert_eq!(scene.guard.cap().in_flight(), 0);

    let call = scene.call();
    scene.origin.answer(Ok(body(vec![Ok("a")])));
    let dropped = call.await.unwrap();
    assert_eq!(scene.guard.cap().in_flight(), 1);
    drop(dropped);
    assert_eq!(scene.guard.cap().in_flight(), 0);
}

/// The breaker's condition after a body that broke off.
async fn after_a_broken_body(without: Option<Rule>) -> Condition {
    let _off = rule::off(without);
    let scene = Scene::new(1, 8);
    let call = scene.call();
    scene.origin.answer(Ok(body(vec![Ok("a"), Err("cut")])));
    let error = call.await.unwrap().into_body().collect().await.unwrap_err();
    assert!(matches!(error, OriginError::Body(_)), "{error:?}");
    scene.guard.condition()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_held_against_the_origin() {
    assert_eq!(after_a_broken_body(None).await, Condition::Open);
    assert_eq!(after_a_broken_body(Some(Rule::ReportBody)).await, Condition::Closed);
}
