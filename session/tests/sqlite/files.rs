//! Files that are new, old, damaged, in use, or somebody else's.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use rusqlite::Connection;
use tempfile::TempDir;
use terrace_session::expiry::{Lifetime, Touch};
use terrace_session::record::{Device, Limits, Patch};
use terrace_session::store::{
    Authentication, Change, Created, Guard, NewSession, Patched, Rotated, Rotation, Sqlite,
    SqliteError, SqliteErrorKind, Store, Sweeper, Sweeping,
};
use terrace_session::token::Tag;
use terrace_session::{ManualClock, StoreError, Subject, UnixMillis};
use tokio::time::{sleep, timeout};

use crate::{PATIENCE, a_session, count, create, key, set_count};

/// Enough to find that somebody else does not let go.
const SHORT: Duration = Duration::from_millis(20);

fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sessions.db");
    (directory, file)
}

fn kind(error: &StoreError) -> SqliteErrorKind {
    let (StoreError::Unavailable(source)
    | StoreError::Unknown(source)
    | StoreError::Invalid(source)) = error
    else {
        panic!("{error:?}");
    };
    source.downcast_ref::<SqliteError>().unwrap().kind()
}

async fn refused(path: &Path) -> SqliteError {
    let error = Sqlite::open(path).await.unwrap_err();
    assert_eq!(error.path(), path);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

#[tokio::test]
async fn who_creates_a_file_at_once_gets_the_same_one() {
    // Often enough that some look while another is making the tables.
    for _ in 0..20 {
        let (_directory, file) = file();
        let stores = join_all((0..8).map(|_| Sqlite::open(&file))).await;
        let stores: Vec<Sqlite> = stores.into_iter().collect::<Result<_, _>>().unwrap();
        create(&stores[0], key(1)).await;
        for store in &stores {
            assert_eq!(count(store, key(1)).await, 0);
        }
    }
}

#[tokio::test]
async fn sessions_are_there_after_a_restart() {
    let (_directory, file) = file();
    let store = Sqlite::open(&file).await.unwrap();
    create(&store, key(1)).await;
    set_count(&store, key(1), 7, Guard::Exists).await;
    drop(store);
    assert_eq!(count(&Sqlite::open(&file).await.unwrap(), key(1)).await, 7);
}

#[tokio::test]
async fn a_file_of_garbage_is_refused_by_name_and_left_as_it_is() {
    let (_directory, file) = file();
    let garbage = "this is no database. ".repeat(1_000);
    fs::write(&file, &garbage).unwrap();
    assert_eq!(refused(&file).await.kind(), SqliteErrorKind::Damaged);
    assert_eq!(fs::read_to_string(&file).unwrap(), garbage);
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_as_it_is() {
    let (_directory, file) = file();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    drop(other);
    let before = fs::read(&file).unwrap();
    assert_eq!(refused(&file).await.kind(), SqliteErrorKind::Foreign);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let (_directory, file) = file();
    drop(Sqlite::open(&file).await.unwrap());
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let newer = SqliteErrorKind::Newer { found: 9, known: 1 };
    assert_eq!(refused(&file).await.kind(), newer);
}

#[tokio::test]
async fn a_place_where_no_file_can_be_is_refused_by_name() {
    let (directory, file) = file();
    fs::write(&file, "").unwrap();
    // Nobody may write here, not even root.
    let inside_a_file = file.join("sessions.db");
    assert_eq!(refused(&inside_a_file).await.kind(), SqliteErrorKind::Unreachable);
    assert_eq!(refused(directory.path()).await.kind(), SqliteErrorKind::Unreachable);
}

#[tokio::test]
async fn a_path_that_means_something_to_sqlite_is_a_file() {
    assert!(Sqlite::open("").await.is_err());
    let (directory, _) = file();
    let odd = directory.path().join(":memory:?mode=memory");
    drop(Sqlite::open(&odd).await.unwrap());
    assert!(fs::exists(odd).unwrap());
}

/// Everything from the second page on becomes what nobody has written.
fn damage(file: &Path) {
    // What is in the log has to be in the file first.
    let connection = Connection::open(file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = fs::read(file).unwrap();
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xa5);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_no_panic() {
    let (_directory, file) = file();
    let store = Sqlite::open(&file).await.unwrap();
    create(&store, key(1)).await;
    drop(store);
    damage(&file);
    let store = Sqlite::open(&file).await.unwrap();
    let subject = Subject { id: "eve".into(), tag: Tag::default() };
    let errors = [
        store.load(&key(1), Touch::Never).await.unwrap_err(),
        store.create(&key(2), &a_session()).await.unwrap_err(),
        store.delete(&key(1)).await.unwrap_err(),
        store.list(&subject).await.unwrap_err(),
        store.revoke(&subject, None).await.unwrap_err(),
        store.sweep(1).await.unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(kind(error), SqliteErrorKind::Damaged, "{error:?}");
        assert!(matches!(error, StoreError::Invalid(_)));
        assert!(error.source().unwrap().to_string().contains(file.to_str().unwrap()));
    }
}

#[tokio::test]
async fn what_is_no_value_is_an_error_and_other_sessions_are_well() {
    let (_directory, file) = file();
    let store = Sqlite::open(&file).await.unwrap();
    create(&store, key(1)).await;
    create(&store, key(2)).await;
    set_count(&store, key(1), 7, Guard::Exists).await;
    let raw = Connection::open(&file).unwrap();
    raw.execute("UPDATE session_values SET value = '{\"half'", []).unwrap();
    let error = store.load(&key(1), Touch::Never).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::Invalid);
    assert_eq!(count(&store, key(2)).await, 0);
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_begun_anew_while_it_is_in_use() {
    let (_directory, file) = file();
    let store = Sqlite::builder(&file).patience(PATIENCE).open().await.unwrap();
    fs::remove_file(&file).unwrap();
    let error = store.create(&key(1), &a_session()).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::Unreachable);
    assert!(error.is_retry_safe());
    assert!(!fs::exists(&file).unwrap());
}

#[tokio::test]
async fn while_another_writes_sessions_are_read_and_what_has_to_be_written_is_refused() {
    let (_directory, file) = file();
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = Sqlite::builder(&file).clock(clock.clone()).patience(SHORT).open().await.unwrap();
    create(&store, key(1)).await;
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(count(&store, key(1)).await, 0);
    let error = store.create(&key(2), &a_session()).await.unwrap_err();
    assert_eq!(kind(&error), SqliteErrorKind::Busy);
    assert!(error.is_retry_safe(), "nothing was done");
    // A use that cannot be noted is not noted, and the session is given.
    let lifetime = a_session().lifetime;
    clock.advance(lifetime.idle / 2);
    let touch = Touch::Use { idle: lifetime.idle, after: lifetime.idle / 8 };
    assert!(!store.load(&key(1), touch).await.unwrap().unwrap().touched);
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.load(&key(1), touch).await.unwrap().unwrap().touched);
}

#[tokio::test]
async fn who_gives_up_leaves_the_connection_to_others() {
    let (_directory, file) = file();
    let store = Sqlite::builder(&file).patience(PATIENCE).open().await.unwrap();
    create(&store, key(1)).await;
    for _ in 0..100 {
        // Polled once, and dropped while it is at work.
        let patch = Patch::default();
        let patched = store.patch(&key(1), &patch, Guard::Exists, Limits::default()).now_or_never();
        assert!(patched.is_none_or(|patched| patched.is_ok()));
    }
    let patched = set_count(&store, key(1), 7, Guard::Exists).await;
    assert!(matches!(patched, Patched::Applied { .. }));
}

#[tokio::test]
async fn a_column_of_a_newer_version_is_kept_by_an_older_one() {
    let (_directory, file) = file();
    let store = Sqlite::open(&file).await.unwrap();
    create(&store, key(1)).await;
    let newer = Connection::open(&file).unwrap();
    newer.execute_batch("ALTER TABLE sessions ADD COLUMN mood TEXT").unwrap();
    newer.execute_batch("UPDATE sessions SET mood = 'fine'").unwrap();
    set_count(&store, key(1), 7, Guard::Exists).await;
    let rotation = Rotation {
        change: Change::Elevate,
        patch: Patch::default(),
        limits: Limits::default(),
        lifetime: a_session().lifetime,
    };
    let rotated = store.rotate(&key(1), &key(2), &rotation).await.unwrap();
    assert!(matches!(rotated, Rotated::Rotated { .. }));
    assert_eq!(count(&store, key(2)).await, 7);
    let mood: String = newer.query_row("SELECT mood FROM sessions", [], |row| row.get(0)).unwrap();
    assert_eq!(mood, "fine");
}

#[tokio::test]
async fn a_session_without_end_is_read_as_it_was_written() {
    let (_directory, file) = file();
    let store = Sqlite::open(&file).await.unwrap();
    let endless = Lifetime { idle: Duration::MAX, absolute: Duration::MAX };
    let device = Device { label: Some("nul \0 and all".into()), ..Device::default() };
    let subject = Subject { id: "eve\0".into(), tag: Tag::default() };
    let authentication = Some(Authentication { subject, device, epoch: None, limit: None });
    let new = NewSession { authentication, lifetime: endless, ..a_session() };
    let Created::Created { loaded, .. } = store.create(&key(1), &new).await.unwrap() else {
        panic!("not created");
    };
    let again = store.load(&key(1), Touch::Never).await.unwrap().unwrap();
    assert_eq!(again.record, loaded.record);
}

#[test]
fn a_store_may_be_dropped_after_its_runtime() {
    let (_directory, file) = file();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(async {
        let store = Sqlite::open(&file).await.unwrap();
        create(&store, key(1)).await;
        store
    });
    drop(runtime);
    drop(store);
}

#[tokio::test]
async fn what_is_swept_takes_its_values_along() {
    let (_directory, file) = file();
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = Sqlite::builder(&file).clock(clock.clone()).open().await.unwrap();
    let subject = Subject { id: "eve".into(), tag: Tag::default() };
    for number in 0..10 {
        create(&store, key(number)).await;
        set_count(&store, key(number), 7, Guard::Exists).await;
    }
    store.revoke(&subject, None).await.unwrap();
    clock.advance(Duration::from_secs(48 * 60 * 60));
    assert_eq!(store.sweep(7).await.unwrap(), 7);
    assert_eq!(store.sweep(7).await.unwrap(), 3);
    assert_eq!(store.sweep(7).await.unwrap(), 0);
    let raw = Connection::open(&file).unwrap();
    for table in ["sessions", "session_values", "epochs"] {
        let rows: i64 =
            raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_keeps_the_file_small() {
    let (_directory, file) = file();
    let clock = ManualClock::at(UnixMillis(1_800_000_000_000));
    let store = Sqlite::builder(&file).clock(clock.clone()).open().await.unwrap();
    for number in 0..25 {
        create(&store, key(number)).await;
    }
    clock.advance(a_session().lifetime.idle);
    create(&store, key(100)).await;
    let _sweeper = Sweeper::spawn(Arc::new(store.clone()), Sweeping::default().batch(10));
    let raw = Connection::open(&file).unwrap();
    let rows = || raw.query_row("SELECT count(*) FROM sessions", [], |row| row.get::<_, i64>(0));
    timeout(Duration::from_secs(120), async {
        while rows().unwrap() > 1 {
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await
    .expect("it does not sweep");
    assert_eq!(count(&store, key(100)).await, 0);
}
