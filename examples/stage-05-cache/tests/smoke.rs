//! The stage from outside: a balancer, two app servers, their caches, accidents.

#[path = "../../radiodeck/tests/support/client.rs"]
mod client;

use std::net::SocketAddr;
use std::time::Duration;

use client::{Answer, PATIENCE, Stage, children, refused, refuses_bad_options};
use radiodeck::{SqliteStore, Store};
use tempfile::TempDir;
use terrace_db::backend::sqlite::{Sqlite, SqliteCluster};
use terrace_db::{Node, RwPool};
use terrace_testkit::load::{OpenLoop, Outcome, Running};
use terrace_testkit::{Postgres, PostgresCluster, Redis, tools};

const STAGE: &str = env!("CARGO_BIN_EXE_stage-05-cache");
const APPS: [&str; 2] = ["app-1", "app-2"];

/// Far less than a value grows old by itself: what is seen within it was told.
const SOON: Duration = Duration::from_secs(20);

/// A stage on files, and the directory they are in.
struct Site {
    stage: Stage,
    data: TempDir,
}

impl Site {
    async fn start(options: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let directory = ["--data", data.path().to_str().unwrap()];
        let stage = Stage::start(STAGE, &[&directory, options].concat()).await;
        Self { stage, data }
    }

    fn cluster(&self) -> SqliteCluster {
        SqliteCluster::open(self.data.path().join("cluster")).unwrap()
    }

    /// A store on the same nodes that knows nothing of the caches.
    async fn past_the_caches(&self) -> impl Store {
        let cluster = self.cluster();
        let nodes = ["db-1", "db-2", "db-3"].map(|name| Node::new(name, cluster.target(name)));
        SqliteStore::replicated(
            RwPool::builder(Sqlite::new()).nodes(nodes).connect().await.unwrap(),
        )
    }

    /// Adds a favourite; the answer.
    async fn keep(&self, station: i64) -> Answer {
        keep(&self.stage, station).await
    }
}

async fn keep(stage: &Stage, station: i64) -> Answer {
    stage.ask("PUT", &format!("/favourites/{station}"), "x-listener: 3\r\n").await
}

fn queries(answer: &Answer) -> u32 {
    let timing = answer.header("server-timing").unwrap_or_default();
    let digits = timing.split("queries=").nth(1).unwrap_or_default();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no queries in {timing:?}"))
}

fn is_from(answer: &Answer, app: &str) -> bool {
    answer.header("x-served-by") == Some(app)
}

/// The next answer of this app server.
async fn from(stage: &Stage, app: &str, path: &str) -> Answer {
    stage.ask_until(path, |answer| is_from(answer, app)).await
}

/// Asks until every app server answers this address from its memory; an answer.
async fn known_everywhere(stage: &Stage, path: &str) -> Answer {
    for app in APPS {
        let known = |answer: &Answer| is_from(answer, app) && queries(answer) == 0;
        stage.ask_until(path, known).await;
    }
    stage.get(path).await
}

/// Waits until each app server says this in its answer, within a time.
async fn everywhere(stage: &Stage, path: &str, wanted: &str) {
    for app in APPS {
        let says = |answer: &Answer| is_from(answer, app) && answer.text.contains(wanted);
        let says = tokio::time::timeout(SOON, stage.ask_until(path, says));
        says.await.unwrap_or_else(|_| panic!("{app} was not told that {path} has {wanted}"));
    }
}

async fn visitors(stage: &Stage, path: &str) -> Running {
    let target: SocketAddr = stage.address.parse().unwrap();
    let load = OpenLoop::new(target).rate(50).lasting(PATIENCE).path(path).start().unwrap();
    load.until_ended(20).await;
    load
}

/// Nobody has seen an error, but for answers that were cut when their app server was killed.
async fn nobody_noticed(load: Running) {
    let seen = load.ended();
    load.until_ended(seen + 50).await;
    load.stop();
    let report = load.finish().await;
    println!("{report}");
    let unsent = report.count(|outcome| outcome == Outcome::NotSent);
    let answered = report.answered_with(200) + report.cut_after_head();
    assert_eq!(answered, report.records().len() - unsent, "{report}");
}

fn kill(pid: u32) {
    // The shell's own `kill`: a small Debian has no program of that name.
    let kill = format!("kill -9 {pid}");
    let status = std::process::Command::new("sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn the_site_is_up_and_says_what_it_saves() {
    let site = Site::start(&["--servers", "1"]).await;
    site.stage.walk().await;
    for _ in 0..50 {
        site.stage.get("/?format=html").await;
    }
    let answer = site.stage.get("/status").await;
    let (questions, queries) = (answer.number("questions"), answer.number("queries"));
    assert!(questions > 100 && queries * 4 < questions, "{}", answer.text);
    let page = site.stage.get("/status?format=html").await;
    assert!(page.text.contains("% saved") && page.text.contains("db-3"), "{}", page.text);
    site.stage.stop().await;
    let printed = site.stage.process.log().lines();
    let last = printed.iter().rev().find(|line| line.starts_with("app-1: ")).unwrap();
    assert!(last.contains(" questions, ") && last.ends_with(" % saved"), "{last}");
}

#[tokio::test]
async fn a_page_that_was_asked_for_before_costs_no_query() {
    let site = Site::start(&["--servers", "1"]).await;
    for (path, first) in [
        ("/stations?per_page=5", 3),
        ("/stations?per_page=5&sort=name", 3),
        ("/stations/2001", 2),
        ("/stations/2001/now", 0),
        ("/tracks/9", 1),
        ("/tracks/99999999", 1),
    ] {
        let (one, two) = (site.stage.get(path).await, site.stage.get(path).await);
        assert_eq!((queries(&one), queries(&two)), (first, 0), "{path}");
        assert_eq!(one.status, two.status, "{path}");
    }
    let mine = site.stage.ask("GET", "/favourites", "x-listener: 3\r\n").await;
    assert!(queries(&mine) > 0, "what is one listener's is asked each time");
    site.stage.stop().await;
}

#[tokio::test]
async fn a_heart_is_seen_at_once_where_it_was_given_and_soon_elsewhere() {
    let site = Site::start(&[]).await;
    let cluster = site.cluster();
    let path = "/stations/9";
    for replica in ["db-2", "db-3"] {
        // What is loaded after a heart must not come from here.
        cluster.delay(replica, Duration::from_secs(3)).unwrap();
    }
    let before = known_everywhere(&site.stage, path).await.number("favourites");
    let kept = site.keep(9).await;
    let after = kept.number("favourites");
    assert_eq!((kept.status, after), (200, before + 1), "{}", kept.text);
    let app = kept.header("x-served-by").unwrap();
    let seen = from(&site.stage, app, path).await.number("favourites");
    assert_eq!(seen, after, "at once, at {app}");
    everywhere(&site.stage, path, &format!("\"favourites\":{after},")).await;
    // And it stays: no late replica has filled any cache.
    assert_eq!(known_everywhere(&site.stage, path).await.number("favourites"), after);

    // The control: a heart of which nobody tells the caches.
    let past = site.past_the_caches().await;
    let (listener, station) = (4.try_into().unwrap(), 9.try_into().unwrap());
    let kept = past.keep(listener, station, 1).await.unwrap().unwrap();
    assert!(kept.changed && kept.favourites == i64::from(after) + 1, "{kept:?}");
    for app in APPS {
        let old = from(&site.stage, app, path).await.number("favourites");
        assert_eq!(old, after, "{app} cannot know");
    }
    site.stage.stop().await;
}

#[tokio::test]
async fn known_pages_outlive_the_primary_and_unknown_ones_come_from_replicas() {
    let site = Site::start(&[]).await;
    known_everywhere(&site.stage, "/stations/9").await;
    let load = visitors(&site.stage, "/stations/7").await;
    site.cluster().kill("db-1").unwrap();
    for app in APPS {
        // A write that is on its way when the primary dies would be in doubt.
        let (app, down) = (format!("\"app\":\"{app}\""), "\"name\":\"db-1\",\"state\":\"down\"");
        let sees = |answer: &Answer| answer.text.contains(&app) && answer.text.contains(down);
        site.stage.ask_until("/status", sees).await;
    }
    for app in APPS {
        let unknown = from(&site.stage, app, "/stations/1234").await;
        assert_eq!(unknown.status, 200, "{}", unknown.text);
    }
    let refused = site.keep(9).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    let known = site.stage.get("/stations/9").await;
    assert_eq!((known.status, queries(&known)), (200, 0), "nothing was written, nothing is old");
    site.cluster().promote("db-2").unwrap();
    let kept = site.keep(9).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let now = format!("\"favourites\":{},", kept.number("favourites"));
    everywhere(&site.stage, "/stations/9", &now).await;
    nobody_noticed(load).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn a_killed_app_server_is_not_missed_and_is_told_again_when_it_is_back() {
    let site = Site::start(&[]).await;
    let path = "/stations/9";
    known_everywhere(&site.stage, path).await;
    let load = visitors(&site.stage, "/stations/7/now").await;
    let mark = site.stage.process.log().mark();
    kill(children(site.stage.process.pid())[0]);
    let back = site.stage.process.wait_for_line_since(mark, "app-", PATIENCE);
    assert!(back.await.unwrap().contains("starting it again"));
    assert_eq!(site.keep(9).await.status, 200, "a heart does not wait for who is dead");
    known_everywhere(&site.stage, path).await;
    let kept = site.stage.ask("DELETE", "/favourites/9", "x-listener: 3\r\n").await;
    let now = format!("\"favourites\":{},", kept.number("favourites"));
    everywhere(&site.stage, path, &now).await;
    nobody_noticed(load).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn what_one_app_server_has_loaded_another_finds_in_redis() {
    let Some(_) = tools::require_or_skip("redis-server") else {
        return;
    };
    let (one, two) = (Redis::start().await.unwrap(), Redis::start().await.unwrap());
    let (urls, path) = ([one.url(), two.url()], "/stations/9");
    let site = Site::start(&["--redis", &urls[0], "--redis", &urls[1]]).await;
    site.stage.walk().await;
    known_everywhere(&site.stage, path).await;
    known_everywhere(&site.stage, "/stations?per_page=50").await;
    let shares = |answer: &Answer| answer.number("shared") > 0;
    site.stage.ask_until("/status", shares).await;
    let kept = site.keep(9).await;
    let now = format!("\"favourites\":{},", kept.number("favourites"));
    everywhere(&site.stage, path, &now).await;

    // One of the cache servers dies; then the other.
    let load = visitors(&site.stage, "/stations?per_page=50").await;
    for (server, method) in [(&one, "DELETE"), (&two, "PUT")] {
        server.kill().await.unwrap();
        let kept = site.stage.ask(method, "/favourites/9", "x-listener: 3\r\n").await;
        assert_eq!(kept.status, 200, "{}", kept.text);
        let now = format!("\"favourites\":{},", kept.number("favourites"));
        everywhere(&site.stage, path, &now).await;
        let fresh = format!("/stations?per_page=5&q={method}");
        assert_eq!(site.stage.get(&fresh).await.status, 200);
    }
    let dead = "\"answering\":false";
    site.stage.ask_until("/status", |answer| answer.text.matches(dead).count() == 2).await;
    nobody_noticed(load).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn a_cache_server_that_is_not_there_yet_keeps_nobody_from_starting() {
    let site = Site::start(&["--redis", "redis://127.0.0.1:1"]).await;
    site.stage.walk().await;
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
    for replica in cluster.replicas() {
        replica.apply_delay(Duration::from_secs(2)).await.unwrap();
    }
    known_everywhere(&stage, "/stations/9").await;
    let kept = keep(&stage, 9).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let now = format!("\"favourites\":{},", kept.number("favourites"));
    everywhere(&stage, "/stations/9", &now).await;
    cluster.primary().kill().await.unwrap();
    assert_eq!(stage.get("/stations/77").await.status, 200);
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
    for options in [&["--role", "app"][..], &["--redis"], &["--primary", "postgres://127.0.0.1/x"]]
    {
        let (code, said) = refused(STAGE, options);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{options:?}: {said}");
    }
    for url in ["http://me:geheim@127.0.0.1:1", "redis://me:geheim@127.0.0.1:port", ""] {
        let (code, said) = refused(STAGE, &["--listen", "127.0.0.1:0", "--redis", url]);
        // The log may have had something to say before.
        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((code, errors), (Some(1), 1), "{url:?}: {said}");
        assert!(!said.contains("geheim"), "{said}");
    }
}
