//! Every fault of a single PostgreSQL is brought about and observed from outside.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use terrace_testkit::process::{descendants, is_alive};
use terrace_testkit::{Postgres, tools};
use tokio::time::timeout;
use tokio_postgres::Client;

/// What a test waits for in vain, where nothing must come.
const SHORT: Duration = Duration::from_millis(300);

async fn start() -> Option<Postgres> {
    tools::require_or_skip("postgres")?;
    Some(Postgres::start().await.unwrap())
}

async fn client_with_table(server: &Postgres) -> Client {
    let client = server.connect().await.unwrap();
    let created = client.batch_execute("CREATE TABLE t (id int)").await;
    created.unwrap();
    client
}

async fn count(client: &Client) -> i64 {
    let row = client.query_one("SELECT count(*) FROM t", &[]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn it_answers_on_its_url_and_does_not_run_as_root() {
    let Some(server) = start().await else { return };
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute("SELECT 1").await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    let process = std::fs::metadata(format!("/proc/{}", server.pid().unwrap()));
    assert_ne!(process.unwrap().uid(), 0);
}

#[tokio::test]
async fn databases_of_one_server_are_apart() {
    let Some(server) = start().await else { return };
    let url = server.create_database("other \"one\"").await.unwrap();
    assert!(url.ends_with("/other \"one\""), "{url}");
    let client = server.create_database("apart").await.map(drop);
    client.unwrap();
    client_with_table(&server).await;
    let apart = server.connect_to("apart").await.unwrap();
    assert!(apart.query("SELECT * FROM t", &[]).await.is_err());
}

#[tokio::test]
async fn a_killed_server_refuses_and_recovers_what_was_committed() {
    let Some(server) = start().await else { return };
    let client = client_with_table(&server).await;
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
    let below = descendants(server.pid().unwrap());
    assert!(below.len() > 3, "{below:?}");

    server.kill().await.unwrap();
    assert!(client.batch_execute("COMMIT").await.is_err());
    assert!(server.connect().await.is_err());
    assert_eq!(server.pid(), None);
    assert!(!below.iter().any(|pid| is_alive(*pid)));

    server.restart().await.unwrap();
    assert_eq!(count(&server.connect().await.unwrap()).await, 1);
    let log = server.log().unwrap().lines().join("\n");
    assert!(log.contains("was not properly shut down"), "{log}");
}

#[tokio::test]
async fn a_restarted_server_was_shut_down_in_order() {
    let Some(server) = start().await else { return };
    client_with_table(&server).await;
    let (addr, pid) = (server.addr(), server.pid());
    server.restart().await.unwrap();
    assert_eq!(server.addr(), addr);
    assert_ne!(server.pid(), pid);
    assert_eq!(count(&server.connect().await.unwrap()).await, 0);
    let log = server.log().unwrap().lines().join("\n");
    assert!(log.contains("database system was shut down"), "{log}");
}

#[tokio::test]
async fn a_frozen_server_is_silent_and_answers_when_it_goes_on() {
    let Some(server) = start().await else { return };
    let client = client_with_table(&server).await;
    server.stop().await.unwrap();
    let waiting = count(&client);
    tokio::pin!(waiting);
    assert!(timeout(SHORT, &mut waiting).await.is_err());
    // The kernel accepts the connection, nobody answers on it.
    tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    assert!(timeout(SHORT, server.connect()).await.is_err());

    server.cont();
    assert_eq!(waiting.await, 0);
    server.connect().await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_can_be_killed_and_restarted() {
    let Some(server) = start().await else { return };
    server.stop().await.unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    server.stop().await.unwrap();
    server.restart().await.unwrap();
    server.connect().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_leaves_no_process_no_directory_and_no_shared_memory() {
    for state in ["running", "frozen", "killed"] {
        let Some(server) = start().await else { return };
        let _client = server.connect().await.unwrap();
        let mut pids = descendants(server.pid().unwrap());
        pids.extend(server.pid());
        let data = server.data_dir();
        let postmaster_pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let shmid = postmaster_pid.lines().nth(6).unwrap();
        let shmid = shmid.split_whitespace().last().unwrap();
        assert!(shared_memory_exists(shmid), "{postmaster_pid}");
        match state {
            "frozen" => server.stop().await.unwrap(),
            "killed" => server.kill().await.unwrap(),
            _ => {}
        }
        // Control: a kill alone leaves it behind.
        assert!(shared_memory_exists(shmid), "{state}");
        drop(server);
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "{state}");
        assert!(!data.exists(), "{state}");
        assert!(!shared_memory_exists(shmid), "{state}");
    }
}

fn shared_memory_exists(id: &str) -> bool {
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    segments.lines().any(|line| line.split_whitespace().nth(1) == Some(id))
}

#[tokio::test]
async fn a_setting_changed_at_run_time_holds_for_new_sessions_and_after_a_restart() {
    let Some(server) = start().await else { return };
    server.configure("work_mem", "1234kB").await.unwrap();
    for _ in 0..2 {
        let client = server.connect().await.unwrap();
        let row = client.query_one("SHOW work_mem", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "1234kB");
        server.restart().await.unwrap();
    }
}

#[tokio::test]
async fn commits_reach_the_disk_only_when_asked_for() {
    let Some(fast) = start().await else { return };
    let durable = Postgres::builder().fsync(true).start().await.unwrap();
    for (server, expected) in [(fast, "off"), (durable, "on")] {
        let client = server.connect().await.unwrap();
        let row = client.query_one("SHOW fsync", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), expected);
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let Some(_) = tools::require_or_skip("postgres") else {
        return;
    };
    let builder = Postgres::builder().setting("no_such_setting", "1");
    let error = builder.start().await.unwrap_err();
    assert_eq!(error.server(), "postgres");
    let message = error.to_string();
    assert!(message.contains("no_such_setting"), "{message}");
}

#[tokio::test]
async fn a_fault_that_cannot_be_names_the_server_and_the_fault() {
    let Some(server) = start().await else { return };
    let error = server.promote().await.unwrap_err();
    assert_eq!((error.server(), error.fault()), ("postgres", "promote"));
    let message = error.to_string();
    assert!(message.contains("recovery is not in progress"), "{message}");
    server.kill().await.unwrap();
    assert!(server.stop().await.is_err());
    // Killing the dead is no fault.
    server.kill().await.unwrap();
}
