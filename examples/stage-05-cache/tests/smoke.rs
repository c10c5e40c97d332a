//! The stage from outside: a balancer, two app servers, three database nodes, accidents.

#[path = "../../radiodeck/tests/support/client.rs"]
mod client;

use std::net::SocketAddr;

use client::{Answer, PATIENCE, Stage, refused, refuses_bad_options};
use tempfile::TempDir;
use terrace_db::backend::sqlite::SqliteCluster;
use terrace_testkit::load::{OpenLoop, Running};
use terrace_testkit::{Postgres, PostgresCluster, tools};

const STAGE: &str = env!("CARGO_BIN_EXE_stage-04-replication");

/// A stage on files, and the directory they are in.
struct Site {
    stage: Stage,
    data: TempDir,
}

impl Site {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let stage = Stage::start(STAGE, &["--data", data.path().to_str().unwrap()]).await;
        Self { stage, data }
    }

    /// Lets something happen to a node, as a person would from another terminal.
    fn happen(&self, words: &[&str]) {
        let data = ["--data", self.data.path().to_str().unwrap()];
        let output = std::process::Command::new(STAGE).args(words).args(data).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    }

    /// Waits until the app servers, both of them, see a node in this state.
    async fn until(&self, node: &str, state: &str) {
        let wanted = format!("\"name\":\"{node}\",\"state\":\"{state}\"");
        for app in ["app-1", "app-2"] {
            let app = format!("\"app\":\"{app}\"");
            let sees =
                |answer: &Answer| answer.text.contains(&app) && answer.text.contains(&wanted);
            self.stage.ask_until("/status", sees).await;
        }
    }

    /// Waits until every node has all that was written: replication here is asynchronous.
    async fn caught_up(&self) {
        let cluster = SqliteCluster::open(self.data.path().join("cluster")).unwrap();
        let even = || {
            let nodes = cluster.nodes().unwrap();
            nodes.windows(2).all(|two| two[0].shown == two[1].shown)
        };
        self.stage.ask_until("/status", |_| even()).await;
    }

    /// Adds a favourite; the answer.
    async fn keep(&self, station: u32) -> Answer {
        self.stage.ask("PUT", &format!("/favourites/{station}"), "x-listener: 3\r\n").await
    }

    /// Whether a listener finds the station among their favourites.
    async fn finds(&self, station: u32, cookie: &str) -> bool {
        let headers = format!("x-listener: 3\r\n{cookie}");
        let answer = self.stage.ask("GET", "/favourites?per_page=100", &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text.contains(&format!("\"id\":{station},"))
    }

    /// Visitors, for as long as an accident takes.
    async fn visitors(&self) -> Running {
        let target: SocketAddr = self.stage.address.parse().unwrap();
        let load = OpenLoop::new(target)
            .rate(50)
            .lasting(PATIENCE)
            .path("/stations/7/now")
            .start()
            .unwrap();
        load.until_ended(20).await;
        load
    }
}

/// Nobody has seen an error.
async fn nobody_noticed(load: Running) {
    let seen = load.ended();
    load.until_ended(seen + 50).await;
    load.stop();
    let report = load.finish().await;
    println!("{report}");
    let unsent = report.count(|outcome| outcome == terrace_testkit::load::Outcome::NotSent);
    assert_eq!(report.answered_with(200), report.records().len() - unsent, "{report}");
}

#[tokio::test]
async fn the_site_is_up_and_says_who_does_what() {
    let site = Site::start().await;
    site.stage.walk().await;
    site.until("db-1", "primary").await;
    site.until("db-2", "replica").await;
    site.until("db-3", "replica").await;
    let page = site.stage.get("/status?format=html").await;
    assert!(page.text.contains("db-3") && page.header("refresh").is_some(), "{}", page.text);
    let answer = site.stage.get("/status").await;
    let reads = answer.text.split("\"reads\":\"").nth(1).unwrap();
    assert!(reads.starts_with("db-2") || reads.starts_with("db-3"), "{}", answer.text);
    site.stage.stop().await;
}

#[tokio::test]
async fn a_killed_replica_is_not_missed_and_comes_back() {
    let site = Site::start().await;
    let load = site.visitors().await;
    site.happen(&["kill", "db-2"]);
    site.until("db-2", "down").await;
    assert_eq!(site.keep(41).await.status, 200, "writes do not need it");
    site.happen(&["start", "db-2"]);
    site.until("db-2", "replica").await;
    nobody_noticed(load).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn without_replicas_the_primary_answers() {
    let site = Site::start().await;
    let load = site.visitors().await;
    for replica in ["db-2", "db-3"] {
        site.happen(&["kill", replica]);
    }
    site.until("db-3", "down").await;
    let answer = site.stage.get("/status").await;
    assert!(answer.text.contains("\"reads\":\"db-1\""), "{}", answer.text);
    nobody_noticed(load).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn pages_outlive_the_primary_and_writes_follow_the_new_one() {
    let site = Site::start().await;
    let load = site.visitors().await;
    let before = site.keep(51).await;
    assert_eq!(before.status, 200, "{}", before.text);
    site.caught_up().await;
    site.happen(&["kill", "db-1"]);
    site.until("db-1", "down").await;
    assert!(site.finds(51, &before.cookie()).await, "reads go on, and see what was written");
    // Nobody takes writes: an answer that says so, and when to come back.
    let refused = site.keep(52).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.header("retry-after").is_some(), "{}", refused.text);

    site.happen(&["promote", "db-2"]);
    let answer = site.keep(53).await;
    assert_eq!(answer.status, 200, "a write waits for the new primary: {}", answer.text);
    assert!(site.finds(53, &answer.cookie()).await);
    assert!(site.finds(51, &answer.cookie()).await, "nothing was lost");
    site.until("db-2", "primary").await;
    site.until("db-3", "replica").await;
    // The old primary comes back and does not know: nobody asks it anything until it follows.
    site.happen(&["start", "db-1"]);
    site.until("db-1", "stale-primary").await;
    assert_eq!(site.keep(54).await.status, 200);
    site.happen(&["follow", "db-1"]);
    site.until("db-1", "replica").await;
    nobody_noticed(load).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn listeners_see_their_own_favourites_at_once() {
    let site = Site::start().await;
    for replica in ["db-2", "db-3"] {
        site.happen(&["delay", replica, "300"]);
    }
    let mut missed = 0;
    for station in 100..120 {
        let answer = site.keep(station).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        // The control: whoever does not send back the cookie may ask a replica that has not heard.
        missed += usize::from(!site.finds(station, "").await);
        assert!(site.finds(station, &answer.cookie()).await, "station {station}");
    }
    println!("without the cookie, {missed} of 20 were missed");
    assert!(missed > 0, "the replicas were no later than the primary: this proves nothing");
    site.stage.stop().await;
}

#[tokio::test]
async fn a_page_for_a_stranger_carries_no_token() {
    let site = Site::start().await;
    let answer = site.stage.get("/stations").await;
    assert_eq!(answer.header("set-cookie"), None);
    assert!(answer.header("cache-control").unwrap().contains("public"), "{}", answer.text);
    site.stage.stop().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let site = Site::start().await;
    assert_eq!(site.keep(77).await.status, 200);
    site.caught_up().await;
    site.happen(&["kill", "db-1"]);
    site.happen(&["promote", "db-3"]);
    site.until("db-3", "primary").await;
    site.stage.stop().await;
    let stage = Stage::start(STAGE, &["--data", site.data.path().to_str().unwrap()]).await;
    let site = Site { stage, ..site };
    site.until("db-3", "primary").await;
    assert!(site.finds(77, "").await);
    site.stage.stop().await;
}

#[tokio::test]
async fn the_nodes_may_be_servers_too() {
    let Some(_) = tools::require_or_skip("postgres") else {
        return;
    };
    let cluster = PostgresCluster::start(2).await.unwrap();
    let urls: Vec<_> = cluster.nodes().iter().map(Postgres::url).collect();
    let options = ["--primary", &urls[0], "--replica", &urls[1], "--replica", &urls[2]];
    let stage = Stage::start(STAGE, &options).await;
    stage.walk().await;
    cluster.catch_up().await.unwrap();
    cluster.primary().kill().await.unwrap();
    assert_eq!(stage.get("/stations/7").await.status, 200);
    cluster.promote(1).await.unwrap();
    let written = async {
        while stage.ask("PUT", "/favourites/9", "x-listener: 3\r\n").await.status != 200 {}
    };
    tokio::time::timeout(PATIENCE, written).await.expect("writes flow again");
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
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    for options in [
        &["--role", "app"][..],
        &["--primary", "postgres://127.0.0.1/x"],
        &["--replica", "postgres://127.0.0.1/x"],
        &["kill"],
        &["delay", "db-2", "soon", "--data", data],
    ] {
        let (code, said) = refused(STAGE, options);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{options:?}: {said}");
    }
    let nowhere = "postgres://me:geheim@127.0.0.1:1/x";
    for options in [
        &["--listen", "127.0.0.1:0", "--primary", nowhere, "--replica", nowhere][..],
        &["kill", "db-1", "--data", data],
    ] {
        let (code, said) = refused(STAGE, options);
        // The log may have had something to say before.
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((code, errors), (Some(1), 1), "{options:?}: {said}");
        assert!(!said.contains("geheim"), "{said}");
    }
}
