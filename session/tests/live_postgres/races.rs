//! Two at once, with what keeps them apart, and without.

use std::sync::Arc;
use std::time::Duration;

use terrace_session::Store;
use terrace_session::store::{
    Change, Created, Guard, Patched, Postgres, Rotated, SubjectLimit, WhenFull,
};
use terrace_testkit::Postgres as Server;
use tokio_postgres::Client;

use super::{
    MINUTE, at, create, is_rotated, key, load, login, patch, renewal, rotation, server, set,
    somebody, stranger, subject, together, without,
};

/// What a rotation and a patch lock their session with.
const ROW_LOCK: &str = " FOR UPDATE;\n    IF NOT FOUND";
/// What logins and revocations of a subject lock.
const SUBJECT_LOCK: &str =
    "PERFORM pg_advisory_xact_lock(hashtextextended(encode(in_subject, 'hex'), 0));";
/// What is asked of each session that is found.
const EPOCH: &str = "t.epoch >= coalesce(";

async fn store(server: &Server) -> Arc<Postgres> {
    Arc::new(at(server).timeout(MINUTE).connect().await.unwrap())
}

/// Waits until so many statements wait for a lock.
async fn waiting(client: &Client, statements: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let deadline = tokio::time::Instant::now() + MINUTE;
    while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < statements {
        assert!(tokio::time::Instant::now() < deadline, "nobody waits for a lock");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn rows(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM terrace_sessions", &[]).await.unwrap().get(0)
}

/// How many of 200 patches by 8 tasks were acknowledged, and how many are there.
async fn kept(store: &Arc<Postgres>, number: u16) -> (usize, usize) {
    create(store, number, &stranger()).await;
    let applied = together(8, |task| {
        let store = Arc::clone(store);
        Box::pin(async move {
            let mut applied = 0;
            for turn in 0..25 {
                let field = format!("{task}.{turn}");
                match patch(&store, number, &set(&field, 1), Guard::Exists).await {
                    Patched::Applied { .. } => applied += 1,
                    other => assert_eq!(other, Patched::Full),
                }
            }
            applied
        })
    })
    .await;
    (applied.iter().sum(), load(store, number).await.unwrap().record.values.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn patches_at_once_are_all_kept() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    // More than the limit on values that is the default: the last ones find no room.
    assert_eq!(kept(&store, 1).await, (128, 128));
    without(&server, ROW_LOCK, ";\n    IF NOT FOUND").await;
    for number in 2..50 {
        let (applied, there) = kept(&store, number).await;
        if there < applied {
            return;
        }
    }
    panic!("the lock on the row makes no difference");
}

/// Of eight that rotate one key, whether exactly one did and the others know.
async fn one_rotates(store: &Arc<Postgres>, number: u16, renew: bool) -> bool {
    create(store, number, &somebody("ada")).await;
    let rotated = together(8, |task| {
        let store = Arc::clone(store);
        let rotation = if renew { renewal() } else { rotation(Change::Elevate) };
        Box::pin(
            async move { store.rotate(&key(number), &key(number + 1 + task), &rotation).await },
        )
    })
    .await;
    let winners = rotated.iter().filter(|one| matches!(one, Ok(one) if is_rotated(one))).count();
    let others = rotated
        .iter()
        .filter(|one| matches!(one, Ok(Rotated::Gone)) || matches!(one, Ok(Rotated::Moved)))
        .count();
    (winners, others) == (1, 7)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_rotations_of_one_key_one_moves_it_and_the_others_know() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    for number in (0..200).step_by(10) {
        assert!(one_rotates(&store, number, number % 20 == 0).await);
    }
    without(&server, ROW_LOCK, ";\n    IF NOT FOUND").await;
    for number in (1000..3000).step_by(10) {
        if !one_rotates(&store, number, false).await {
            return;
        }
    }
    panic!("the lock on the row makes no difference");
}

/// How many of eight logins of one subject, who may have three sessions, are let in.
async fn let_in(store: &Arc<Postgres>, id: String, from: u16, when_full: WhenFull) -> usize {
    let limit = SubjectLimit { sessions: 3, when_full };
    together(8, |task| {
        let store = Arc::clone(store);
        let mut new = somebody(&id);
        new.authentication = Some(login(&id, Some(limit)));
        Box::pin(async move {
            let created = store.create(&key(from + task), &new).await.unwrap();
            assert!(matches!(created, Created::Created { .. } | Created::Full));
        })
    })
    .await;
    store.list(&subject(&id)).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logins_at_once_keep_the_limit() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    for round in 0..10 {
        let when_full = if round % 2 == 0 { WhenFull::Reject } else { WhenFull::EvictOldest };
        assert_eq!(let_in(&store, format!("ada {round}"), round * 10, when_full).await, 3);
    }
    without(&server, SUBJECT_LOCK, "").await;
    for round in 10..2_000 {
        if let_in(&store, format!("ada {round}"), round * 10, WhenFull::Reject).await > 3 {
            return;
        }
    }
    panic!("the lock on the subject makes no difference");
}

#[tokio::test]
async fn a_session_that_is_being_moved_is_revoked_under_its_new_key() {
    let Some(server) = server().await else { return };
    let (store, mut holder) = (store(&server).await, server.connect().await.unwrap());
    for change in [Change::Elevate, renewal().change] {
        create(&store, 1, &somebody("ada")).await;
        let held = holder.transaction().await.unwrap();
        held.execute("SELECT FROM terrace_sessions FOR UPDATE", &[]).await.unwrap();
        let client = server.connect().await.unwrap();
        let moving = tokio::spawn({
            let (store, rotation) = (Arc::clone(&store), rotation(change));
            async move { store.rotate(&key(1), &key(2), &rotation).await }
        });
        waiting(&client, 1).await;
        let revoking = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.revoke(&subject("ada"), None).await }
        });
        waiting(&client, 2).await;
        held.rollback().await.unwrap();
        let rotated = moving.await.unwrap().unwrap();
        assert!(is_rotated(&rotated) || rotated == Rotated::Gone, "{rotated:?}");
        revoking.await.unwrap().unwrap();
        assert_eq!((load(&store, 1).await, load(&store, 2).await), (None, None));
        assert_eq!(rows(&client).await, 0, "a row was left behind");
    }
}

/// A login that has read the subject's epoch and is held before it writes; a revocation meanwhile. Whether the session
/// is there in the end, and whether its row is.
async fn overtaken(server: &Server, store: &Arc<Postgres>, number: u16) -> (bool, bool) {
    let mut holder = server.connect().await.unwrap();
    let held = holder.transaction().await.unwrap();
    // Who inserts the same key waits until it is known whether this comes to anything.
    let insert = "INSERT INTO terrace_sessions (hash, tag, created, last_seen, expires, absolute, renewed, due) \
                  VALUES ($1, '', 0, 0, 0, 0, 0, 0)";
    held.execute(insert, &[&key(number).hash().as_slice()]).await.unwrap();
    let client = server.connect().await.unwrap();
    let creating = tokio::spawn({
        let store = Arc::clone(store);
        async move { store.create(&key(number), &somebody("ada")).await }
    });
    waiting(&client, 1).await;
    let revoking = tokio::spawn({
        let store = Arc::clone(store);
        async move { store.revoke(&subject("ada"), None).await }
    });
    // Either it waits as well, or it is done.
    let deadline = tokio::time::Instant::now() + MINUTE;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while !revoking.is_finished() && client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < 2
    {
        assert!(tokio::time::Instant::now() < deadline, "the revocation neither waits nor ends");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    held.rollback().await.unwrap();
    let created = creating.await.unwrap().unwrap();
    assert!(matches!(created, Created::Created { .. }), "{created:?}");
    revoking.await.unwrap().unwrap();
    (load(store, number).await.is_some(), rows(&client).await > 0)
}

#[tokio::test]
async fn a_login_that_is_overtaken_by_a_revocation_is_over() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    assert_eq!(overtaken(&server, &store, 1).await, (false, false));
    // Without the lock the row is left, and dead by its epoch.
    without(&server, SUBJECT_LOCK, "").await;
    assert_eq!(overtaken(&server, &store, 2).await, (false, true));
    // Without either a session has outlived the revocation.
    let client = server.connect().await.unwrap();
    client.batch_execute("TRUNCATE terrace_sessions").await.unwrap();
    let sql = at(&server).sql().unwrap();
    assert!(sql.contains(EPOCH) && sql.contains(SUBJECT_LOCK));
    let sql = sql.replace(EPOCH, "0 >= 0 * coalesce(").replace(SUBJECT_LOCK, "");
    client.batch_execute(&sql).await.unwrap();
    assert_eq!(overtaken(&server, &store, 3).await, (true, true));
}

#[tokio::test]
async fn a_logout_by_the_old_key_ends_the_session_that_is_being_renewed() {
    let Some(server) = server().await else { return };
    let (store, mut holder) = (store(&server).await, server.connect().await.unwrap());
    create(&store, 1, &somebody("ada")).await;
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT FROM terrace_sessions FOR UPDATE", &[]).await.unwrap();
    let client = server.connect().await.unwrap();
    let moving = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.rotate(&key(1), &key(2), &renewal()).await }
    });
    waiting(&client, 1).await;
    let ending = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.delete(&key(1)).await }
    });
    waiting(&client, 2).await;
    held.rollback().await.unwrap();
    moving.await.unwrap().unwrap();
    assert!(ending.await.unwrap().unwrap());
    assert_eq!((load(&store, 1).await, load(&store, 2).await), (None, None));
}
