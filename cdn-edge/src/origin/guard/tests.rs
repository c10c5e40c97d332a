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

#[tokio::test(start_paused = true)]
async fn a_queue_is_not_let_loose_on_an_origin_that_failed_meanwhile() {
    let scene = Scene::new(1, 1);
    let first = scene.call();
    let waiting: Vec<Call> = (0..10).map(|_| scene.call()).collect();
    assert_eq!(scene.guard.cap().waiting(), 10);
    scene.origin.answer(Err("down".into()));
    first.await.unwrap_err();
    for call in waiting {
        assert!(matches!(call.await, Err(OriginError::Refused { .. })));
    }
    assert_eq!(scene.origin.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_would_be_refused_does_not_queue_first() {
    let scene = Scene::new(1, 2);
    let _hangs = scene.call();
    let fails = scene.call();
    // The first hangs on; the second is answered by being the last of two.
    let mut calls = std::mem::take(&mut *scene.origin.0.lock().unwrap());
    drop(calls.pop_back().unwrap().send(Err("down".into())));
    fails.await.unwrap_err();
    let _place = scene.guard.cap().enter().await.unwrap();
    let refused = scene.call().now_or_never().expect("it queues");
    assert!(matches!(refused, Err(OriginError::Refused { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_frees_its_place() {
    let scene = Scene::new(1, 8);
    scene.fails().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let probe = scene.call();
    assert_eq!(scene.guard.condition(), Condition::HalfOpen);
    drop(probe);
    assert_eq!((scene.guard.condition(), scene.guard.cap().in_flight()), (Condition::Open, 0));
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.origin.0.lock().unwrap().clear();
    let probe = scene.call();
    scene.origin.answer(status(StatusCode::OK));
    probe.await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_held_against_the_origin() {
    let scene = Scene::new(1, 8);
    let call = scene.call();
    scene.origin.answer(Ok(body(vec![Ok("a"), Err("cut")])));
    let error = call.await.unwrap().into_body().collect().await.unwrap_err();
    assert!(matches!(error, OriginError::Body(_)), "{error:?}");
    assert_eq!(scene.guard.condition(), Condition::Open);
}
