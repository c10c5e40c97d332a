use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use terrace_cdn_edge::{BoxError, OriginBody};
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceExt, service_fn};
use tower_service::Service;

use super::support::{Origin, answer, ask, edge, frames, full, get, page, text};

const HEAD: Duration = Duration::from_millis(200);
const FRAME: Duration = Duration::from_millis(100);

/// Answers after 200 ms, then takes 100 ms for each of three pieces.
fn slow() -> Origin {
    Origin::new(|_| async {
        sleep(HEAD).await;
        let pieces = stream::iter(["one ", "two ", "three"]).then(|piece| async move {
            sleep(FRAME).await;
            Ok(Bytes::from_static(piece.as_bytes()))
        });
        Ok(answer(&[("cache-control", "max-age=60")], frames(pieces)))
    })
}

/// When each of many callers had its first byte, and its last.
struct Storm {
    first: Vec<Duration>,
    last: Vec<Duration>,
}

async fn storm<S, RB>(service: &S, callers: usize) -> Storm
where
    S: Service<Request<Empty<Bytes>>, Response = Response<RB>, Error: std::fmt::Debug> + Clone,
    RB: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    let start = Instant::now();
    let calls = (0..callers).map(|_| async {
        let mut body = ask(service, get("/cold")).await.into_body();
        let mut text = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
        let first = Instant::now().saturating_duration_since(start);
        while let Some(frame) = body.frame().await {
            text.extend(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(text, b"one two three");
        (first, Instant::now().saturating_duration_since(start))
    });
    let (first, last) = future::join_all(calls).await.into_iter().unzip();
    Storm { first, last }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_of_a_cold_object_cost_the_origin_one_request() {
    let origin = slow();
    let storm = storm(&edge(origin.clone(), |edge| edge), 10_000).await;
    assert_eq!(origin.asked(), 1);
    let (fastest, slowest) = (storm.first.iter().min().unwrap(), storm.first.iter().max().unwrap());
    assert!(*slowest <= *fastest * 2, "the first byte after {fastest:?}, at the last {slowest:?}");
    // While the fill runs: two more pieces had yet to be sent.
    assert_eq!(*slowest, HEAD + FRAME);
    assert!(storm.last.iter().all(|last| *last == HEAD + FRAME * 3));
}

#[tokio::test(start_paused = true)]
async fn without_an_edge_ten_thousand_callers_cost_ten_thousand_requests() {
    let origin = slow();
    let asked = origin.clone();
    let plain = service_fn(move |request: Request<Empty<Bytes>>| {
        origin.clone().oneshot(request.map(OriginBody::client))
    });
    storm(&plain, 10_000).await;
    assert_eq!(asked.asked(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn callers_of_two_variants_cost_a_request_each_and_get_their_own() {
    let origin = Origin::new(|asked| async move {
        sleep(HEAD).await;
        let color = asked.field("x-color").to_owned();
        Ok(answer(&[("cache-control", "max-age=60"), ("vary", "x-color")], full(color)))
    });
    let edge = edge(origin.clone(), |edge| edge);
    let calls = (0..1000).map(|number| {
        let color = if number % 2 == 0 { "red" } else { "blue" };
        let mut request = get("/painted");
        request.headers_mut().insert("x-color", color.parse().unwrap());
        let edge = edge.clone();
        tokio::spawn(async move {
            assert_eq!(text(ask(&edge, request).await).await.unwrap(), color);
        })
    });
    for call in future::join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(origin.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn waiters_with_a_condition_or_a_range_share_the_fill() {
    let origin = Origin::new(|_| async {
        sleep(HEAD).await;
        let fields = [("cache-control", "max-age=60"), ("etag", "\"a\"")];
        Ok(answer(&fields, full("0123456789")))
    });
    let edge = edge(origin.clone(), |edge| edge);
    let with = |name: &'static str, value: &'static str| {
        let mut request = get("/page");
        request.headers_mut().insert(name, value.parse().unwrap());
        let edge = edge.clone();
        async move {
            let response = ask(&edge, request).await;
            (response.status(), text(response).await.unwrap())
        }
    };
    let (whole, condition, range, beyond) = tokio::join!(
        page(&edge, "/page"),
        with("if-none-match", "\"a\""),
        with("range", "bytes=2-4"),
        with("range", "bytes=20-"),
    );
    assert_eq!(whole, (StatusCode::OK, "0123456789".to_owned()));
    assert_eq!(condition, (StatusCode::NOT_MODIFIED, String::new()));
    assert_eq!(range, (StatusCode::PARTIAL_CONTENT, "234".to_owned()));
    assert_eq!(beyond.0, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_of_one_range_cost_one_request() {
    let origin = Origin::new(|asked| async move {
        sleep(HEAD).await;
        assert_eq!(asked.field("range"), "bytes=2-4");
        let fields = [("cache-control", "max-age=60"), ("content-range", "bytes 2-4/10")];
        let mut part = answer(&fields, full("234"));
        *part.status_mut() = StatusCode::PARTIAL_CONTENT;
        Ok(part)
    });
    let edge = edge(origin.clone(), |edge| edge);
    let calls = (0..100).map(|_| async {
        let mut request = get("/page");
        request.headers_mut().insert("range", "bytes=2-4".parse().unwrap());
        let response = ask(&edge, request).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(text(response).await.unwrap(), "234");
    });
    future::join_all(calls).await;
    assert_eq!(origin.asked(), 1);
}

/// The origin hangs at its first request and answers all others at once.
fn stuck_once() -> Origin {
    Origin::new(|asked| async move {
        if asked.number == 0 {
            sleep(Duration::from_secs(5)).await;
        }
        Ok(answer(&[("cache-control", "max-age=60")], full("page")))
    })
}

/// When ten who wait for the stuck one have their answer.
async fn waiters_of_a_stuck_head(collapse: Duration) -> (Duration, usize) {
    let origin = stuck_once();
    let edge = edge(origin.clone(), |edge| edge.collapse_timeout(collapse));
    let start = Instant::now();
    let leader = tokio::spawn({
        let edge = edge.clone();
        async move { page(&edge, "/").await }
    });
    tokio::task::yield_now().await;
    future::join_all((0..10).map(|_| page(&edge, "/"))).await;
    let waited = Instant::now().saturating_duration_since(start);
    assert_eq!(leader.await.unwrap().1, "page");
    (waited, origin.asked())
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_too_long_for_another_asks_for_themselves() {
    let second = Duration::from_secs(1);
    assert_eq!(waiters_of_a_stuck_head(second).await, (second, 11));
    // The control: with more patience they get what the leader gets.
    assert_eq!(waiters_of_a_stuck_head(second * 10).await, (second * 5, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_origin_is_a_502_for_everybody_who_waits_and_for_nobody_later() {
    let origin = Origin::new(|asked| async move {
        sleep(HEAD).await;
        assert!(asked.number >= 100, "the origin's bug");
        Ok(answer(&[("cache-control", "max-age=60")], full("page")))
    });
    let edge = edge(origin.clone(), |edge| edge);
    let calls = future::join_all((0..100).map(|_| page(&edge, "/")));
    let answers = timeout(Duration::from_secs(5), calls).await.expect("nobody hangs");
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::BAD_GATEWAY));
    while origin.asked() < 100 {
        page(&edge, "/").await;
    }
    assert_eq!(page(&edge, "/").await, (StatusCode::OK, "page".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_body_is_an_error_for_its_readers_and_stores_nothing() {
    let origin = Origin::new(|asked| async move {
        let pieces = stream::iter(0..3).map(move |piece| {
            assert!(asked.number > 0 || piece < 2, "the origin's bug");
            Ok::<_, BoxError>(Bytes::from_static(b"x"))
        });
        Ok(answer(&[("cache-control", "max-age=60")], frames(pieces)))
    });
    let edge = edge(origin.clone(), |edge| edge);
    let calls = (0..10).map(|_| async {
        text(ask(&edge, get("/")).await).await.unwrap_err();
    });
    future::join_all(calls).await;
    assert_eq!(page(&edge, "/").await, (StatusCode::OK, "xxx".to_owned()));
}
