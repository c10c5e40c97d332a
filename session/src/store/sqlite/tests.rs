use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::clock::{SystemClock, UnixMillis};
use crate::expiry::Expiry;
use crate::record::{Name, Value, Values};
use crate::token::Tag;

fn key(number: u8) -> SessionKey {
    SessionKey::new(Tag([1; 4]), [number; 32])
}

fn session(value: &str) -> NewSession {
    let values = Values::from([(Name::new("a").unwrap(), Value::of(value).unwrap())]);
    NewSession { authentication: None, values, lifetime: Expiry::default().lifetime() }
}

async fn open(patience: Duration) -> (TempDir, PathBuf, Sqlite) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.db");
    let store = Sqlite::builder(&path).patience(patience).open().await.unwrap();
    (directory, path, store)
}

const LONG: Duration = Duration::from_secs(30);

fn kind(error: &StoreError) -> SqliteErrorKind {
    let source = std::error::Error::source(error).unwrap();
    // Boxed errors are asked for by their own type.
    let text = source.to_string();
    assert!(text.contains("sessions.db"), "{text}");
    let (StoreError::Unavailable(source)
    | StoreError::Unknown(source)
    | StoreError::Invalid(source)) = error;
    source.downcast_ref::<SqliteError>().unwrap().kind()
}

fn is_created(created: &Created) -> bool {
    matches!(created, Created::Created { .. })
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_what_is_there_can_be_read() {
    let (_directory, _, store) = open(LONG).await;
    store.create(&key(1), &session("small")).await.unwrap();
    // A file that may not grow is a disk that is full.
    let no_more = |file: &Connection| {
        let pages: i64 = file.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        file.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    };
    store.connections.write(no_more).await.unwrap();
    let large = session(&"x".repeat(100_000));
    let error = store.create(&key(2), &large).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::Full);
    assert!(error.is_retry_safe());
    assert!(store.load(&key(1), Touch::Never).await.unwrap().is_some());
    assert!(store.load(&key(2), Touch::Never).await.unwrap().is_none());
    // The connection was closed, and with it went the end of the disk.
    assert!(is_created(&store.create(&key(2), &large).await.unwrap()));
}

#[tokio::test]
async fn a_connection_that_may_not_write_is_invalid_and_names_the_file() {
    let (_directory, _, store) = open(LONG).await;
    store.connections.write(|file| file.execute_batch("PRAGMA query_only = ON")).await.unwrap();
    let error = store.create(&key(1), &session("")).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::ReadOnly);
    assert!(matches!(error, StoreError::Invalid(_)));
}

#[derive(Debug, Default)]
struct Moody(Arc<AtomicBool>);

impl Clock for Moody {
    fn now(&self) -> UnixMillis {
        assert!(!self.0.load(Ordering::SeqCst), "not today");
        SystemClock.now()
    }
}

#[tokio::test]
async fn a_clock_that_panics_costs_its_caller_an_answer_and_others_nothing() {
    let (_directory, path, _) = open(LONG).await;
    let clock = Moody::default();
    let angry = Arc::clone(&clock.0);
    let store = Sqlite::builder(path).clock(clock).patience(LONG).open().await.unwrap();
    angry.store(true, Ordering::SeqCst);
    let error = store.create(&key(1), &session("")).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::Unknown);
    let error = store.load(&key(1), Touch::Never).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::Unknown);
    angry.store(false, Ordering::SeqCst);
    assert!(is_created(&store.create(&key(1), &session("")).await.unwrap()));
    assert!(store.load(&key(1), Touch::Never).await.unwrap().is_some());
}

#[tokio::test]
async fn what_waits_in_vain_is_refused_in_time_and_not_done_later() {
    let (_directory, path, store) = open(Duration::from_millis(20)).await;
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let new = session("");
    let (first, second) = (key(1), key(2));
    let both = tokio::join!(store.create(&first, &new), store.create(&second, &new));
    for error in [both.0.unwrap_err(), both.1.unwrap_err()] {
        assert_eq!(kind(&error), SqliteErrorKind::Busy);
        assert!(error.is_retry_safe());
    }
    other.execute_batch("ROLLBACK").unwrap();
    for key in [key(1), key(2)] {
        assert!(store.load(&key, Touch::Never).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let (_directory, _, store) = open(LONG).await;
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let blocks = store.connections.write(move |_| Ok(held.recv().is_ok()));
    let mut blocks = Box::pin(blocks);
    let new = session("");
    let asked = key(1);
    let mut given_up = store.create(&asked, &new);
    {
        use futures_util::FutureExt;
        assert!(blocks.as_mut().now_or_never().is_none());
        assert!(given_up.as_mut().now_or_never().is_none());
    }
    drop(given_up);
    let_go.send(()).unwrap();
    assert!(blocks.await.unwrap());
    // In turn, after the one that was given up.
    assert!(is_created(&store.create(&key(2), &new).await.unwrap()));
    assert!(store.load(&key(1), Touch::Never).await.unwrap().is_none());
}

#[tokio::test]
async fn writes_are_done_in_the_order_in_which_they_came() {
    let (_directory, _, store) = open(LONG).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let write = |number| {
        let order = Arc::clone(&order);
        store.connections.write(move |_| {
            order.lock().unwrap().push(number);
            Ok(())
        })
    };
    futures_util::future::try_join_all((0..100).map(write)).await.unwrap();
    assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_file_has_the_settings_that_the_documentation_promises() {
    let (_directory, _, store) = open(LONG).await;
    let settings = |file: &Connection| {
        let mode: String = file.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let number = |sql| file.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok((mode, number("PRAGMA synchronous")?, number("PRAGMA foreign_keys")?))
    };
    let expected = ("wal".to_owned(), 1, 1);
    assert_eq!(store.connections.read(settings).await.unwrap(), expected);
    assert_eq!(store.connections.write(settings).await.unwrap(), expected);
}

#[tokio::test]
async fn no_question_looks_at_all_sessions() {
    let (_directory, _, store) = open(LONG).await;
    let questions = [
        "SELECT id FROM sessions WHERE key = ?1 AND expires > 1",
        "SELECT id FROM sessions WHERE previous = ?1 AND expires > 1",
        "SELECT id FROM sessions WHERE subject = ?1 AND expires > 1 ORDER BY last_seen",
        "DELETE FROM sessions WHERE subject = ?1 AND id IS NOT 7",
        "UPDATE sessions SET previous = NULL WHERE previous = ?1",
        "SELECT id FROM sessions WHERE expires <= ?1 ORDER BY expires LIMIT 7",
        "SELECT subject FROM epochs WHERE until <= ?1 LIMIT 7",
        "SELECT name, value FROM session_values WHERE session = ?1",
    ];
    for question in questions {
        assert!(!scans(&store, question).await, "{question}");
    }
    assert!(scans(&store, "SELECT id FROM sessions WHERE label = ?1").await, "the control");
}

/// Whether SQLite would go through a whole table.
async fn scans(store: &Sqlite, question: &'static str) -> bool {
    let plan = move |file: &Connection| {
        let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {question}"))?;
        let rows = statement.query_map([7], |row| row.get::<_, String>("detail"))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let plan = store.connections.read(plan).await.unwrap();
    plan.iter().any(|step| step.starts_with("SCAN"))
}
