//! The whole way, on loopback, with a network that breaks.
//!
//! Time is real while bytes move, and paused where nothing does: then a limit passes at once.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use terrace_testkit::backend::{Reply, ScriptedBackend};
use terrace_testkit::fault::{Fault, FaultProxy};
use tokio::time::{pause, resume};
use tower::util::{BoxCloneSyncService, MapResponse};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::breaker::Condition;
use super::fallback::AnsweredBy;
use super::guard::GuardedBody;
use super::phases::TimedBody;
use super::{
    BreakerSettings, CapSettings, Client, Fallback, Guard, OriginError, Phases, TimedLayer,
    first_of,
};

type Guarded = GuardedBody<TimedBody<hyper::body::Incoming>>;
type Body = UnsyncBoxBody<Bytes, OriginError>;
type Origin = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, OriginError>;

/// An origin behind a network.
struct Scene {
    network: FaultProxy,
    backend: ScriptedBackend,
    guard: Guard,
}

impl Scene {
    async fn new(backoff: Duration) -> Self {
        let backend = ScriptedBackend::start().await.unwrap();
        backend.default_reply(Reply::ok("the origin's"));
        let network = FaultProxy::start(backend.addr()).await.unwrap();
        let breaker = BreakerSettings::default().failures(2).backoff(backoff, backoff);
        let guard = Guard::new(breaker, CapSettings::default()).unwrap();
        Self { network, backend, guard }
    }

    fn origin(&self) -> Origin {
        let client = Client::to(&format!("http://{}", self.network.addr())).unwrap();
        let timed = TimedLayer::new(Phases::default()).unwrap().layer(client);
        let guarded = self.guard.layer(timed);
        let boxed = |response: Response<Guarded>| response.map(Body::new);
        BoxCloneSyncService::new(MapResponse::new(guarded, boxed))
    }

    fn with_a_copy(&self) -> Fallback<Origin> {
        let copy = service_fn(|_: Request<Empty<Bytes>>| async {
            let body = Full::new(Bytes::from_static(b"the copy's"));
            Ok(Response::new(Body::new(body.map_err(|never: Infallible| match never {}))))
        });
        first_of([self.origin(), BoxCloneSyncService::new(copy)]).unwrap()
    }
}

/// Who has answered.
async fn asked(service: &Fallback<Origin>) -> Option<usize> {
    let response = service.clone().oneshot(Request::new(Empty::new())).await.unwrap();
    let by = response.extensions().get::<AnsweredBy>().map(|by| by.0);
    response.into_body().collect().await.unwrap();
    by
}

#[tokio::test]
async fn an_origin_that_hangs_is_replaced_and_then_left_alone() {
    let scene = Scene::new(Duration::from_secs(3_600)).await;
    let service = scene.with_a_copy();
    assert_eq!(asked(&service).await, Some(0));
    scene.network.set(Fault::HalfOpen).await;
    pause();
    for failures in 1..=2 {
        assert_eq!(scene.guard.condition(), Condition::Closed, "before failure {failures}");
        assert_eq!(asked(&service).await, Some(1));
    }
    assert_eq!((scene.guard.condition(), scene.guard.opened()), (Condition::Open, 1));
    resume();
    scene.network.set(Fault::Pass).await;
    let before = scene.backend.counts().requests;
    for _ in 0..10 {
        assert_eq!(asked(&service).await, Some(1));
    }
    assert_eq!(scene.backend.counts().requests, before);
}

#[tokio::test]
async fn an_origin_that_is_back_is_found_again() {
    let scene = Scene::new(Duration::from_millis(1)).await;
    let service = scene.with_a_copy();
    scene.network.set(Fault::Down).await;
    while scene.guard.condition() == Condition::Closed {
        assert_eq!(asked(&service).await, Some(1));
    }
    scene.network.set(Fault::Pass).await;
    while asked(&service).await != Some(0) {}
    assert_eq!(scene.guard.condition(), Condition::Closed);
}

#[tokio::test]
async fn a_body_that_the_network_cuts_is_an_error_and_not_an_end() {
    let scene = Scene::new(Duration::from_secs(3_600)).await;
    let service = scene.with_a_copy();
    for reply in [Reply::pattern(1 << 20), Reply::pattern(1 << 20).chunked()] {
        scene.backend.default_reply(reply);
        scene.network.set(Fault::CutAfter(100_000)).await;
        let response = service.clone().oneshot(Request::new(Empty::new())).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert!(matches!(error, OriginError::Body(_)), "{error:?}");
    }
    assert_eq!(scene.guard.cap().in_flight(), 0);
}

#[tokio::test]
async fn a_body_that_stalls_on_the_way_is_given_up() {
    let scene = Scene::new(Duration::from_secs(3_600)).await;
    scene.backend.default_reply(Reply::pattern(1 << 20).pace(Duration::from_secs(3_600)));
    let response = scene.origin().oneshot(Request::new(Empty::new())).await.unwrap();
    pause();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, OriginError::BetweenBytesTimeout(_)), "{error:?}");
}
