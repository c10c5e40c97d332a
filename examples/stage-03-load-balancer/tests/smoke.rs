//! The stage from outside: a balancer, two app servers, accidents.

#[path = "../../radiodeck/tests/support/client.rs"]
mod client;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use client::{PATIENCE, Stage, children, refused, refuses_bad_options};
use terrace_testkit::load::{Connections, OpenLoop, Outcome};
use terrace_testkit::process::Signal;
use terrace_testkit::{Postgres, tools};

const STAGE: &str = env!("CARGO_BIN_EXE_stage-03-load-balancer");

/// The app servers' processes as the first screen names them.
fn app_servers(stage: &Stage) -> Vec<u32> {
    let lines = stage.process.log().lines();
    lines
        .iter()
        .filter_map(|line| line.split_once("app-")?.1.split_once("pid ")?.1.parse().ok())
        .collect()
}

#[tokio::test]
async fn the_site_is_up_behind_the_balancer() {
    let stage = Stage::start(STAGE, &[]).await;
    stage.walk().await;
    let mut servers = HashSet::new();
    while servers.len() < 2 {
        let answer = stage.get("/stations?per_page=1").await;
        servers.insert(answer.header("x-served-by").unwrap().to_owned());
    }
    let pids: HashSet<_> = app_servers(&stage).into_iter().collect();
    assert_eq!(pids, children(stage.process.pid()).into_iter().collect(), "it says who they are");
    stage.stop().await;
    for pid in pids {
        assert!(!terrace_testkit::process::is_alive(pid), "app server {pid} is gone too");
    }
}

#[tokio::test]
async fn a_killed_app_server_is_not_missed_and_comes_back() {
    let stage = Stage::start(STAGE, &[]).await;
    let before = app_servers(&stage);
    let target: SocketAddr = stage.address.parse().unwrap();
    let load = OpenLoop::new(target)
        .rate(100)
        .lasting(Duration::from_secs(4))
        .path("/stations/7/now")
        .start()
        .unwrap();
    load.until_ended(50).await;
    let mark = stage.process.log().mark();
    // The shell's own `kill`: a small Debian has no program of that name.
    let kill = format!("kill -9 {}", before[0]);
    let kill = std::process::Command::new("sh").args(["-c", &kill]).status();
    assert!(kill.unwrap().success());
    let back =
        stage.process.wait_for_line_since(mark, "app-1 is back, pid ", PATIENCE).await.unwrap();
    let pid: u32 = back.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(!before.contains(&pid), "another process: {pid}");
    // And it gets traffic again.
    stage.ask_until("/whoami", |answer| answer.number("pid") == pid).await;

    let report = load.finish().await;
    let answered = report.answered_with(200);
    let total = report.records().len();
    println!("{total} requests, {answered} answered with 200: {:?}", report.outcomes());
    // Only an answer whose head had passed the balancer already may be cut; what had not goes to
    // the other server.
    assert_eq!(total - answered, report.cut_after_head(), "{:?}", report.outcomes());
    stage.stop().await;
}

#[tokio::test]
async fn only_the_balancer_has_an_address() {
    let stage = Stage::start(STAGE, &[]).await;
    let advertised: Vec<_> = stage
        .process
        .log()
        .lines()
        .into_iter()
        .filter(|line| line.contains("listening on"))
        .collect();
    assert_eq!(advertised.len(), 1, "{advertised:?}");
    assert_eq!(listening_sockets(stage.process.pid()), 1);
    for pid in app_servers(&stage) {
        assert_eq!(listening_sockets(pid), 0, "app server {pid} is on no network");
    }
    for socket in sockets_of(&app_servers(&stage)) {
        let directory = socket.parent().unwrap().metadata().unwrap();
        assert_eq!(directory.permissions().mode() & 0o777, 0o700, "{}", socket.display());
    }
    stage.stop().await;
}

/// The socket of each app server, from its command line.
fn sockets_of(pids: &[u32]) -> Vec<PathBuf> {
    let sockets: Vec<_> = pids
        .iter()
        .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap())
        .map(|line| line.split('\0').skip_while(|word| *word != "--socket").nth(1).unwrap().into())
        .collect();
    assert_eq!(sockets.len(), 2);
    sockets
}

/// How many TCP sockets a process listens on.
fn listening_sockets(pid: u32) -> usize {
    let own: HashSet<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            Some(link)
        })
        .collect();
    ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok())
        .flat_map(|table| table.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            // State 0A is LISTEN; the tenth field is the socket's inode.
            fields.get(3) == Some(&"0A") && fields.get(9).is_some_and(|inode| own.contains(*inode))
        })
        .count()
}

#[tokio::test]
async fn a_forwarded_address_from_outside_is_not_believed() {
    let stage = Stage::start(STAGE, &[]).await;
    let lies =
        "x-forwarded-for: 203.0.113.6\r\nforwarded: for=203.0.113.7\r\nx-real-ip: 203.0.113.8\r\n";
    // From another address than the balancer's own, so that a client seen at all is one passed on.
    let answer = client::ask_from([127, 0, 0, 2], &stage.address, "/whoami", lies).await.unwrap();
    assert!(answer.text.contains("\"client\":\"127.0.0.2\""), "{}", answer.text);
    stage.stop().await;
}

#[tokio::test]
async fn a_stop_under_load_cuts_nobody_off() {
    let stage = Stage::start(STAGE, &[]).await;
    let target: SocketAddr = stage.address.parse().unwrap();
    let load = OpenLoop::new(target)
        .rate(200)
        .lasting(Duration::from_secs(4))
        .connections(Connections::PerRequest)
        .path("/stations?per_page=5")
        .start()
        .unwrap();
    load.until_ended(200).await;
    stage.stop().await;
    load.stop();
    let report = load.finish().await;
    println!("{report}");
    // Before the listener closed: answered in full. After: refused. Nothing in between.
    let whole = report.answered_with(200);
    let refused = report.count(|outcome| outcome == Outcome::Refused);
    let unsent = report.count(|outcome| outcome == Outcome::NotSent);
    assert!(whole >= 200, "{report}");
    // A handshake that completes between the last accept and the close is reset by the kernel.
    assert!(report.records().len() - whole - refused - unsent <= 1, "{report}");
}

#[tokio::test]
async fn app_servers_do_not_outlive_a_killed_balancer() {
    // A killed balancer cannot clean up, so the test does.
    let data = tempfile::tempdir().unwrap();
    let stage = Stage::start(STAGE, &["--data", data.path().to_str().unwrap()]).await;
    let servers = app_servers(&stage);
    assert_eq!(servers.len(), 2);
    stage.process.signal(Signal::Kill);
    stage.process.wait(PATIENCE).await.unwrap();
    let gone = async {
        while servers.iter().any(|pid| terrace_testkit::process::is_alive(*pid)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("they end with their parent");
}

#[tokio::test]
async fn the_database_may_be_a_server_too() {
    let Some(_) = tools::require_or_skip("postgres") else {
        return;
    };
    let postgres = Postgres::start().await.unwrap();
    let stage = Stage::start(STAGE, &["--database", &postgres.url(), "--servers", "3"]).await;
    assert_eq!(app_servers(&stage).len(), 3);
    stage.walk().await;
    stage.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_end() {
    let stage = Stage::start(STAGE, &[]).await;
    stage.stop_in_the_middle_of_a_request().await;
}

#[tokio::test]
async fn bad_options_are_refused_in_one_line() {
    refuses_bad_options(STAGE, &[]).await;
    for options in
        [&["--role", "app"][..], &["--servers", "0"], &["--servers", "65"], &["--role", "x"]]
    {
        let (code, said) = refused(STAGE, options);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{options:?}: {said}");
    }
    let nowhere = ["--listen", "127.0.0.1:0", "--database", "postgres://127.0.0.1:1/x"];
    let (code, said) = refused(STAGE, &nowhere);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
}
