//! The kill storms of `cargo xtask soak lb` and `session` in miniature.

use std::path::PathBuf;
use std::time::Duration;

use terrace_benches::soak::session::{LoginStorm, Outcome, Repeats, Writes, storm};
use terrace_benches::soak::{Aftermath, Storm, Target, raise};
use terrace_testkit::process::cargo_example;
use terrace_testkit::{Postgres, Redis, tools};

fn miniature() -> Storm {
    Storm {
        requests: 4_000,
        rate: 1_000,
        backends: 3,
        kill_every: 1_000,
        down_for: 200,
        think_ms: 2,
        backend: env!("CARGO_BIN_EXE_soak-lb").into(),
    }
}

/// An example of another package, unless it is not built and nobody insists.
fn example(name: &str) -> Option<PathBuf> {
    match cargo_example(name) {
        Ok(path) => Some(path),
        Err(error) if tools::services_required() => panic!("{error}"),
        Err(error) => {
            use std::io::Write;
            // Past the harness's capture: a skip is seen.
            let _ = writeln!(std::io::stderr(), "SKIPPED a kill storm: {error}");
            None
        }
    }
}

fn print(aftermath: &Aftermath) {
    println!("{}\n{:?}", aftermath.load, aftermath.findings());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_when_backends_are_killed_behind_the_proxy() {
    let Some(proxy) = example("proxy") else { return };
    let aftermath = raise(&miniature(), Target::Proxy(&proxy)).await.unwrap();
    print(&aftermath);
    assert_eq!(aftermath.kills.len(), 3);
    assert_eq!(aftermath.findings(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_proxy_the_same_storm_loses_requests() {
    // The control: the load client sees what the proxy hides.
    let storm = Storm { backends: 1, requests: 2_000, ..miniature() };
    let aftermath = raise(&storm, Target::Bare).await.unwrap();
    print(&aftermath);
    assert!(aftermath.failed_before_head() > 0);
    assert!(!aftermath.findings().is_empty());
}

/// Fewer users than in the soak, who ask less often: two storms at a time have to share the machine of a gate.
fn login_storm(login: PathBuf) -> LoginStorm {
    LoginStorm {
        login,
        processes: 3,
        users: 500,
        clients: 24,
        rate: 200,
        duration: Duration::from_secs(15),
        kill_every: Duration::from_secs(2),
        distance: Duration::from_millis(20),
        writes: Writes::Increment,
        repeats: Repeats::Safe,
        seed: fastrand::u64(..),
    }
}

fn tell(what: &str, seed: u64, outcome: &Outcome) {
    println!("{what}, seed {seed}: {outcome:?}\n{:?}", outcome.findings());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_out_and_no_increment_is_lost_when_login_processes_are_killed() {
    let Some(login) = example("login") else { return };
    let servers = [tools::require_or_skip("redis-server"), tools::require_or_skip("postgres")];
    if servers.contains(&None) {
        return;
    }
    let (redis, postgres) = tokio::join!(Redis::start(), Postgres::start());
    let (redis, postgres) = (redis.unwrap(), postgres.unwrap());
    let all = login_storm(login);
    let (redis_url, postgres_url) = (redis.url(), postgres.url());
    let storms = tokio::join!(storm(&all, &redis_url), storm(&all, &postgres_url));
    for (name, outcome) in [("Redis", storms.0), ("PostgreSQL", storms.1)] {
        let outcome = outcome.unwrap();
        tell(name, all.seed, &outcome);
        assert!(outcome.kills >= 3, "{name}: {} were killed", outcome.kills);
        assert_eq!(outcome.findings(), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_processes_with_stores_of_their_own_log_people_out() {
    let Some(login) = example("login") else { return };
    let (users, duration) = (20, Duration::from_secs(3));
    let all = LoginStorm { users, duration, ..login_storm(login) };
    let outcome = storm(&all, "memory").await.unwrap();
    tell("memory", all.seed, &outcome);
    assert!(outcome.logged_out > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_clients_that_read_and_then_set_lose_increments() {
    let Some(login) = example("login") else { return };
    if tools::require_or_skip("redis-server").is_none() {
        return;
    }
    let redis = Redis::start().await.unwrap();
    let (users, duration, writes) = (2, Duration::from_secs(3), Writes::ReadThenSet);
    let kill_every = Duration::from_secs(3600);
    let all = LoginStorm { users, duration, writes, kill_every, ..login_storm(login) };
    let outcome = storm(&all, &redis.url()).await.unwrap();
    tell("read, then set", all.seed, &outcome);
    assert!(outcome.books.below > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_a_balancer_that_sends_increments_again_doubles_some() {
    let Some(login) = example("login") else { return };
    if tools::require_or_skip("redis-server").is_none() {
        return;
    }
    let redis = Redis::start().await.unwrap();
    let (users, repeats) = (20, Repeats::Everything);
    // Increments are on their way for so long that some of those a process has applied are lost with it each time.
    let (duration, kill_every) = (Duration::from_secs(4), Duration::from_millis(400));
    let distance = Duration::from_millis(50);
    let all = LoginStorm { users, duration, repeats, kill_every, distance, ..login_storm(login) };
    let outcome = storm(&all, &redis.url()).await.unwrap();
    tell("everything sent again", all.seed, &outcome);
    assert!(outcome.books.unexplained > 0);
}
