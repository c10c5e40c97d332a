//! What a session costs a request, in allocations.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use terrace_session::store::Memory;
use terrace_session::{Keys, Session, SessionError, SessionLayer};
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 1_000;

/// What a handler does with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Nothing,
    Get,
    GetAndSet,
}

async fn handle(request: Request<Work>) -> Result<Response<&'static str>, Infallible> {
    let work = *request.body();
    if work == Work::Nothing {
        return Ok(Response::new("hello"));
    }
    let session = request.extensions().get::<Session>().expect("the layer gives one");
    visit(session, work).await.expect("the store answers");
    Ok(Response::new("hello"))
}

async fn visit(session: &Session, work: Work) -> Result<(), SessionError> {
    let visits: Option<u64> = session.get("visits").await?;
    if work == Work::GetAndSet {
        session.set("visits", &(visits.unwrap_or(0) + 1)).await?;
    }
    Ok(())
}

/// The service inside, alone.
async fn bare(request: Request<Work>) -> Result<Response<&'static str>, Infallible> {
    drop(request);
    Ok(Response::new("hello"))
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it had to wait"),
    }
}

fn ask<S>(service: &mut S, cookie: Option<&HeaderValue>, work: Work) -> Response<&'static str>
where
    S: Service<Request<Work>, Response = Response<&'static str>, Error = Infallible>,
{
    let mut request = Request::new(work);
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.clone());
    }
    let Poll::Ready(Ok(())) = service.poll_ready(&mut Context::from_waker(Waker::noop())) else {
        panic!("it is always ready");
    };
    let Ok(response) = now(service.call(request));
    response
}

/// Allocations of a request, on average, rounded up.
fn allocations<S>(service: &mut S, cookie: Option<&HeaderValue>, work: Work) -> u64
where
    S: Service<Request<Work>, Response = Response<&'static str>, Error = Infallible>,
{
    // What is made once is not counted.
    ask(service, cookie, work);
    let counted = measure(|| {
        for _ in 0..REQUESTS {
            ask(service, cookie, work);
        }
    });
    counted.count_total.div_ceil(REQUESTS)
}

/// What is allocated for the session, over the same request without one.
fn over_bare(has_cookie: bool, work: Work) -> u64 {
    let layer = SessionLayer::new(Memory::new(), Keys::generate().unwrap());
    let mut service = layer.layer(service_fn(handle));
    let first = ask(&mut service, None, Work::GetAndSet);
    let set = first.headers()[SET_COOKIE].to_str().unwrap();
    let cookie: HeaderValue = set.split(';').next().unwrap().parse().unwrap();
    let cookie = has_cookie.then_some(&cookie);
    let bare = allocations(&mut service_fn(bare), cookie, work);
    allocations(&mut service, cookie, work) - bare
}

#[test]
fn a_request_that_leaves_its_session_alone_allocates_no_more_than_four_times() {
    // The session, and the box and the table that any extension of a request takes.
    assert_eq!(over_bare(false, Work::Nothing), 4);
    assert_eq!(over_bare(true, Work::Nothing), 4);
}

#[test]
fn what_is_got_and_set_allocates_a_little_more() {
    let [nothing, get, change] =
        [Work::Nothing, Work::Get, Work::GetAndSet].map(|work| over_bare(true, work));
    println!("{nothing} untouched, {get} with one get, {change} with one get and one set");
    assert!(get <= 9, "{get}");
    assert!(change <= 16, "{change}");
    // The control: work is seen.
    assert!(nothing < get && get < change, "{nothing}, {get}, {change}");
}
