//! The `db-kv` example, driven from outside like any program: on files, and on PostgreSQL.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use terrace_db::backend::sqlite::SqliteCluster;
use terrace_testkit::process::{Mark, Process, Source};
use terrace_testkit::{Postgres, PostgresCluster, tools};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes, even on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

const DELAY: Duration = Duration::from_millis(300);

/// What the example runs on, and what can be done to it.
enum Nodes {
    Files(SqliteCluster),
    Servers(PostgresCluster),
}

impl Nodes {
    async fn delay(&self) {
        match self {
            Self::Files(cluster) => {
                for name in ["replica-1", "replica-2"] {
                    cluster.delay(name, DELAY).unwrap();
                }
            }
            Self::Servers(cluster) => {
                for replica in cluster.replicas() {
                    replica.apply_delay(DELAY).await.unwrap();
                }
            }
        }
    }

    async fn kill_primary(&self) {
        match self {
            Self::Files(cluster) => cluster.kill(&cluster.primary().unwrap()).unwrap(),
            Self::Servers(cluster) => cluster.primary().kill().await.unwrap(),
        }
    }

    async fn kill_replicas(&self) {
        match self {
            Self::Files(cluster) => {
                for name in ["replica-1", "replica-2"] {
                    cluster.kill(name).unwrap();
                }
            }
            Self::Servers(cluster) => {
                for replica in cluster.replicas() {
                    replica.kill().await.unwrap();
                }
            }
        }
    }

    async fn promote(&self) {
        match self {
            Self::Files(cluster) => {
                cluster.promote(&cluster.freshest().unwrap()).unwrap();
            }
            Self::Servers(cluster) => {
                cluster.promote_most_advanced().await.unwrap();
            }
        }
    }
}

/// A running example, and its nodes.
struct Kv {
    process: Process,
    address: String,
    nodes: Nodes,
    _data: tempfile::TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The header that sends its token back.
    fn token(&self) -> String {
        let token = self.header("terrace-token").expect("a token");
        format!("terrace-token: {token}\r\n")
    }
}

fn launch(arguments: &[&str]) -> Process {
    let launch = Process::cargo_example("db-kv").unwrap();
    launch.args(["--listen", "127.0.0.1:0"]).args(arguments).spawn().unwrap()
}

async fn address(process: &Process) -> String {
    let line = process.wait_for_line("listening on http://", PATIENCE).await.unwrap();
    line.rsplit('/').next().unwrap().to_owned()
}

async fn ask(address: &str, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses a body need not read all of it.
    let _refused = stream.write_all(request.as_bytes()).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Kv {
    async fn on_files() -> Self {
        let data = tempfile::tempdir().unwrap();
        let process = launch(&["--data", data.path().to_str().unwrap()]);
        let address = address(&process).await;
        let cluster = SqliteCluster::open(data.path().join("cluster")).unwrap();
        Self { process, address, nodes: Nodes::Files(cluster), _data: data }
    }

    async fn on_servers() -> Option<Self> {
        tools::require_or_skip("postgres")?;
        let cluster = PostgresCluster::start(2).await.unwrap();
        let urls: Vec<String> = cluster.nodes().iter().map(Postgres::url).collect();
        let data = tempfile::tempdir().unwrap();
        let process = launch(&[
            "--data",
            data.path().to_str().unwrap(),
            "--primary",
            &urls[0],
            "--replica",
            &urls[1],
            "--replica",
            &urls[2],
        ]);
        let address = address(&process).await;
        Some(Self { process, address, nodes: Nodes::Servers(cluster), _data: data })
    }

    async fn put(&self, key: &str, value: &str) -> Answer {
        ask(&self.address, "PUT", &format!("/kv/{key}"), "", value).await
    }

    async fn get(&self, key: &str, headers: &str) -> Answer {
        ask(&self.address, "GET", &format!("/kv/{key}"), headers, "").await
    }

    async fn status(&self) -> serde_json::Value {
        let answer = ask(&self.address, "GET", "/status", "", "").await;
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Waits until the pool believes something.
    async fn until(&self, what: &str, believed: impl Fn(&serde_json::Value) -> bool) {
        let waiting = async {
            while !believed(&self.status().await) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "not {what}: {}", self.process.log().tail("db-kv"));
    }

    /// Waits until every node is in one of these states.
    async fn until_all(&self, states: &[&str]) {
        self.until(&format!("{states:?}"), |status| {
            let nodes = status["nodes"].as_array().unwrap();
            nodes.iter().all(|node| states.contains(&node["state"].as_str().unwrap()))
        })
        .await;
    }

    /// Waits until all nodes have what was written.
    async fn caught_up(&self) {
        match &self.nodes {
            Nodes::Servers(cluster) => cluster.catch_up().await.unwrap(),
            Nodes::Files(cluster) => {
                let even = || {
                    let nodes = cluster.nodes().unwrap();
                    nodes.windows(2).all(|two| two[0].shown == two[1].shown)
                };
                self.until("caught up", |_| even()).await;
            }
        }
    }

    async fn stop(self) {
        self.process.terminate();
        let status = self.process.wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}: {}", self.process.log().tail("db-kv"));
    }
}

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod files {
            $(#[tokio::test] async fn $name() { super::$name(super::Kv::on_files().await).await; })*
        }
        mod servers {
            $(#[tokio::test] async fn $name() {
                if let Some(kv) = super::Kv::on_servers().await { super::$name(kv).await; }
            })*
        }
    };
}

on_both!(
    writers_see_what_they_wrote_whoever_answers,
    replicas_answer_and_without_them_the_primary_does,
    writes_wait_for_a_primary_and_follow_the_new_one,
    requests_that_make_no_sense_are_refused,
);

async fn writers_see_what_they_wrote_whoever_answers(kv: Kv) {
    kv.until_all(&["primary", "replica"]).await;
    kv.nodes.delay().await;
    let mut missed = 0;
    for round in 0..20 {
        let (key, value) = (format!("key-{round}"), format!("value {round}"));
        let written = kv.put(&key, &value).await;
        assert_eq!(written.status, 204, "{}", written.body);
        // The control: without the token, a replica may not have heard of it.
        let without = kv.get(&key, "").await;
        missed += usize::from(without.body != value);
        let found = kv.get(&key, &written.token()).await;
        assert_eq!((found.status, found.body.as_str()), (200, value.as_str()), "{key}");
        // And whoever has seen it does not unsee it.
        let token = if found.header("terrace-token").is_some() { &found } else { &written };
        let again = kv.get(&key, &token.token()).await;
        assert_eq!(again.body, value, "{key}, seen before");
    }
    println!("without the token, {missed} of 20 were missed");
    assert!(missed > 0, "the replicas were no later than the primary: this proves nothing");
    kv.stop().await;
}

async fn replicas_answer_and_without_them_the_primary_does(kv: Kv) {
    kv.until_all(&["primary", "replica"]).await;
    let written = kv.put("a", "1").await;
    assert_eq!(written.header("x-served-by"), Some("primary"));
    kv.caught_up().await;
    for _ in 0..10 {
        let found = kv.get("a", "").await;
        assert!(found.header("x-served-by").unwrap().starts_with("replica-"), "{}", found.head);
    }
    kv.nodes.kill_replicas().await;
    // Not even the first one after it fails.
    let found = kv.get("a", &written.token()).await;
    assert_eq!((found.status, found.body.as_str()), (200, "1"));
    assert_eq!(found.header("x-served-by"), Some("primary"));
    kv.until_all(&["primary", "down"]).await;
    assert_eq!(kv.put("a", "2").await.status, 204);
    kv.stop().await;
}

async fn writes_wait_for_a_primary_and_follow_the_new_one(kv: Kv) {
    kv.until_all(&["primary", "replica"]).await;
    let before = kv.put("a", "before").await;
    kv.caught_up().await;
    kv.nodes.kill_primary().await;
    assert_eq!(kv.get("a", &before.token()).await.body, "before", "reads go on");
    // A write on a connection from before the kill would have an unknown outcome.
    kv.until("without a primary", |status| status["primary"].is_null()).await;
    let refused = kv.put("a", "never").await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(refused.header("retry-after"), Some("1"), "{}", refused.body);
    let reason: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(reason["outcome"], "not_executed", "{reason}");
    kv.nodes.promote().await;
    let after = kv.put("a", "after").await;
    assert_eq!(after.status, 204, "a write waits for the new primary: {}", after.body);
    assert_eq!(kv.get("a", &after.token()).await.body, "after");
    let old = kv.get("a", &before.token()).await;
    assert!(["before", "after"].contains(&old.body.as_str()), "{}: {}", old.status, old.body);
    kv.stop().await;
}

async fn requests_that_make_no_sense_are_refused(kv: Kv) {
    assert_eq!(kv.get("nothing", "").await.status, 404);
    assert_eq!(kv.put(&"k".repeat(513), "v").await.status, 400);
    assert_eq!(kv.get("a%00b", "").await.status, 400);
    assert_eq!(ask(&kv.address, "POST", "/kv/a", "", "").await.status, 405);
    assert_eq!(kv.put("a", &"v".repeat(3 << 20)).await.status, 413);
    for token in ["", "x", "terrace", &"A".repeat(60)] {
        let headers = format!("terrace-token: {token}\r\n");
        assert_eq!(kv.get("nothing", &headers).await.status, 404, "{token}: counts as none");
    }
    for (key, value) in [("%C3%A4%20b", "ü"), ("empty", ""), ("..%2F..%2Fetc", "x"), ("'--", "y")]
    {
        let written = kv.put(key, value).await;
        assert_eq!(written.status, 204, "{key}: {}", written.body);
        let found = kv.get(key, &written.token()).await;
        assert_eq!((found.status, found.body.as_str()), (200, value), "{key}");
    }
    kv.stop().await;
}

#[tokio::test]
async fn processes_with_one_key_accept_each_others_tokens() {
    let first = Kv::on_files().await;
    let Nodes::Files(cluster) = &first.nodes else { return };
    let data = cluster.dir().parent().map(Path::to_owned).unwrap();
    let key = data.join("token.key");
    // Another process on the same files, with what it remembers elsewhere; and one with its own key.
    let options = ["--data", data.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let second = launch(&options);
    let second_at = address(&second).await;
    let own_key = data.join("another.key");
    let stranger = launch(&["--data", options[1], "--key-file", own_key.to_str().unwrap()]);
    let stranger_at = address(&stranger).await;
    first.until_all(&["primary", "replica"]).await;
    first.nodes.delay().await;
    let mut strange = 0;
    for round in 0..20 {
        let key = format!("/kv/key-{round}");
        let written = first.put(&format!("key-{round}"), "1").await;
        // The control: whoever cannot read the token does not wait for what it speaks of.
        let found = ask(&stranger_at, "GET", &key, &written.token(), "").await;
        strange += usize::from(found.status == 404);
        let found = ask(&second_at, "GET", &key, &written.token(), "").await;
        assert_eq!(found.status, 200, "{key}");
    }
    assert!(strange > 0, "the replicas were no later than the primary: this proves nothing");
    for process in [second, stranger] {
        process.terminate();
        assert!(process.wait(PATIENCE).await.unwrap().success());
    }
    first.stop().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let kv = Kv::on_files().await;
    let Nodes::Files(cluster) = &kv.nodes else { return };
    let data = cluster.dir().parent().map(Path::to_owned).unwrap();
    let written = kv.put("a", "1").await;
    assert_eq!(written.status, 204);
    kv.process.terminate();
    assert!(kv.process.wait(PATIENCE).await.unwrap().success());
    let again = launch(&["--data", data.to_str().unwrap()]);
    let found = ask(&address(&again).await, "GET", "/kv/a", &written.token(), "").await;
    assert_eq!(found.body, "1");
}

#[tokio::test]
async fn without_replicas_the_primary_answers() {
    let process = launch(&["--replicas", "0"]);
    let address = address(&process).await;
    assert_eq!(ask(&address, "PUT", "/kv/a", "", "1").await.status, 204);
    let found = ask(&address, "GET", "/kv/a", "", "").await;
    assert_eq!((found.body.as_str(), found.header("x-served-by")), ("1", Some("primary")));
}

/// The line with which it refuses to run.
async fn error_of(process: &Process) -> String {
    let is_error = |source, line: &str| source == Source::Stderr && line.starts_with("error: ");
    process.wait_for(Mark::default(), PATIENCE, "an error", is_error).await.unwrap()
}

#[tokio::test]
async fn bad_command_lines_are_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // L stands for a good --listen, TAKEN for an address in use.
    let table = [
        ("L --nonsense", "unexpected argument '--nonsense' found"),
        ("L extra", "unexpected argument 'extra' found"),
        ("--replicas 2", "--listen <ADDR>"),
        ("--listen nowhere", "invalid value 'nowhere' for '--listen <ADDR>'"),
        ("--listen 127.0.0.1:99999", "invalid value '127.0.0.1:99999'"),
        ("--listen TAKEN", "--listen: "),
        ("L --replicas 17", "invalid value '17'"),
        ("L --replicas many", "invalid value 'many'"),
        ("L --replica postgres://localhost/x", "--primary <URL>"),
        ("L --primary postgres://localhost/x --replicas 2", "--replicas <N>"),
        ("L --primary mysql://me:geheim@localhost/x", "--primary: "),
        ("L --data /dev/null", "--data: "),
        ("L --key-file /dev/null", "--key-file: "),
        ("L --key-file /nowhere/key", "--key-file: "),
    ];
    for (line, message) in table {
        let arguments = line.split(' ').flat_map(|word| match word {
            "L" => vec!["--listen", "127.0.0.1:0"],
            "TAKEN" => vec![taken.as_str()],
            other => vec![other],
        });
        let process = Process::cargo_example("db-kv").unwrap().args(arguments).spawn().unwrap();
        let said = error_of(&process).await;
        assert!(said.contains(message) && !said.contains("geheim"), "{line}: {said}");
        let status = process.wait(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(2), "{line}: {said}");
        assert_eq!(process.log().lines().len(), 1, "{line}: {said}");
    }
}

#[tokio::test]
async fn servers_that_are_not_there_are_one_line_and_exit_code_1() {
    let process = launch(&["--primary", "postgres://me:geheim@127.0.0.1:1/x"]);
    let line = error_of(&process).await;
    assert!(line.contains("primary") && !line.contains("geheim"), "{line}");
    let status = process.wait(PATIENCE).await.unwrap();
    let lines = process.log().lines();
    assert_eq!((status.code(), lines.len()), (Some(1), 1), "{lines:?}");
}
