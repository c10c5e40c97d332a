use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::{Phases, TimedBody, TimedLayer};
use crate::origin::{BoxError, OriginError};

type Frames = StreamBody<BoxStream<'static, Result<Frame<Bytes>, BoxError>>>;

const SECOND: Duration = Duration::from_secs(1);

/// A body whose frames come after these times; `None` is a frame that never comes.
fn frames(waits: Vec<Option<Duration>>) -> Frames {
    StreamBody::new(Box::pin(stream::unfold(waits.into_iter(), |mut waits| async {
        match waits.next()? {
            Some(wait) => sleep(wait).await,
            None => pending().await,
        }
        Some((Ok(Frame::data(Bytes::from_static(b"x"))), waits))
    })))
}

/// The response of an origin that takes so long for its head.
async fn answer(
    phases: Phases,
    head: Duration,
    waits: Vec<Option<Duration>>,
) -> Result<Response<TimedBody<Frames>>, OriginError> {
    let origin = service_fn(move |_: Request<Empty<Bytes>>| {
        let waits = waits.clone();
        async move {
            sleep(head).await;
            Ok::<_, Infallible>(Response::new(frames(waits)))
        }
    });
    TimedLayer::new(phases).unwrap().layer(origin).oneshot(Request::new(Empty::new())).await
}

async fn read(body: TimedBody<Frames>) -> Result<usize, OriginError> {
    Ok(body.collect().await?.to_bytes().len())
}

#[tokio::test(start_paused = true)]
async fn a_head_in_time_is_let_through_and_a_late_one_is_not() {
    let phases = Phases::default().first_byte(2 * SECOND);
    let start = Instant::now();
    answer(phases, SECOND, vec![]).await.unwrap();
    let error = answer(phases, 3 * SECOND, vec![]).await.unwrap_err();
    assert!(matches!(error, OriginError::FirstByteTimeout(limit) if limit == 2 * SECOND));
    assert_eq!((Instant::now() - start).as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_upload_has_time_of_its_own_and_is_not_held_against_the_origin() {
    let phases = Phases::default().first_byte(2 * SECOND).upload(60 * SECOND);
    let upload = |takes| {
        let origin = service_fn(move |_: Request<Full<Bytes>>| async move {
            sleep(takes).await;
            Ok::<_, Infallible>(Response::new(frames(vec![])))
        });
        let request = Request::new(Full::new(Bytes::from_static(b"data")));
        TimedLayer::new(phases).unwrap().layer(origin).oneshot(request)
    };
    upload(50 * SECOND).await.unwrap();
    let error = upload(70 * SECOND).await.unwrap_err();
    assert!(matches!(error, OriginError::UploadTimeout(limit) if limit == 60 * SECOND));
    assert!(!error.blames_origin());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_ended() {
    let phases = Phases::default().between_bytes(5 * SECOND);
    let body = answer(phases, SECOND, vec![Some(SECOND), None]).await.unwrap().into_body();
    let start = Instant::now();
    let error = timeout(60 * SECOND, read(body)).await.expect("for ever").unwrap_err();
    assert!(matches!(error, OriginError::BetweenBytesTimeout(limit) if limit == 5 * SECOND));
    assert_eq!((Instant::now() - start).as_secs(), 6);
    // The control: a limit of a day lets it stall.
    let phases = Phases::default().between_bytes(86_400 * SECOND);
    let body = answer(phases, SECOND, vec![Some(SECOND), None]).await.unwrap().into_body();
    timeout(60 * SECOND, read(body)).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_may_take_as_long_as_it_takes() {
    let waits = vec![Some(4 * SECOND); 100];
    let phases = Phases::default().between_bytes(5 * SECOND);
    let body = answer(phases, SECOND, waits).await.unwrap().into_body();
    assert_eq!(read(body).await.unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_held_against_the_origin() {
    let phases = Phases::default().between_bytes(5 * SECOND);
    let waits = vec![Some(SECOND); 3];
    let mut body = answer(phases, SECOND, waits).await.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        sleep(60 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_and_taken_up_again_goes_on() {
    let phases = Phases::default().between_bytes(5 * SECOND);
    let mut body = answer(phases, SECOND, vec![None]).await.unwrap().into_body();
    let start = Instant::now();
    let error = loop {
        match timeout(SECOND, body.frame()).await {
            Ok(frame) => break frame.unwrap().unwrap_err(),
            Err(_) => assert!((Instant::now() - start).as_secs() < 6),
        }
    };
    assert!(matches!(error, OriginError::BetweenBytesTimeout(_)));
}

#[tokio::test(start_paused = true)]
async fn the_whole_is_bounded_whichever_phase_it_is_in() {
    let phases = Phases::default().total(10 * SECOND);
    let is_total = |error: &OriginError| matches!(error, OriginError::TotalTimeout(limit) if *limit == 10 * SECOND);
    let start = Instant::now();
    let error = answer(phases, 60 * SECOND, vec![]).await.unwrap_err();
    assert!(is_total(&error), "{error:?}");
    assert_eq!((Instant::now() - start).as_secs(), 10);

    let start = Instant::now();
    let drips = answer(phases, SECOND, vec![Some(4 * SECOND); 9]).await.unwrap().into_body();
    let error = read(drips).await.unwrap_err();
    assert!(is_total(&error), "{error:?}");
    assert_eq!((Instant::now() - start).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_is_bounded_as_well() {
    let phases = Phases::default().total(10 * SECOND);
    let waits = vec![Some(Duration::ZERO); 100];
    let mut body = answer(phases, SECOND, waits).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    sleep(10 * SECOND).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, OriginError::TotalTimeout(_)));
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_keeps_its_reason() {
    let origin = service_fn(|_: Request<Empty<Bytes>>| async {
        let frame: Result<Frame<Bytes>, BoxError> = Err("cut".into());
        Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter([frame]))))
    });
    let origin = TimedLayer::new(Phases::default()).unwrap().layer(origin);
    let body = origin.oneshot(Request::new(Empty::new())).await.unwrap().into_body();
    let OriginError::Body(source) = body.collect().await.unwrap_err() else { panic!("no body") };
    assert_eq!(source.to_string(), "cut");
}

#[test]
fn a_limit_that_means_nothing_is_refused_by_name() {
    for (phases, name) in [
        (Phases::default().first_byte(Duration::ZERO), "first_byte"),
        (Phases::default().upload(Duration::ZERO), "upload"),
        (Phases::default().between_bytes(Duration::MAX), "between_bytes"),
        (Phases::default().total(Duration::ZERO), "total"),
    ] {
        assert_eq!(TimedLayer::new(phases).unwrap_err().setting(), name);
    }
}
