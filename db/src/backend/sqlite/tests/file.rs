//! A file of its own.

use std::time::Duration;

use tempfile::TempDir;

use super::super::{Sqlite, SqliteConnection, SqliteTarget};
use super::{at, get, put, sqlite};
use crate::backend::{Access, Backend as _, Fault, Role};

async fn connect(sqlite: &Sqlite, dir: &TempDir, access: Access) -> SqliteConnection {
    sqlite.connect(&SqliteTarget::file(dir.path().join("kv.db")), access).await.unwrap()
}

async fn file() -> (Sqlite, TempDir, SqliteConnection) {
    let (sqlite, dir) = (sqlite(), TempDir::new().unwrap());
    let mut writer = connect(&sqlite, &dir, Access::ReadWrite).await;
    writer
        .write(|t| t.execute_batch("CREATE TABLE kv (k TEXT PRIMARY KEY, v INTEGER NOT NULL)"))
        .await
        .unwrap();
    (sqlite, dir, writer)
}

#[tokio::test]
async fn a_file_is_a_primary_whose_position_counts_commits() {
    let (sqlite, dir, mut writer) = file().await;
    assert_eq!(put(&mut writer, "a", 1).await.unwrap(), at(1, 2));
    assert_eq!(sqlite.written(&mut writer).await.unwrap(), at(1, 2));
    let mut reader = connect(&sqlite, &dir, Access::ReadOnly).await;
    let seen = sqlite.observe(&mut reader).await.unwrap();
    assert_eq!((seen.role, seen.position), (Role::Primary, at(1, 2)));
    assert_eq!(sqlite.readable(&mut reader).await.unwrap(), at(1, 2));
    assert_eq!(sqlite.role(&reader), Some(Role::Primary));
    // Another file is another cluster.
    let (other, _dir, mut writer) = file().await;
    assert_ne!(other.observe(&mut writer).await.unwrap().system, seen.system);
}

#[tokio::test]
async fn many_connections_may_create_the_file_at_once() {
    let (sqlite, dir) = (sqlite(), TempDir::new().unwrap());
    let opening = (0..8).map(|i| {
        let (sqlite, path) = (sqlite.clone(), dir.path().join("kv.db"));
        let access = if i % 2 == 0 { Access::ReadOnly } else { Access::ReadWrite };
        tokio::spawn(async move {
            let mut made = sqlite.connect(&SqliteTarget::file(path), access).await.unwrap();
            sqlite.observe(&mut made).await.unwrap().system
        })
    });
    let mut systems = Vec::new();
    for opened in opening.collect::<Vec<_>>() {
        systems.push(opened.await.unwrap());
    }
    systems.dedup();
    assert_eq!(systems.len(), 1);
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_and_is_not_counted() {
    let (sqlite, _dir, mut writer) = file().await;
    let failed = writer
        .write(|t| {
            t.execute("INSERT INTO kv VALUES ('a', 1)", [])?;
            t.execute("INSERT INTO nowhere VALUES (1)", [])
        })
        .await;
    assert_eq!(failed.unwrap_err().fault(), Fault::Statement);
    assert_eq!(get(&mut writer, "a").await.unwrap(), None);
    assert_eq!(sqlite.readable(&mut writer).await.unwrap(), at(1, 1));
    // The control: without the second statement it stays.
    put(&mut writer, "a", 1).await.unwrap();
    assert_eq!(get(&mut writer, "a").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (sqlite, dir, mut writer) = file().await;
    let mut reader = connect(&sqlite, &dir, Access::ReadOnly).await;
    let insert = |c: &rusqlite::Connection| c.execute("INSERT INTO kv VALUES ('a', 1)", []);
    assert_eq!(reader.read(insert).await.unwrap_err().fault(), Fault::ReadOnly);
    assert_eq!(put(&mut reader, "a", 1).await.unwrap_err().fault(), Fault::ReadOnly);
    assert_eq!(get(&mut reader, "a").await.unwrap(), None);
    assert!(sqlite.is_open(&reader));
    // The control: the same statement in a write.
    writer.write(move |t| insert(t)).await.unwrap();
    assert_eq!(get(&mut reader, "a").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_read_on_a_writers_connection_leaves_nothing_that_is_not_counted() {
    let (sqlite, _dir, mut writer) = file().await;
    let sneaky = writer.read(|c| c.execute("INSERT INTO kv VALUES ('a', 1)", [])).await;
    // It says nothing about the node's role.
    assert_eq!(sneaky.unwrap_err().fault(), Fault::Statement);
    assert_eq!(get(&mut writer, "a").await.unwrap(), None);
    assert_eq!(sqlite.readable(&mut writer).await.unwrap(), at(1, 1));
}

#[tokio::test]
async fn a_closure_that_ends_the_transaction_is_found_out() {
    let (sqlite, _dir, mut writer) = file().await;
    sqlite.begin(&mut writer).await.unwrap();
    let ended = writer.within(|c| c.execute_batch("COMMIT")).await;
    assert_eq!(ended.unwrap_err().fault(), Fault::Broken);
    assert!(!sqlite.is_open(&writer));
}

#[tokio::test]
async fn what_was_committed_survives_a_crash_and_nothing_else_does() {
    let (sqlite, dir, mut writer) = file().await;
    put(&mut writer, "acknowledged", 1).await.unwrap();
    sqlite.begin(&mut writer).await.unwrap();
    writer.within(|c| c.execute("INSERT INTO kv VALUES ('open', 1)", [])).await.unwrap();
    // What a crash leaves is the files as they are, log and all: nothing was closed.
    let after = TempDir::new().unwrap();
    for name in ["kv.db", "kv.db-wal"] {
        std::fs::copy(dir.path().join(name), after.path().join(name)).unwrap();
    }
    let mut reader = connect(&sqlite, &after, Access::ReadOnly).await;
    assert_eq!(get(&mut reader, "acknowledged").await.unwrap(), Some(1));
    assert_eq!(get(&mut reader, "open").await.unwrap(), None);
    assert_eq!(sqlite.readable(&mut reader).await.unwrap(), at(1, 2));
    // The control: the log is where it was.
    let lost = TempDir::new().unwrap();
    std::fs::copy(dir.path().join("kv.db"), lost.path().join("kv.db")).unwrap();
    let mut reader = connect(&sqlite, &lost, Access::ReadOnly).await;
    assert!(!matches!(get(&mut reader, "acknowledged").await, Ok(Some(1))));
}

#[tokio::test]
async fn writers_take_turns_also_those_of_another_process() {
    let (sqlite, dir, _writer) = file().await;
    let other = super::sqlite();
    let mut tasks = Vec::new();
    for task in 0..6 {
        let sqlite = if task % 2 == 0 { sqlite.clone() } else { other.clone() };
        let mut writer = connect(&sqlite, &dir, Access::ReadWrite).await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..10 {
                let add = "INSERT INTO kv VALUES ('sum', 1)
                           ON CONFLICT DO UPDATE SET v = v + 1";
                writer.write(move |t| t.execute(add, [])).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut reader = connect(&sqlite, &dir, Access::ReadOnly).await;
    assert_eq!(get(&mut reader, "sum").await.unwrap(), Some(60));
    assert_eq!(sqlite.readable(&mut reader).await.unwrap(), at(1, 61));
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_its_turn_and_not_for_ever() {
    let (_, dir, _writer) = file().await;
    let sqlite = sqlite().busy_timeout(Duration::from_millis(100));
    let mut first = connect(&sqlite, &dir, Access::ReadWrite).await;
    let mut second = connect(&sqlite, &dir, Access::ReadWrite).await;
    sqlite.begin(&mut first).await.unwrap();
    assert_eq!(put(&mut second, "a", 1).await.unwrap_err().fault(), Fault::Conflict);
    assert!(sqlite.is_open(&second));
    // Readers do not wait at all.
    let mut reader = connect(&sqlite, &dir, Access::ReadOnly).await;
    assert_eq!(get(&mut reader, "a").await.unwrap(), None);
    sqlite.rollback(&mut first).await.unwrap();
    put(&mut second, "a", 1).await.unwrap();
}

#[tokio::test]
async fn a_connection_takes_one_transaction_at_a_time() {
    let (sqlite, _dir, mut writer) = file().await;
    sqlite.begin(&mut writer).await.unwrap();
    assert_eq!(sqlite.begin(&mut writer).await.unwrap_err().fault(), Fault::Client);
    assert_eq!(put(&mut writer, "a", 1).await.unwrap_err().fault(), Fault::Client);
    writer.within(|c| c.execute("INSERT INTO kv VALUES ('a', 2)", [])).await.unwrap();
    assert_eq!(sqlite.commit(&mut writer, true).await.unwrap(), Some(at(1, 2)));
    let outside = writer.within(|c| c.execute("INSERT INTO kv VALUES ('b', 2)", [])).await;
    assert_eq!(outside.unwrap_err().fault(), Fault::Client);
    assert_eq!(get(&mut writer, "a").await.unwrap(), Some(2));
}

#[tokio::test]
async fn what_is_no_database_or_nowhere_is_refused() {
    let (sqlite, dir) = (sqlite(), TempDir::new().unwrap());
    let path = dir.path().join("letter.txt");
    std::fs::write(&path, "Dear Sir or Madam, this is no database.".repeat(40)).unwrap();
    let refused = sqlite.connect(&SqliteTarget::file(path), Access::ReadOnly).await;
    assert_eq!(refused.unwrap_err().fault(), Fault::Denied);
    let nowhere = SqliteTarget::file(dir.path().join("no/such/dir/kv.db"));
    let refused = sqlite.connect(&nowhere, Access::ReadOnly).await;
    assert_eq!(refused.unwrap_err().fault(), Fault::Unreachable);
}

#[tokio::test]
async fn a_new_connection_is_prepared_as_one_likes() {
    let dir = TempDir::new().unwrap();
    let sqlite =
        sqlite().statement_cache(8).on_connect(|c| c.execute_batch("PRAGMA cache_size = 77"));
    let mut reader = connect(&sqlite, &dir, Access::ReadOnly).await;
    let size = reader.read(|c| c.query_row("PRAGMA cache_size", [], |row| row.get::<_, i64>(0)));
    assert_eq!(size.await.unwrap(), 77);
}
