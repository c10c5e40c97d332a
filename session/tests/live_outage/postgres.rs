//! PostgreSQL: killed, and frozen. It keeps what it acknowledged, so everybody is logged in afterwards.

use terrace_session::store::Postgres;
use terrace_session::{Session, SessionError};
use terrace_testkit::{Postgres as Server, tools};

use crate::policies::Policy;
use crate::{Processes, nobody_waits_for_long, until};

async fn server() -> Option<(Server, Processes)> {
    tools::require_or_skip("postgres")?;
    let server = Server::start().await.unwrap();
    let mut store = None;
    until("a server", async || {
        store = Postgres::connect(&server.url()).await.ok();
        store.is_some()
    })
    .await;
    let processes = Processes::on(store.unwrap());
    Some((server, processes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_costs_nobody_their_session() {
    let Some((server, processes)) = server().await else { return };
    let (browser, spare) = (processes.visitor().await, processes.visitor().await);
    server.kill().await.unwrap();
    processes.keep_their_policies("kill -9", &browser, &spare).await;
    nobody_waits_for_long(processes.layer(Policy::FailClosed), &browser).await;
    server.restart().await.unwrap();
    processes.know(&browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_few_requests_their_time_and_nobody_their_session() {
    let Some((server, processes)) = server().await else { return };
    let (browser, spare) = (processes.visitor().await, processes.visitor().await);
    server.stop().await.unwrap();
    nobody_waits_for_long(processes.layer(Policy::FailClosed), &browser).await;
    processes.keep_their_policies("SIGSTOP", &browser, &spare).await;
    server.cont();
    processes.know(&browser).await;
}

/// Between the two trips of a login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_a_login_leaves_the_visitor_as_they_were() {
    let Some((server, processes)) = server().await else { return };
    let browser = processes.visitor().await;
    let page = async |session: Session| {
        session.subject().await?;
        server.kill().await.unwrap();
        let login = session.login("eve").await;
        assert!(matches!(login, Err(SessionError::Unknown(_) | SessionError::Unavailable(_))));
        Ok(200)
    };
    let visit = browser.clone().visit(processes.layer(Policy::FailClosed), page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (503, None));
    server.restart().await.unwrap();
    processes.know(&browser).await;
}
