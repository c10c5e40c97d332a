//! Policies compared in simulated time: the real balancer, servers with queues, a seeded load.
//!
//! Paused time makes a run exact and repeatable; the figures below are not measurements of this
//! machine but properties of the policies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use terrace_lb::policy::{LeastConn, P2c, Policy, RoundRobin};
use terrace_lb::{Balance, Endpoint};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceExt};

/// A server that works on a few requests at a time and queues the rest.
#[derive(Clone)]
struct Server {
    slots: Arc<Semaphore>,
    slowness: f64,
}

/// A request is the work it takes on a server of normal speed.
type Work = Duration;

impl Service<Work> for Server {
    type Response = ();
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<(), Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, work: Work) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let _slot = server.slots.acquire().await.unwrap();
            sleep(work.mul_f64(server.slowness)).await;
            Ok(())
        })
    }
}

const SERVERS: usize = 20;
const SLOTS: usize = 4;
const MEAN: Duration = Duration::from_millis(10);
const REQUESTS: u32 = 20_000;

/// Runs a Poisson load of exponential work at 70 % of the capacity of equal servers; returns the
/// 99th percentile of latency in milliseconds.
async fn p99(policy: impl Policy<Work>, slow: usize, slowness: f64, seed: u64) -> f64 {
    let server = |i: usize| Server {
        slots: Arc::new(Semaphore::new(SLOTS)),
        slowness: if i < slow { slowness } else { 1.0 },
    };
    let endpoints = (0..SERVERS).map(|i| Endpoint::new(format!("s{i}"), server(i)).unwrap());
    let builder = Balance::builder().policy(policy).endpoints(endpoints).seed(seed);
    let (balance, _driver) = builder.build().unwrap();
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut exponential = |mean: f64| -(1.0 - chance.f64()).ln() * mean;
    let gap = MEAN.as_secs_f64() / (SERVERS * SLOTS) as f64 / 0.7;
    let mut at = Instant::now();
    let mut requests = Vec::new();
    for _ in 0..REQUESTS {
        at += Duration::from_secs_f64(exponential(gap));
        let work = Duration::from_secs_f64(exponential(MEAN.as_secs_f64()));
        sleep_until(at).await;
        let started = Instant::now();
        let answer = balance.clone().oneshot(work);
        requests.push(tokio::spawn(async move {
            answer.await.unwrap();
            Instant::now() - started
        }));
    }
    let mut latencies = Vec::new();
    for request in requests {
        latencies.push(request.await.unwrap());
    }
    latencies.sort();
    let in_flight: u32 = balance.status().iter().map(|endpoint| endpoint.in_flight).sum();
    assert_eq!(in_flight, 0, "every lease was released");
    latencies[latencies.len() * 99 / 100].as_secs_f64() * 1_000.0
}

#[tokio::test(start_paused = true)]
async fn equal_servers_are_shared_nearly_as_well_by_two_looks_as_by_a_full_scan() {
    let (full, two) = (p99(LeastConn::new(), 0, 1.0, 42).await, p99(P2c::new(), 0, 1.0, 42).await);
    assert!(two <= full * 1.10, "p2c {two:.1} ms, least-conn {full:.1} ms");
}

#[tokio::test(start_paused = true)]
async fn slow_servers_drown_round_robin_and_not_p2c() {
    // Two of twenty at a fifth of the speed. Round robin goes on sending them a tenth of all
    // requests, twice what they can do: their queues grow without end. It is the control of this
    // test: a simulation in which it did well would prove nothing about p2c.
    let turns = p99(RoundRobin::new(), 2, 5.0, 42).await;
    let two = p99(P2c::new(), 2, 5.0, 42).await;
    assert!(two < 150.0, "p2c {two:.1} ms");
    assert!(turns > 5.0 * two, "round-robin {turns:.1} ms, p2c {two:.1} ms");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_figure() {
    assert_eq!(p99(P2c::new(), 2, 5.0, 7).await, p99(P2c::new(), 2, 5.0, 7).await);
}
