//! Members, health and snapshots over time. Time is paused: hours pass in no time, and every wait
//! is exact.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use terrace_lb::health::{CheckError, HealthConfig, Status, check_fn};
use terrace_lb::membership::{Change, Discover};
use terrace_lb::policy::{Candidate, P2c, Picker, Policy};
use terrace_lb::{Balance, BalanceError, BoxError, BuildError, Endpoint, MembershipError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

/// A service that answers with its own name.
#[derive(Clone)]
struct Named(&'static str);

impl Service<()> for Named {
    type Response = &'static str;
    type Error = Infallible;
    type Future = Ready<Result<&'static str, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(self.0))
    }
}

type Tested = Balance<Named, ()>;

fn endpoint(name: &'static str) -> Endpoint<Named> {
    Endpoint::new(name, Named(name)).unwrap()
}

fn available(balance: &Tested) -> Vec<String> {
    let statuses = balance.status().into_iter().filter(|endpoint| endpoint.available);
    statuses.map(|endpoint| endpoint.name.to_string()).collect()
}

/// What each endpoint's checks find, and when they were made.
#[derive(Clone, Default)]
struct World {
    behaviour: Arc<Mutex<HashMap<&'static str, Behaviour>>>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

#[derive(Clone, Copy)]
enum Behaviour {
    Well,
    Ill,
    Hanging,
    Panicking,
}

impl World {
    fn set(&self, name: &'static str, behaviour: Behaviour) {
        self.behaviour.lock().unwrap().insert(name, behaviour);
    }

    fn balance(&self, endpoints: &[&'static str], config: HealthConfig) -> Tested {
        let world = self.clone();
        let check = check_fn(move |service: &Named| {
            let (world, name) = (world.clone(), service.0);
            async move {
                world.asked.lock().unwrap().push(Instant::now());
                let behaviour = world.behaviour.lock().unwrap().get(name).copied();
                match behaviour.unwrap_or(Behaviour::Well) {
                    Behaviour::Well => Ok(()),
                    Behaviour::Ill => Err(CheckError::new("503")),
                    Behaviour::Hanging => std::future::pending().await,
                    Behaviour::Panicking => panic!("a check with a bug"),
                }
            }
        });
        let endpoints = endpoints.iter().map(|name| endpoint(name));
        Balance::builder().endpoints(endpoints).health(check, config).seed(5).spawn().unwrap()
    }
}

/// Every second, exactly.
fn each_second() -> HealthConfig {
    HealthConfig::default().interval(Duration::from_secs(1)).jitter(0.0)
}

/// Lets the driver do what is due now and publish it.
async fn settle() {
    sleep(Duration::from_millis(20)).await;
}

async fn seconds_until(balance: &Tested, names: &[&str]) -> u32 {
    for second in 1..100 {
        sleep(Duration::from_secs(1)).await;
        if available(balance) == names {
            return second;
        }
    }
    panic!("{:?} never became {names:?}", available(balance));
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_is_found_at_once_when_the_process_starts() {
    let world = World::default();
    world.set("b", Behaviour::Ill);
    let balance = world.balance(&["a", "b"], each_second());
    assert_eq!(available(&balance), ["a", "b"], "nothing is known yet");
    settle().await;
    assert_eq!(available(&balance), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_leaves_after_fall_failures_and_returns_after_rise_successes() {
    let world = World::default();
    let balance = world.balance(&["a", "b"], each_second().thresholds(2, 3));
    settle().await;
    world.set("b", Behaviour::Ill);
    let left = seconds_until(&balance, &["a"]).await;
    world.set("b", Behaviour::Well);
    let back = seconds_until(&balance, &["a", "b"]).await;
    assert_eq!((left, back), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_has_failed_and_does_not_hold_up_the_others() {
    let world = World::default();
    world.set("a", Behaviour::Hanging);
    let balance = world.balance(&["a", "b"], each_second());
    settle().await;
    assert_eq!(available(&balance), ["b"], "b is known to be up, a is not");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(balance.status()[0].health, Status::Down);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_has_failed_and_is_made_again() {
    let world = World::default();
    world.set("a", Behaviour::Panicking);
    let balance = world.balance(&["a", "b"], each_second());
    settle().await;
    assert_eq!(available(&balance), ["b"]);
    world.set("a", Behaviour::Well);
    assert_eq!(seconds_until(&balance, &["a", "b"]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_down_requests_fail_at_once_and_say_why() {
    let world = World::default();
    world.set("a", Behaviour::Ill);
    let balance = world.balance(&["a"], each_second());
    settle().await;
    let error = balance.oneshot(()).await.unwrap_err();
    assert!(matches!(error, BalanceError::AllUnavailable { down: 1, draining: 0 }), "{error:?}");
    assert_eq!(error.to_string(), "no endpoint is available: 1 down, 0 draining");
}

#[tokio::test(start_paused = true)]
async fn checks_are_made_once_an_interval_within_the_jitter() {
    let world = World::default();
    let config = HealthConfig::default().interval(Duration::from_secs(10)).jitter(0.2);
    let _balance = world.balance(&["a"], config);
    sleep(Duration::from_secs(10_000)).await;
    let asked = world.asked.lock().unwrap().clone();
    let mut waits: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    waits.sort();
    let (least, most) = (waits[0], waits[waits.len() - 1]);
    assert!(least >= Duration::from_millis(7_990), "{least:?}");
    assert!(most <= Duration::from_millis(12_010), "{most:?}");
    assert!(most - least > Duration::from_secs(2), "the jitter varies nothing: {least:?} {most:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_joins_late_proves_itself_first() {
    let world = World::default();
    world.set("b", Behaviour::Ill);
    let balance = world.balance(&["a"], each_second());
    settle().await;
    balance.members().add(endpoint("b")).await.unwrap();
    assert_eq!(available(&balance), ["a"]);
    settle().await;
    assert_eq!(available(&balance), ["a"]);
    world.set("b", Behaviour::Well);
    assert_eq!(seconds_until(&balance, &["a", "b"]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_is_seen_by_the_next_request() {
    let balance: Tested = Balance::builder().endpoints([endpoint("a")]).spawn().unwrap();
    let members = balance.members();
    members.add(endpoint("b")).await.unwrap();
    members.weight("a", 0).await.unwrap();
    assert_eq!(balance.clone().oneshot(()).await.unwrap(), "b");
    members.remove("b").await.unwrap();
    let error = balance.clone().oneshot(()).await.unwrap_err();
    assert!(matches!(error, BalanceError::AllUnavailable { down: 0, draining: 1 }), "{error:?}");
    members.replace([]).await.unwrap();
    assert!(matches!(balance.clone().oneshot(()).await, Err(BalanceError::NoEndpoints)));
    members.replace([endpoint("c")]).await.unwrap();
    assert_eq!(balance.clone().oneshot(()).await.unwrap(), "c");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_makes_no_sense_is_refused_with_its_name() {
    let balance: Tested = Balance::builder().endpoints([endpoint("a")]).spawn().unwrap();
    let members = balance.members();
    let twice = members.add(endpoint("a")).await.unwrap_err();
    assert_eq!(twice, MembershipError::Duplicate { name: "a".into() });
    let unknown = members.remove("z").await.unwrap_err();
    assert_eq!(unknown.to_string(), "no endpoint is named z");
    assert_eq!(available(&balance), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_the_last_clone() {
    let (balance, driver) = Tested::builder().endpoints([endpoint("a")]).build().unwrap();
    let driver = tokio::spawn(driver);
    let (clone, members) = (balance.clone(), balance.members());
    drop(balance);
    settle().await;
    assert!(!driver.is_finished());
    drop(clone);
    driver.await.unwrap();
    assert_eq!(members.remove("a").await, Err(MembershipError::DriverStopped));
}

#[tokio::test(start_paused = true)]
async fn without_its_driver_a_balancer_answers_as_it_was_built() {
    let (balance, driver) = Tested::builder().endpoints([endpoint("a")]).build().unwrap();
    drop(driver);
    assert_eq!(balance.clone().oneshot(()).await.unwrap(), "a");
    assert_eq!(balance.members().remove("a").await, Err(MembershipError::DriverStopped));
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_a_source_and_its_end_keeps_the_members() {
    let (changes, source) = mpsc::channel(4);
    let balance: Tested = Balance::builder().discover(source).spawn().unwrap();
    changes.send(Change::Replace(vec![endpoint("a"), endpoint("b")])).await.unwrap();
    changes.send(Change::Remove("nobody".into())).await.unwrap();
    changes.send(Change::Remove("a".into())).await.unwrap();
    drop(changes);
    settle().await;
    assert_eq!(available(&balance), ["b"]);
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(balance.clone().oneshot(()).await.unwrap(), "b");
}

/// Fails for ever after its first list.
struct Flaky {
    asked: Arc<AtomicUsize>,
}

impl Discover<Named> for Flaky {
    async fn next(&mut self) -> Option<Result<Change<Named>, BoxError>> {
        match self.asked.fetch_add(1, Ordering::SeqCst) {
            0 => Some(Ok(Change::Replace(vec![endpoint("a")]))),
            _ => Some(Err("no such host".into())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_left_alone_longer_and_longer_and_the_members_stay() {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = Flaky { asked: asked.clone() };
    let balance: Tested = Balance::builder().discover(source).seed(1).spawn().unwrap();
    sleep(Duration::from_secs(1)).await;
    let first_second = asked.load(Ordering::SeqCst);
    assert!((2..=5).contains(&first_second), "{first_second}");
    sleep(Duration::from_secs(3_600)).await;
    // An hour at 15 s to 30 s each is 120 to 240, and a few at the start.
    let hour = asked.load(Ordering::SeqCst) - first_second;
    assert!((120..=250).contains(&hour), "{hour}");
    assert_eq!(balance.clone().oneshot(()).await.unwrap(), "a");
}

/// Counts what it builds, and panics when told to.
#[derive(Clone, Debug, Default)]
struct Fragile {
    built: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Policy<()> for Fragile {
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<()>> {
        self.built.fetch_add(1, Ordering::SeqCst);
        assert!(!self.broken.load(Ordering::SeqCst), "a policy with a bug");
        P2c::new().build(candidates)
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_leaves_the_last_snapshot() {
    let policy = Fragile::default();
    let builder = Balance::builder().policy(policy.clone()).endpoints([endpoint("a")]);
    let balance: Tested = builder.spawn().unwrap();
    settle().await;
    policy.broken.store(true, Ordering::SeqCst);
    balance.members().add(endpoint("b")).await.unwrap();
    assert_eq!(balance.clone().oneshot(()).await.unwrap(), "a");
    assert_eq!(available(&balance), ["a"]);
    policy.broken.store(false, Ordering::SeqCst);
    balance.members().add(endpoint("c")).await.unwrap();
    assert_eq!(available(&balance), ["a", "b", "c"], "the driver has survived");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_changes_is_published_together() {
    let policy = Fragile::default();
    let builder = Balance::builder().policy(policy.clone()).endpoints([endpoint("a")]);
    let balance: Tested = builder.spawn().unwrap();
    settle().await;
    let before = policy.built.load(Ordering::SeqCst);
    let members = balance.members();
    let storm = (0..1_000).map(|weight| {
        let members = members.clone();
        tokio::spawn(async move { members.weight("a", weight % 7 + 1).await })
    });
    for change in storm.collect::<Vec<_>>() {
        change.await.unwrap().unwrap();
    }
    let builds = policy.built.load(Ordering::SeqCst) - before;
    assert!(builds <= 20, "{builds} snapshots for a thousand changes");
}

#[test]
fn a_bad_health_setting_is_an_error_at_build() {
    let check = check_fn(|_: &Named| ready(Ok(())));
    let config = HealthConfig::default().interval(Duration::ZERO);
    let error = Tested::builder().health(check, config).build().unwrap_err();
    assert!(matches!(error, BuildError::Health(_)));
    assert_eq!(error.to_string(), "health check interval is 0ns, must be 1 ms to a day");
}
