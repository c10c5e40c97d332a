//! One balanced request, by terrace-lb and by tower's balancer.
//!
//! Both choose by the power of two choices over requests in flight, and both call endpoints that
//! answer at once: what is left is pick, lease and release.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use terrace_lb::balance::Balance;
use terrace_lb::policy::P2c;
use terrace_lb::{BoxError, Driver, Endpoint};
use tower::Service;
use tower::balance::p2c;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};

use super::{Op, now};

/// An endpoint that costs nothing: neither its clone nor its call does any work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Service<u64> for Echo {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// An [`Echo`] that counts its requests; clones share the count.
///
/// What terrace-lb pays for a real endpoint, which is a handle to something shared: it clones the
/// service it picked, and tower's balancer does not.
#[derive(Debug, Clone, Default)]
pub struct Counting(Arc<AtomicU32>);

impl Counting {
    /// How many requests it has seen.
    #[must_use]
    pub fn seen(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Service<u64> for Counting {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Ok(request))
    }
}

/// What both balancers are built over.
pub trait Answers:
    Service<u64, Response = u64, Error = Infallible, Future = Ready<Result<u64, Infallible>>>
    + Clone
    + Default
    + Send
    + Sync
    + 'static
{
}

impl Answers for Echo {}
impl Answers for Counting {}

/// terrace-lb: one request through the balancer.
#[derive(Debug)]
pub struct Terrace<S = Echo> {
    balance: Balance<S, u64>,
    endpoints: Vec<S>,
    // Not run: it would only wait. Kept, because a dropped driver is another state.
    _driver: Driver,
}

impl<S: Answers> Terrace<S> {
    /// A balancer over `count` endpoints.
    ///
    /// # Errors
    ///
    /// Never for the names given here; the constructors' types say they can.
    pub fn new(count: usize) -> Result<Self, BoxError> {
        let endpoints: Vec<S> = endpoints(count);
        let named = endpoints
            .iter()
            .enumerate()
            .map(|(at, echo)| Endpoint::new(format!("app-{at}"), echo.clone()));
        let (balance, driver) = Balance::builder()
            .policy(P2c::new())
            .seed(1)
            .endpoints(named.collect::<Result<Vec<_>, _>>()?)
            .build()?;
        Ok(Self { balance, endpoints, _driver: driver })
    }

    /// The endpoints behind it.
    #[must_use]
    pub fn endpoints(&self) -> &[S] {
        &self.endpoints
    }
}

impl<S: Answers> Op for Terrace<S> {
    fn once(&mut self) {
        // `poll_ready` is always ready and holds nothing; a caller that keeps the contract still
        // asks, so it is part of the price.
        let ready = self.balance.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
        debug_assert!(ready.is_ready());
        let answer = now(self.balance.call(std::hint::black_box(7)));
        debug_assert!(answer.is_ok());
    }
}

/// terrace-lb below its service: pick, lease, release.
#[derive(Debug)]
pub struct TerracePick(Terrace);

impl TerracePick {
    /// A balancer over `count` endpoints.
    ///
    /// # Errors
    ///
    /// As [`Terrace::new`].
    pub fn new(count: usize) -> Result<Self, BoxError> {
        Terrace::new(count).map(Self)
    }
}

impl Op for TerracePick {
    fn once(&mut self) {
        let picked = self.0.balance.pick(&std::hint::black_box(7));
        debug_assert!(picked.is_ok());
        drop(std::hint::black_box(picked));
    }
}

type Rival<S> = p2c::Balance<ServiceList<Vec<PendingRequests<S>>>, u64>;

/// `tower::balance::p2c::Balance` over `PendingRequests`: one request through it.
///
/// Driven bare, by its only owner: to share it as terrace's is shared it would need a `Buffer` and
/// a channel hop more.
#[derive(Debug)]
pub struct Tower<S: Answers = Echo> {
    balance: Rival<S>,
    endpoints: Vec<S>,
}

impl<S: Answers> Tower<S> {
    /// A balancer over `count` endpoints, all of them ready.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let endpoints: Vec<S> = endpoints(count);
        let services = endpoints
            .iter()
            .map(|echo| PendingRequests::new(echo.clone(), CompleteOnResponse::default()))
            .collect();
        let mut tower = Self { balance: p2c::Balance::new(ServiceList::new(services)), endpoints };
        // The first request takes in all endpoints; that is building, not balancing.
        tower.once();
        tower
    }

    /// The endpoints behind it.
    #[must_use]
    pub fn endpoints(&self) -> &[S] {
        &self.endpoints
    }
}

impl<S: Answers> Op for Tower<S> {
    fn once(&mut self) {
        let ready = self.balance.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
        debug_assert!(matches!(ready, Poll::Ready(Ok(()))));
        let answer = now(self.balance.call(std::hint::black_box(7)));
        debug_assert!(answer.is_ok());
    }
}

fn endpoints<S: Answers>(count: usize) -> Vec<S> {
    std::iter::repeat_with(S::default).take(count).collect()
}
