//! Several processes with one file, and what is left when one is killed.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use tempfile::TempDir;
use terrace_session::expiry::Touch;
use terrace_session::store::{Sqlite, Store};

use crate::child::{COUNTED, COUNTS, Child, Work};
use crate::{PATIENCE, count, create, key};

const PROCESSES: u64 = 3;
/// Sessions that a process has acknowledged before it is killed.
const BEFORE: usize = 200;

fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sessions.db");
    (directory, file)
}

/// What the count is after several processes have done this work at once.
async fn counted(work: Work) -> u64 {
    let (_directory, file) = file();
    let store = Sqlite::builder(&file).patience(PATIENCE).open().await.unwrap();
    create(&store, key(COUNTED)).await;
    let mut children = join_all((0..PROCESSES).map(|_| Child::start(work, &file))).await;
    for child in &mut children {
        child.go().await;
    }
    join_all(children.into_iter().map(Child::ends)).await;
    count(&store, key(COUNTED)).await
}

#[tokio::test]
async fn processes_that_count_at_once_lose_no_count() {
    assert_eq!(counted(Work::Counts).await, PROCESSES * COUNTS);
}

#[tokio::test]
async fn control_without_versions_they_lose_counts() {
    assert_eq!(counted(Work::CountsBlindly).await, 1);
}

/// Kills a process after some acknowledgements, and says whether all of what was acknowledged is there.
async fn killed(work: Work, after: usize) -> Result<(), String> {
    let (_directory, file) = file();
    let mut child = Child::start(work, &file).await;
    child.go().await;
    let mut acknowledged = Vec::new();
    while acknowledged.len() < after {
        acknowledged.extend(child.acknowledged().await);
    }
    // It is at work at this moment.
    child.kill().await;
    while let Some(late) = child.acknowledged().await {
        acknowledged.push(late);
    }
    is_there(&file, &acknowledged).await
}

/// acknowledged ≤ stored ≤ acknowledged + the one that was under way
async fn is_there(file: &Path, acknowledged: &[u64]) -> Result<(), String> {
    let store = Sqlite::builder(file).patience(PATIENCE).open().await.unwrap();
    for number in acknowledged {
        if store.load(&key(*number), Touch::Never).await.unwrap().is_none() {
            return Err(format!("session {number} was acknowledged, and is not there"));
        }
    }
    let next = acknowledged.len() as u64;
    if store.load(&key(next + 1), Touch::Never).await.unwrap().is_some() {
        return Err(format!("session {} was never begun, and is there", next + 1));
    }
    // Its lock went with it.
    create(&store, key(COUNTED)).await;
    Ok(())
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    killed(Work::Creates, BEFORE).await.unwrap();
}

#[tokio::test]
async fn control_what_is_acknowledged_and_not_there_is_noticed() {
    let lost = killed(Work::Boasts, 1).await.unwrap_err();
    assert_eq!(lost, "session 0 was acknowledged, and is not there");
}

#[tokio::test]
async fn who_has_the_file_open_is_not_held_up_by_one_that_is_killed() {
    let (_directory, file) = file();
    let store = Sqlite::builder(&file).patience(PATIENCE).open().await.unwrap();
    create(&store, key(COUNTED)).await;
    let mut child = Child::start(Work::Creates, &file).await;
    child.go().await;
    child.acknowledged().await.unwrap();
    child.kill().await;
    crate::set_count(&store, key(COUNTED), 7, terrace_session::store::Guard::Exists).await;
    assert_eq!(count(&store, key(COUNTED)).await, 7);
}
