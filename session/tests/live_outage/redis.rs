//! Redis: killed and empty, without its scripts, frozen, and behind a link that fails in each way.

use std::time::Duration;

use ::redis::cmd;
use terrace_session::store::Redis;
use terrace_session::{Session, SessionError};
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::{Redis as Server, tools};
use tokio::time::Instant;

use crate::policies::Policy;
use crate::{Processes, SOON, nobody_waits_for_long, until, who};

async fn server() -> Option<Server> {
    tools::require_or_skip("redis-server")?;
    Some(Server::start().await.unwrap())
}

async fn processes(url: String) -> Processes {
    let mut store = None;
    until("a server", async || {
        store = Redis::builder(url.clone()).connect().await.ok();
        store.is_some()
    })
    .await;
    Processes::on(store.unwrap())
}

async fn behind(server: &Server) -> (FaultProxy, Processes) {
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let url = format!("redis://{}", proxy.addr());
    (proxy, processes(url).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_link_that_fails_each_policy_holds_and_the_cookie_works_afterwards() {
    let Some(server) = server().await else { return };
    let (proxy, processes) = behind(&server).await;
    let (browser, spare) = (processes.visitor().await, processes.visitor().await);
    let faults = [
        Fault::Down,
        Fault::Reset,
        Fault::BlackHole,
        Fault::HalfOpen,
        Fault::Delay(Duration::from_secs(3)),
    ];
    for fault in faults {
        proxy.set(fault.clone()).await;
        processes.keep_their_policies(&format!("{fault:?}"), &browser, &spare).await;
        // Whatever still hangs on the way does not come later.
        proxy.set(Fault::Reset).await;
        proxy.set(Fault::Pass).await;
        processes.know(&browser).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_without_a_fault_no_policy_is_seen() {
    let Some(server) = server().await else { return };
    let processes = processes(server.url()).await;
    let browser = processes.visitor().await;
    let seen = crate::observe(processes.layer(Policy::FailClosed), &browser, &browser).await;
    for policy in Policy::ALL {
        assert!(policy.fails(&seen).is_some(), "{policy:?}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_few_requests_their_time_and_nobody_their_session() {
    let Some(server) = server().await else { return };
    let processes = processes(server.url()).await;
    let (browser, spare) = (processes.visitor().await, processes.visitor().await);
    server.stop().await.unwrap();
    nobody_waits_for_long(processes.layer(Policy::FailClosed), &browser).await;
    processes.keep_their_policies("SIGSTOP", &browser, &spare).await;
    server.cont();
    processes.know(&browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_empty_makes_strangers_who_keep_their_cookie_and_can_log_in() {
    let Some(server) = server().await else { return };
    let processes = processes(server.url()).await;
    let (browser, spare) = (processes.visitor().await, processes.visitor().await);
    server.kill().await.unwrap();
    processes.keep_their_policies("kill -9", &browser, &spare).await;
    nobody_waits_for_long(processes.layer(Policy::FailClosed), &browser).await;
    server.restart().await.unwrap();
    for policy in Policy::ALL {
        let layer = processes.layer(policy);
        until("an answer", async || {
            let mut reached = false;
            let page = async |session: Session| {
                reached =
                    session.subject().await?.is_none() && session.set("probe", &1).await.is_ok();
                // Nothing is kept of it.
                Ok(500)
            };
            let visit = browser.clone().visit(layer, page).await;
            assert_eq!(visit.set_cookie(), None, "{policy:?}: not found is no reason to remove it");
            reached
        })
        .await;
        let (visit, who_it_is) = who(layer, &browser).await;
        assert_eq!(
            (visit.status(), who_it_is, visit.set_cookie()),
            (200, None, None),
            "{policy:?}"
        );
        let mut again = browser.clone();
        let login = async |session: Session| session.login("ada").await.map(|()| 200);
        assert_eq!(again.visit(layer, login).await.status(), 200, "{policy:?}");
        assert_ne!(again.cookie, browser.cookie, "a token that is not found is not used again");
        assert_eq!(who(layer, &again).await.1.as_deref(), Some("ada"));
        assert_eq!(who(layer, &browser).await.1, None, "the old one stays nobody's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_its_scripts_is_no_outage() {
    let Some(server) = server().await else { return };
    let processes = processes(server.url()).await;
    let browser = processes.visitor().await;
    let mut connection = server.connect().await.unwrap();
    let layer = processes.layer(Policy::FailClosed);
    let mut visitor = browser.clone();
    for round in 1..=5_u64 {
        let pages: [fn(Session) -> Answer; 5] = [
            |session| Box::pin(async move { session.subject().await.map(drop) }),
            |session| Box::pin(async move { session.set_blind("n", &0) }),
            |session| Box::pin(async move { session.update("m", add).await.map(drop) }),
            |session| Box::pin(async move { session.elevate().await }),
            |session| Box::pin(async move { session.devices().await.map(drop) }),
        ];
        for page in pages {
            () = cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.unwrap();
            let visit =
                visitor.visit(layer, async |session: Session| page(session).await.map(|()| 200));
            assert_eq!(visit.await.status(), 200);
        }
        let mut m = None;
        let page = async |session: Session| {
            m = session.get::<u64>("m").await?;
            Ok(200)
        };
        visitor.visit(layer, page).await;
        assert_eq!(m, Some(round), "each once");
    }
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<(), SessionError>> + Send>>;

fn add(n: Option<u64>) -> u64 {
    n.unwrap_or(0) + 1
}

/// What is said to be done is done; what is said to be open is done once or not at all; and nobody is told anything about a cookie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_link_that_flaps_counts_are_right_and_nobody_is_logged_out() {
    let Some(server) = server().await else { return };
    let (proxy, processes) = behind(&server).await;
    let browser = processes.visitor().await;
    let layer = processes.layer(Policy::FailClosed);
    proxy
        .set(Fault::Flapping { up: Duration::from_millis(150), down: Duration::from_millis(50) })
        .await;
    let (mut done, mut open, mut refused, began) = (0_u64, 0, 0, Instant::now());
    while done < 20 || refused + open < 3 {
        assert!(
            Instant::now().saturating_duration_since(began) < SOON * 2,
            "{done} {open} {refused}"
        );
        let page = async |session: Session| {
            // The layer does not take its word for it.
            let _ = session.update("n", add).await;
            Ok(200)
        };
        let visit = browser.clone().visit(layer, page).await;
        assert_eq!(visit.set_cookie(), None);
        match (visit.status(), visit.error()) {
            (200, None) => done += 1,
            (503, Some(SessionError::Unknown(_))) => open += 1,
            (503, Some(SessionError::Unavailable(_))) => refused += 1,
            other => panic!("{other:?}"),
        }
        if visit.status() == 503 {
            assert_eq!(visit.response.headers()["retry-after"], "1");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    proxy.set(Fault::Pass).await;
    processes.know(&browser).await;
    let mut n = 0;
    let page = async |session: Session| {
        n = session.get::<u64>("n").await?.unwrap_or(0);
        Ok(200)
    };
    assert_eq!(browser.clone().visit(layer, page).await.status(), 200);
    assert!((done..=done + open).contains(&n), "{done} done, {open} open, {n} there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_lost_on_the_way_leaves_the_visitor_as_they_were() {
    let Some(server) = server().await else { return };
    let (proxy, processes) = behind(&server).await;
    let layer = processes.layer(Policy::FailClosed);
    let browser = processes.visitor().await;
    let page = async |session: Session| {
        session.subject().await?;
        proxy.set(Fault::BlackHole).await;
        let login = session.login("eve").await;
        assert!(matches!(login, Err(SessionError::Unknown(_) | SessionError::Unavailable(_))));
        Ok(200)
    };
    let visit = browser.clone().visit(layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (503, None));
    proxy.set(Fault::Reset).await;
    proxy.set(Fault::Pass).await;
    processes.know(&browser).await;
}
