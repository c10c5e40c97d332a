//! Answers that may not be shared: nobody waits for them in vain, and what is remembered of it has bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future;
use http::{Request, Response};
use http_body_util::Empty;
use terrace_cdn_edge::OriginBody;
use tokio::sync::Mutex;
use tokio::time::{Instant, advance, sleep};
use tower::{ServiceExt, service_fn};
use tower_service::Service;

use super::support::{Origin, answer, edge, full, page};

const HEAD: Duration = Duration::from_millis(200);

fn answers(with: &'static str) -> Origin {
    Origin::new(move |_| async move {
        sleep(HEAD).await;
        Ok(answer(&[("cache-control", with)], full("mine")))
    })
}

/// How long it takes until all of so many callers have their answer.
async fn all<S, RB>(service: &S, callers: usize) -> Duration
where
    S: Service<Request<Empty<Bytes>>, Response = Response<RB>, Error: std::fmt::Debug> + Clone,
    RB: http_body::Body<Data = Bytes, Error: Into<terrace_cdn_edge::BoxError>>,
{
    let start = Instant::now();
    future::join_all((0..callers).map(|_| page(service, "/account"))).await;
    Instant::now().saturating_duration_since(start)
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_for_an_answer_that_is_not_shared_are_let_go_at_once() {
    let origin = answers("private");
    let edge = edge(origin.clone(), |edge| edge);
    assert_eq!(all(&edge, 1000).await, HEAD * 2);
    assert_eq!(origin.asked(), 1000);
    // From now on nobody waits for anybody.
    assert_eq!(all(&edge, 1000).await, HEAD);
    assert_eq!(origin.asked(), 2000);
}

#[tokio::test(start_paused = true)]
async fn where_they_queue_for_each_other_a_thousand_wait_a_thousand_times_as_long() {
    let origin = answers("private");
    let lock = Arc::new(Mutex::new(()));
    let queue = service_fn(move |request: Request<Empty<Bytes>>| {
        let (origin, lock) = (origin.clone(), Arc::clone(&lock));
        async move {
            let _turn = lock.lock().await;
            origin.oneshot(request.map(OriginBody::client)).await
        }
    });
    assert_eq!(all(&queue, 1000).await, HEAD * 1000);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_becomes_storable_is_shared_again_when_its_marker_has_ended() {
    let may_store = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&may_store);
    let origin = Origin::new(move |_| {
        let with = if now.load(Ordering::SeqCst) { "max-age=60" } else { "private" };
        async move {
            sleep(HEAD).await;
            Ok(answer(&[("cache-control", with)], full("mine")))
        }
    });
    let edge = edge(origin.clone(), |edge| edge.hit_for_miss(Duration::from_secs(10)));
    page(&edge, "/account").await;
    may_store.store(true, Ordering::SeqCst);
    advance(Duration::from_millis(9_999)).await;
    all(&edge, 100).await;
    // The control: until then each of them asks.
    assert_eq!(origin.asked(), 101);

    may_store.store(false, Ordering::SeqCst);
    advance(Duration::from_secs(61)).await;
    all(&edge, 1).await;
    // Nor do they wait where something stale is stored.
    assert_eq!(all(&edge, 100).await, HEAD);
    may_store.store(true, Ordering::SeqCst);
    advance(Duration::from_millis(10_001)).await;
    let before = origin.asked();
    all(&edge, 100).await;
    assert_eq!(origin.asked(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn markers_take_no_more_memory_than_there_is() {
    let edge = edge(answers("no-store"), |edge| edge.memory(64 << 10));
    for round in 0..50 {
        let calls = (0..100).map(|number| {
            let (edge, path) = (edge.clone(), format!("/{round}/{number}"));
            async move { page(&edge, &path).await }
        });
        future::join_all(calls).await;
        let stats = edge.handle().stats();
        assert!(stats.bytes <= stats.capacity, "{} of {}", stats.bytes, stats.capacity);
    }
    let stats = edge.handle().stats();
    // They are kept, but of five thousand only as many as there is room for.
    assert!(stats.objects > 10 && stats.objects < 1000, "{} markers", stats.objects);
}
