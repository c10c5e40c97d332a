//! What a hit allocates, and what a stored object takes beside its header and its body.
//!
//! `TERRACE_OBJECTS=100000 cargo test -p terrace-cdn-edge --test object_cost -- --nocapture` prints
//! both; without the variable it is fewer objects, which cost the same each.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use terrace_cdn_edge::{Edge, EdgeBody, EdgeLayer, OriginBody};
use tower::{Layer, Service};

const BODY: usize = 1_024;

/// Answers with ten fields and a body.
#[derive(Clone)]
struct Origin {
    varies: bool,
}

fn response(varies: bool) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .header("content-length", BODY)
        .header("cache-control", "public, max-age=86400")
        .header("etag", "\"5f3c1a2b\"")
        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        .header("date", "Sat, 28 Nov 2026 12:00:00 GMT")
        .header("server", "origin")
        .header("x-frame-options", "deny")
        .header("x-content-type-options", "nosniff")
        .header("x-served-by", "app-1");
    if varies {
        response = response.header("vary", "accept-encoding");
    }
    response.body(Full::new(Bytes::from(vec![b'x'; BODY]))).unwrap()
}

impl Service<Request<OriginBody<Empty<Bytes>>>> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<OriginBody<Empty<Bytes>>>) -> Self::Future {
        ready(Ok(response(self.varies)))
    }
}

fn request(path: usize, field: Option<(&'static str, &'static str)>) -> Request<Empty<Bytes>> {
    let request = Request::builder()
        .uri(format!("/assets/{path}/image.png?v=3"))
        .header("host", "www.example.com")
        .header("accept-encoding", "gzip, deflate, br");
    let request = match field {
        Some((name, value)) => request.header(name, value),
        None => request,
    };
    request.body(Empty::new()).unwrap()
}

/// An edge with so many objects stored.
fn filled(objects: usize, varies: bool) -> Edge<Origin> {
    let layer =
        EdgeLayer::builder().seed(1).memory(1 << 30).wall_clock(|| 1_795_867_200).build().unwrap();
    let mut edge = layer.layer(Origin { varies });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for path in 0..objects {
            let response = edge.call(request(path, None)).await.unwrap();
            response.into_body().collect().await.unwrap();
            // The fill stores when the body is whole, in a task of its own.
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(edge.handle().stats().objects, objects);
    edge
}

/// A hit, which waits for nothing.
fn hit(edge: &mut Edge<Origin>, request: Request<Empty<Bytes>>) -> Response<EdgeBody> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(edge.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("a hit had to wait"),
    }
}

/// Allocations of a hit, after the first two, which write what later ones share.
fn allocations(varies: bool, field: Option<(&'static str, &'static str)>, status: u16) -> u64 {
    let mut edge = filled(2, varies);
    for _ in 0..2 {
        assert_eq!(hit(&mut edge, request(1, field)).status(), status);
    }
    let asked = request(1, field);
    let mut answer = None;
    let taken = allocation_counter::measure(|| answer = Some(hit(&mut edge, asked)));
    let answer = answer.unwrap();
    let by_cache = answer.headers()["cache-status"].to_str().unwrap();
    assert!(by_cache.starts_with("terrace; hit"), "{by_cache}");
    taken.count_total
}

#[test]
fn a_hit_allocates_a_header_map_and_nothing_else() {
    for (what, varies, field, status, most) in [
        ("hit", false, None, 200, 2),
        ("304", false, Some(("if-none-match", "\"5f3c1a2b\"")), 304, 2),
        ("hit, Vary", true, None, 200, 2),
    ] {
        let count = allocations(varies, field, status);
        println!("{what}: {count} allocations");
        assert!(count <= most, "{what}: {count} allocations");
    }
    // A part has a Content-Range and a Content-Length of its own.
    let count = allocations(false, Some(("range", "bytes=0-9")), 206);
    println!("206: {count} allocations");
}

#[test]
fn control_a_response_that_is_built_from_text_allocates_more() {
    let taken = allocation_counter::measure(|| drop(response(false)));
    assert!(taken.count_total > 2, "{}", taken.count_total);
}

#[test]
fn a_stored_object_takes_at_most_700_bytes_beside_its_header_and_body() {
    let objects =
        std::env::var("TERRACE_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let mut edge = None;
    let taken = allocation_counter::measure(|| edge = Some(filled(objects, false)));
    let kept = usize::try_from(taken.bytes_current).unwrap() / objects;
    let header: usize = response(false)
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let overhead = kept - header - BODY;
    let stats = edge.unwrap().handle().stats();
    let counted = usize::try_from(stats.bytes).unwrap() / objects;
    println!(
        "{objects} objects: {kept} bytes each, {header} of header, {BODY} of body, {overhead} beside them; counted as {counted}"
    );
    assert!(overhead <= 700, "{overhead}");
    // What is not counted could outgrow the memory unseen.
    assert!(counted >= kept, "{counted} counted, {kept} taken");
}
