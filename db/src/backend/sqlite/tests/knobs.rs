//! What can be done to a node, and what its connections notice of it.

use std::io::Write as _;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use super::super::control::Liveness;
use super::super::{SqliteCluster, SqliteError, SqliteTarget};
use super::{Bed, at, get, put};
use crate::backend::{Access, Backend as _, Fault, Role};

#[tokio::test]
async fn a_killed_node_refuses_connections_and_breaks_those_it_had() {
    let bed = Bed::new(&["a", "b"]).await;
    let mut reader = bed.reader("b").await;
    let mut writer = bed.writer("a").await;
    bed.cluster.kill("b").unwrap();
    assert_eq!(get(&mut reader, "x").await.unwrap_err().fault(), Fault::Broken);
    assert!(!bed.sqlite.is_open(&reader));
    assert_eq!(bed.refused("b").await, Fault::Unreachable);
    // The control: the other node goes on.
    put(&mut writer, "x", 1).await.unwrap();
    bed.other().start("b").unwrap();
    assert_eq!(bed.observe("b").await.incarnation, 2);
    // The old connection is one to a process that is gone.
    assert_eq!(get(&mut reader, "x").await.unwrap_err().fault(), Fault::Broken);
}

#[tokio::test]
async fn a_kill_breaks_a_transaction_before_its_commit() {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    bed.sqlite.begin(&mut writer).await.unwrap();
    writer.within(|c| c.execute("INSERT INTO kv VALUES ('x', 1)", [])).await.unwrap();
    bed.cluster.kill("a").unwrap();
    let broken = bed.sqlite.commit(&mut writer, true).await;
    assert_eq!(broken.unwrap_err().fault(), Fault::Broken);
    drop(writer);
    bed.cluster.start("a").unwrap();
    assert_eq!(bed.get("a", "x").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_node_does_not_answer_and_goes_on_when_it_thaws() {
    let bed = Bed::new(&["a", "b"]).await;
    let (mut writer, mut reader) = (bed.writer("a").await, bed.reader("a").await);
    bed.cluster.freeze("a").unwrap();
    let second = Duration::from_secs(1);
    assert!(timeout(second, bed.connect("a", Access::ReadOnly)).await.is_err());
    assert!(timeout(second, bed.sqlite.observe(&mut reader)).await.is_err());
    // The control: its neighbour answers.
    assert!(timeout(second, bed.reader("b")).await.is_ok());
    // What was sent to it meanwhile is carried out afterwards: the answer was late, not lost.
    let thaw = async {
        tokio::time::sleep(second).await;
        bed.cluster.thaw("a").unwrap();
    };
    let (written, ()) = tokio::join!(put(&mut writer, "x", 1), thaw);
    assert_eq!(written.unwrap(), at(1, 2));
    assert_eq!(bed.observe("a").await.incarnation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_meets_a_frozen_node_waits_and_then_commits() {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    bed.sqlite.begin(&mut writer).await.unwrap();
    writer.within(|c| c.execute("INSERT INTO kv VALUES ('x', 1)", [])).await.unwrap();
    bed.cluster.freeze("a").unwrap();
    let thaw = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bed.cluster.thaw("a").unwrap();
    };
    let (committed, ()) = tokio::join!(bed.sqlite.commit(&mut writer, true), thaw);
    assert_eq!(committed.unwrap(), Some(at(1, 2)));
}

#[tokio::test]
async fn a_fence_refuses_writes_and_lets_reads_through() {
    let bed = Bed::new(&["a"]).await;
    let mut writer = bed.writer("a").await;
    bed.cluster.fence("a").unwrap();
    assert_eq!(put(&mut writer, "x", 1).await.unwrap_err().fault(), Fault::ReadOnly);
    assert_eq!(bed.get("a", "x").await, None);
    bed.cluster.unfence("a").unwrap();
    put(&mut writer, "x", 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watched_connection_notices_a_kill_and_a_promotion_but_not_a_freeze() {
    let bed = Bed::new(&["a", "b"]).await;
    let (on_a, on_b) = (bed.reader("a").await, bed.reader("b").await);
    let short = Duration::from_millis(100);
    assert!(timeout(short, bed.sqlite.changed(&on_b)).await.is_err(), "nothing has happened");
    bed.cluster.freeze("a").unwrap();
    assert!(timeout(short, bed.sqlite.changed(&on_a)).await.is_err(), "it cannot tell");
    bed.cluster.promote("b").unwrap();
    timeout(short, bed.sqlite.changed(&on_b)).await.unwrap();
    bed.cluster.kill("a").unwrap();
    timeout(short, bed.sqlite.changed(&on_a)).await.unwrap();
}

#[tokio::test]
async fn processes_see_what_others_do_to_the_cluster() {
    let bed = Bed::new(&["a", "b"]).await;
    let other = bed.other();
    other.delay("b", Duration::from_millis(300)).unwrap();
    other.pause("b").unwrap();
    other.kill("a").unwrap();
    let nodes = bed.cluster.nodes().unwrap();
    assert_eq!((nodes[0].role, nodes[0].liveness), (Role::Primary, Liveness::Down));
    assert_eq!((nodes[1].role, nodes[1].paused), (Role::Replica, true));
    assert_eq!(nodes[1].delay, Duration::from_millis(300));
    assert_eq!(bed.cluster.system().unwrap(), other.system().unwrap());
}

#[test]
fn a_cluster_is_created_once_and_opened_by_all() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(SqliteCluster::open(dir.path()), Err(SqliteError::Io(_))));
    let first = SqliteCluster::create(dir.path(), &["a", "b"]).unwrap();
    let again = SqliteCluster::create(dir.path(), &["a"]);
    assert!(matches!(again, Err(SqliteError::Exists(_))));
    let opened = SqliteCluster::open_or_create(dir.path(), &["a"]).unwrap();
    assert_eq!(opened.system().unwrap(), first.system().unwrap());
    assert!(matches!(opened.kill("c"), Err(SqliteError::UnknownNode(_))));
    assert!(matches!(opened.add("../c"), Err(SqliteError::Name(_))));
    assert!(matches!(opened.add("b"), Err(SqliteError::Exists(_))));
    // The control: another directory is another cluster.
    let elsewhere = TempDir::new().unwrap();
    let foreign = SqliteCluster::create(elsewhere.path(), &["a"]).unwrap();
    assert_ne!(foreign.system().unwrap(), first.system().unwrap());
}

#[tokio::test]
async fn a_node_of_another_cluster_says_so() {
    let (ours, theirs) = (Bed::new(&["a", "b"]).await, Bed::new(&["a"]).await);
    assert_eq!(ours.observe("a").await.system, ours.observe("b").await.system);
    assert_ne!(ours.observe("a").await.system, theirs.observe("a").await.system);
}

#[tokio::test]
async fn a_damaged_control_file_lets_nobody_in() {
    let bed = Bed::new(&["a"]).await;
    let path = bed.dir.path().join("control");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(bed.refused("a").await, Fault::Denied);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(bed.get("a", "x").await, None);
    let nobody = SqliteTarget::node(bed.dir.path(), "nobody");
    let refused = bed.sqlite.connect(&nobody, Access::ReadOnly).await;
    assert_eq!(refused.unwrap_err().fault(), Fault::Denied);
}

#[tokio::test]
async fn a_process_that_dies_while_it_changes_the_cluster_stops_nobody() {
    let bed = Bed::new(&["a", "b"]).await;
    // Between the two writes of a change: the generation is ahead of the control file.
    let mut generation = std::fs::File::create(bed.dir.path().join("generation")).unwrap();
    write!(generation, "{:020}", 900).unwrap();
    drop(generation);
    assert_eq!(bed.get("a", "x").await, None);
    bed.cluster.pause("b").unwrap();
    assert!(bed.other().nodes().unwrap()[1].paused);
    // Or before the first of them was whole.
    std::fs::write(bed.dir.path().join("generation"), "000").unwrap();
    bed.cluster.resume("b").unwrap();
    assert!(!bed.other().nodes().unwrap()[1].paused);
}
