//! Rule 11: an origin that hangs, floods or drips takes nothing along.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use terrace_cdn_edge::origin::{BreakerSettings, CapSettings, Guard};
use terrace_cdn_edge::{BoxError, EdgeFailure, OriginBody};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};

use super::world::{World, builder, page, settle, with};

type Asked = Request<OriginBody<Full<Bytes>>>;

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://site.example{path}")).body(Full::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_never_answers_costs_the_first_byte_timeout() {
    let waited = |seconds: u64| async move {
        let layer = builder().first_byte_timeout(Duration::from_secs(seconds)).build().unwrap();
        let origin = tower::service_fn(|_: Asked| {
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        });
        let start = Instant::now();
        let response = layer.layer(origin).oneshot(get("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(matches!(response.extensions().get(), Some(EdgeFailure::Timeout(_))));
        Instant::now().saturating_duration_since(start).as_secs()
    };
    // The second is the control: the answer comes from the limit, and not from elsewhere.
    assert_eq!((waited(3).await, waited(9).await), (3, 9));
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_passes_and_is_not_stored() {
    for named in [true, false] {
        let app = move |_: &_| {
            let length = if named { "100000" } else { "" };
            let fields = [("cache-control", "max-age=60"), ("content-length", length)];
            with("x".repeat(100_000), &fields[..1 + usize::from(named)])
        };
        let world = World::with(app, |builder| builder.max_object(99_999));
        for _ in 0..2 {
            let answer = world.get("/").await;
            assert_eq!((answer.body.len(), answer.is_hit()), (100_000, false), "named: {named}");
        }
        assert!(world.handle().stats().bytes < 10_000);

        let control = World::with(app, |builder| builder.max_object(100_000));
        control.get("/").await;
        assert!(control.get("/").await.is_hit());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_keep_its_length_is_not_stored() {
    for length in ["3", "5"] {
        let broken = World::edge(move |_| {
            with("page", &[("cache-control", "max-age=60"), ("content-length", length)])
        });
        let layer = broken.handle().stats();
        assert_eq!(layer.stored, 0);
        let answered = tokio::spawn(async move {
            broken.get("/").await;
        });
        assert!(answered.await.is_err(), "{length}: the client sees an error, not an end");
    }
    let control =
        World::edge(|_| with("page", &[("cache-control", "max-age=60"), ("content-length", "4")]));
    control.get("/").await;
    assert!(control.get("/").await.is_hit());
}

/// Asks for a hundred pages at once; the most that were at the origin at one time.
async fn most_at_once(cap: u32) -> usize {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let origin = {
        let (now, most, gate) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&gate));
        tower::service_fn(move |_: Asked| {
            let (now, most, gate) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&gate));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _place = gate.acquire().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, BoxError>(page("page").map(Full::new))
            }
        })
    };
    let cap = CapSettings::default().in_flight(cap as usize).queue(1000);
    let guard = Guard::new(BreakerSettings::default(), cap).unwrap();
    let edge = ServiceBuilder::new().layer(builder().build().unwrap()).layer(guard).service(origin);
    let crowd = (0..100).map(|at| edge.clone().oneshot(get(&format!("/{at}"))));
    let crowd = futures_util::future::join_all(crowd);
    let open = async {
        settle().await;
        gate.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(crowd, open);
    assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 200));
    most.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn no_more_fills_than_the_cap_are_at_the_origin_at_once() {
    assert_eq!(most_at_once(8).await, 8);
    assert_eq!(most_at_once(1000).await, 100, "the control");
}

#[tokio::test(start_paused = true)]
async fn a_304_that_answers_no_condition_of_ours_is_not_stored() {
    let app = |_: &_| {
        let mut response = with("", &[("cache-control", "max-age=60"), ("etag", "\"evil\"")]);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    };
    let world = World::edge(app);
    for _ in 0..2 {
        assert!(!world.get_with("/", &[("if-none-match", "\"evil\"")]).await.is_hit());
    }
    assert_eq!(world.handle().stats().stored, 0);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_panics_is_an_origin_that_failed() {
    let layer = builder().build().unwrap();
    let origin = tower::service_fn(|_: Asked| async {
        if true {
            panic!("at the origin");
        }
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let response = layer.layer(origin).oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Bad Gateway\n");
    assert_eq!(layer.handle().stats().in_flight, 0);
}
