//! The balancer as its callers see it: where requests go, what failures say, when a request is over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty, Full};
use terrace_lb::completion::{AtBodyEnd, AtResponse, TunnelLease};
use terrace_lb::policy::{LeastConn, RoundRobin};
use terrace_lb::{Balance, BalanceError, Endpoint, Retry, Sent};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt, service_fn};

/// An endpoint that fails as told and notes what it was asked.
#[derive(Clone)]
struct Server {
    name: &'static str,
    failure: Option<Sent>,
    seen: Seen,
}

type Seen = Arc<Mutex<Vec<(&'static str, String)>>>;

#[derive(Debug)]
struct Broken {
    sent: Sent,
    request: Option<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it broke")
    }
}

impl Error for Broken {}

impl Service<String> for Server {
    type Response = &'static str;
    type Error = Broken;
    type Future = Ready<Result<&'static str, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: String) -> Self::Future {
        self.seen.lock().unwrap().push((self.name, request.clone()));
        ready(match self.failure {
            None => Ok(self.name),
            Some(Sent::No) => Err(Broken { sent: Sent::No, request: Some(request) }),
            Some(sent @ Sent::Maybe) => Err(Broken { sent, request: None }),
        })
    }
}

/// Requests that begin with "read" may run twice.
struct Reads;

impl Retry<String, Broken> for Reads {
    fn save(&self, request: &String) -> Option<String> {
        request.starts_with("read").then(|| request.clone())
    }

    fn sent(&self, error: &Broken) -> Sent {
        error.sent
    }

    fn reclaim(&self, error: &mut Broken) -> Option<String> {
        error.request.take()
    }
}

/// Endpoints "a", "b", … each failing as given.
fn servers(failures: &[Option<Sent>]) -> (Vec<Endpoint<Server>>, Seen) {
    let seen = Seen::default();
    let endpoint = |(name, failure): (&&'static str, &Option<Sent>)| {
        let server = Server { name, failure: *failure, seen: seen.clone() };
        Endpoint::new(*name, server).unwrap()
    };
    (["a", "b", "c", "d"].iter().zip(failures).map(endpoint).collect(), seen)
}

/// Takes the endpoints in turn and retries reads. These tests need no driver.
fn in_turn(endpoints: Vec<Endpoint<Server>>) -> Balance<Server, String, AtResponse, Reads> {
    let builder = Balance::builder().policy(RoundRobin::new()).endpoints(endpoints);
    builder.retry(Reads).seed(1).build().unwrap().0
}

fn total_in_flight<S: Clone, Req, C, R>(balance: &Balance<S, Req, C, R>) -> u32 {
    balance.status().iter().map(|endpoint| endpoint.in_flight).sum()
}

#[test]
fn a_balancer_is_clone_send_sync_and_always_ready() {
    fn assert<T: Clone + Send + Sync + 'static>(_: &T) {}
    let (mut balance, _driver) = Balance::<Server, String>::builder().build().unwrap();
    assert(&balance);
    let mut ready = task::spawn(balance.ready());
    assert_ready_ok!(ready.poll());
}

#[tokio::test]
async fn an_idempotent_request_is_tried_once_more_elsewhere() {
    let (endpoints, seen) = servers(&[Some(Sent::Maybe), None, None]);
    assert_eq!(in_turn(endpoints).oneshot("read 1".into()).await.unwrap(), "b");
    assert_eq!(*seen.lock().unwrap(), [("a", "read 1".into()), ("b", "read 1".into())]);
}

#[tokio::test]
async fn a_request_that_may_have_been_executed_is_not_sent_again() {
    let (endpoints, seen) = servers(&[Some(Sent::Maybe), None]);
    let error = in_turn(endpoints).oneshot("write 1".into()).await.unwrap_err();
    assert_eq!(error.sent(), Sent::Maybe);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_that_was_never_sent_goes_elsewhere_whatever_it_is() {
    let (endpoints, seen) = servers(&[Some(Sent::No), None]);
    assert_eq!(in_turn(endpoints).oneshot("write 1".into()).await.unwrap(), "b");
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn there_is_no_third_attempt() {
    let (endpoints, seen) = servers(&[Some(Sent::No); 4]);
    let error = in_turn(endpoints).oneshot("read 1".into()).await.unwrap_err();
    let BalanceError::Endpoint { name, attempts: 2, sent: Sent::No, source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((&**name, source.to_string().as_str()), ("b", "it broke"));
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(error.to_string(), "endpoint b failed before anything was sent (attempt 2)");
    assert_eq!(error.source().unwrap().to_string(), "it broke");
}

#[tokio::test]
async fn the_only_endpoint_is_not_tried_twice() {
    let (endpoints, seen) = servers(&[Some(Sent::No)]);
    let error = in_turn(endpoints).oneshot("read 1".into()).await.unwrap_err();
    assert!(matches!(error, BalanceError::Endpoint { attempts: 1, .. }), "{error:?}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_retry_every_request_gets_one_attempt() {
    let (endpoints, seen) = servers(&[Some(Sent::No), None]);
    let builder = Balance::builder().policy(RoundRobin::new()).endpoints(endpoints);
    let (balance, _driver) = builder.build().unwrap();
    assert!(balance.oneshot("read 1".to_owned()).await.is_err());
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_empty_balancer_says_so() {
    let (balance, _driver) = Balance::<Server, String>::builder().build().unwrap();
    let error = balance.oneshot("read".into()).await.unwrap_err();
    assert!(matches!(error, BalanceError::NoEndpoints));
    assert_eq!(error.sent(), Sent::No);
    assert_eq!(error.to_string(), "the balancer has no endpoints");
}

#[test]
fn a_name_that_stands_twice_is_an_error_that_names_it() {
    let (mut endpoints, _) = servers(&[None, None]);
    endpoints.push(endpoints[0].clone());
    let error = Balance::<_, String>::builder().endpoints(endpoints).build().unwrap_err();
    assert_eq!(error.to_string(), "endpoint a is listed twice");
}

#[test]
fn the_same_seed_makes_the_same_picks() {
    let picks = |seed| {
        let (endpoints, _) = servers(&[None; 4]);
        let builder = Balance::<_, String>::builder().endpoints(endpoints).seed(seed);
        let (balance, _driver) = builder.build().unwrap();
        let mut clones = [balance.clone(), balance];
        let mut pick = |i: usize| clones[i % 2].pick(&String::new()).unwrap().0.name().to_string();
        (0..64).map(&mut pick).collect::<Vec<String>>()
    };
    assert_eq!(picks(7), picks(7));
    assert_ne!(picks(7), picks(8));
}

#[test]
fn the_longer_queue_gets_no_more() {
    let service = service_fn(|(): ()| std::future::pending::<Result<(), Infallible>>());
    let endpoints = ["a", "b"].map(|name| Endpoint::new(name, service).unwrap());
    let builder = Balance::builder().policy(LeastConn::new()).endpoints(endpoints).seed(3);
    let (mut balance, _driver) = builder.build().unwrap();
    let mut requests: Vec<_> = (0..10).map(|_| task::spawn(balance.call(()))).collect();
    for request in &mut requests {
        assert_pending!(request.poll());
    }
    let queues: Vec<u32> = balance.status().iter().map(|e| e.in_flight).collect();
    assert_eq!(queues, [5, 5]);
    drop(requests);
    assert_eq!(total_in_flight(&balance), 0);
}

#[test]
fn a_future_that_is_dropped_before_its_first_poll_releases_its_lease() {
    let (endpoints, seen) = servers(&[None]);
    let mut balance = in_turn(endpoints);
    let future = balance.call("read".into());
    assert_eq!(total_in_flight(&balance), 1);
    drop(future);
    assert_eq!(total_in_flight(&balance), 0);
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn a_service_that_panics_releases_its_lease() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = service_fn(move |(): ()| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { panic!("on purpose") as Result<(), Infallible> }
    });
    let endpoints = [Endpoint::new("a", service).unwrap()];
    let (mut balance, _driver) = Balance::builder().endpoints(endpoints).build().unwrap();
    let mut request = Box::pin(balance.call(()));
    let poll = std::panic::AssertUnwindSafe(|| {
        let _ = request.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    });
    std::panic::catch_unwind(poll).unwrap_err();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    drop(request);
    assert_eq!(total_in_flight(&balance), 0);
}

// HTTP: a request is over when its body is.

type Http<B> =
    Balance<BoxCloneSyncService<Request<()>, Response<B>, Infallible>, Request<()>, AtBodyEnd>;

fn http<B, F>(respond: F) -> Http<B>
where
    B: http_body::Body + Send + 'static,
    F: Fn() -> Response<B> + Clone + Send + Sync + 'static,
{
    let service = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(respond())));
    let endpoint = Endpoint::new("a", BoxCloneSyncService::new(service)).unwrap();
    Balance::builder().endpoints([endpoint]).http().build().unwrap().0
}

#[tokio::test]
async fn a_response_without_a_body_is_over_at_its_head() {
    let balance = http(|| Response::new(Empty::<Bytes>::new()));
    let _response = balance.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(total_in_flight(&balance), 0);
}

#[tokio::test]
async fn a_body_of_known_length_is_over_with_its_last_frame() {
    // A server that has sent the announced length does not poll for the end.
    let balance = http(|| Response::new(Full::new(Bytes::from_static(b"tune"))));
    let mut response = balance.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(total_in_flight(&balance), 1);
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(total_in_flight(&balance), 0);
}

#[tokio::test]
async fn a_stream_is_over_at_its_end_its_error_or_its_drop() {
    #[derive(Clone, Copy, Debug)]
    enum End {
        Finished,
        Failed,
        Dropped,
    }
    for end in [End::Finished, End::Failed, End::Dropped] {
        let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(4);
        let slot = Arc::new(Mutex::new(Some(body)));
        let balance = http(move || Response::new(slot.lock().unwrap().take().unwrap()));
        let response = balance.clone().oneshot(Request::new(())).await.unwrap();
        let mut body = response.into_body();
        sender.send_data(Bytes::from_static(b"la")).await.unwrap();
        body.frame().await.unwrap().unwrap();
        assert_eq!(total_in_flight(&balance), 1, "{end:?}: more may come");
        match end {
            End::Finished => {
                drop(sender);
                assert!(body.frame().await.is_none());
            }
            End::Failed => {
                sender.abort(std::io::Error::other("cut"));
                assert!(body.frame().await.unwrap().is_err());
            }
            End::Dropped => drop(body),
        }
        assert_eq!(total_in_flight(&balance), 0, "{end:?}");
    }
}

#[tokio::test]
async fn a_tunnel_is_over_when_its_lease_is_dropped() {
    let switching = || {
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        response.body(Empty::<Bytes>::new()).unwrap()
    };
    let balance = http(switching);
    let mut response = balance.clone().oneshot(Request::new(())).await.unwrap();
    let tunnel = response.extensions_mut().remove::<TunnelLease>().unwrap();
    drop(response);
    assert_eq!(total_in_flight(&balance), 1, "the tunnel is still open");
    drop(tunnel);
    assert_eq!(total_in_flight(&balance), 0);
}
