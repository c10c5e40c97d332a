//! Moves between two slots of a cluster, and what may happen between their steps.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use terrace_session::expiry::Touch;
use terrace_session::store::{
    Change, Guard, Patched, Redis, Rotated, Rotation, Store, SubjectLimit, WhenFull,
};
use terrace_session::token::SessionKey;
use terrace_session::{Limits, ManualClock, StoreError, UnixMillis};
use terrace_testkit::Redis as Server;
use tokio::sync::Barrier;

use crate::world::{
    ALICE, HOUR, alice, ask, builder, cluster, commands, key, log_in, login, new, rotation,
    session_name, set, stranger, until,
};

const BEGIN: UnixMillis = UnixMillis(1_800_000_000_000);

async fn open(server: &Server) -> Redis {
    builder(server).cluster().connect().await.unwrap()
}

async fn clocked(server: &Server) -> (Redis, ManualClock) {
    let clock = ManualClock::at(BEGIN);
    let store = builder(server).cluster().clock(Arc::new(clock.clone())).connect().await.unwrap();
    (store, clock)
}

fn place(key: &SessionKey) -> String {
    let name = session_name("", key);
    let (tag, hash) = name.split_once(":s:").unwrap();
    format!("{}:{hash}", tag.trim_matches([':', '{', '}']))
}

/// What a client leaves that died after the first step.
async fn claim(
    connection: &mut MultiplexedConnection,
    old: &SessionKey,
    new: &SessionKey,
    until: UnixMillis,
) {
    let name = session_name("terrace", old);
    ask::<()>(connection, &["HSET", &name, "n", &place(new), "w", &until.0.to_string()]).await;
}

/// What a client leaves that died after the second.
async fn mark(connection: &mut MultiplexedConnection, old: &SessionKey, new: &SessionKey) {
    let (tag, hash) = (session_name("terrace", new), session_name("", old));
    let name =
        format!("{}:m:{}", tag.split(":s:").next().unwrap(), hash.split(":s:").nth(1).unwrap());
    ask::<()>(connection, &["SET", &name, "1", "PX", "600000"]).await;
}

async fn is_there(store: &Redis, key: &SessionKey) -> bool {
    store.load(key, Touch::Never).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_moves_to_another_slot_in_three_trips_with_its_load() {
    let Some(server) = cluster().await else { return };
    let store = open(&server).await;
    let mut connection = server.connect().await.unwrap();
    for round in 0..2 {
        let (old, next) = (key([1; 4], round), key(ALICE, 100 + round));
        store.create(&old, &stranger()).await.unwrap();
        store.patch(&old, &set("cart", 3), Guard::Exists, Limits::default()).await.unwrap();
        let before = commands(&mut connection).await;
        assert!(is_there(&store, &old).await);
        let rotated = store.rotate(&old, &next, &log_in(alice())).await.unwrap();
        let Rotated::Rotated { loaded, .. } = rotated else { panic!("{rotated:?}") };
        assert_eq!(loaded.record.values.len(), 1);
        // The old key is removed when nobody waits any more.
        let name = session_name("terrace", &old);
        until("its removal", async || ask::<u64>(&mut connection, &["EXISTS", &name]).await == 0)
            .await;
        let after = commands(&mut connection).await;
        let asked = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
        // In the first round the server reads the scripts.
        assert!(round == 0 || (asked("evalsha"), asked("eval")) == (3 + 1, 0));
        assert!(!is_there(&store, &old).await);
        assert_eq!(store.load(&next, Touch::Never).await.unwrap().unwrap().record, loaded.record);
    }
    assert_eq!(store.list(&alice()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_moves_at_once_one_is_made() {
    let Some(server) = cluster().await else { return };
    let store = open(&server).await;
    for round in 0..50 {
        let old = key([1; 4], round);
        let news = [key(ALICE, 2 * round), key([8; 4], 2 * round + 1)];
        store.create(&old, &stranger()).await.unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let moves = news.map(|new| {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                store.rotate(&old, &new, &rotation(Change::Elevate)).await.unwrap()
            })
        });
        let mut made = 0;
        for one in moves {
            match one.await.unwrap() {
                Rotated::Rotated { .. } => made += 1,
                other => assert_eq!(other, Rotated::Gone),
            }
        }
        let mut there = 0;
        for key in [old, news[0], news[1]] {
            there += u32::from(is_there(&store, &key).await);
        }
        assert_eq!((made, there), (1, 1), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_beside_a_move_is_not_undone() {
    let Some(server) = cluster().await else { return };
    let store = open(&server).await;
    for round in 0..50 {
        let (old, new) = (key([1; 4], round), key([2; 4], round));
        store.create(&old, &stranger()).await.unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let moves = {
            let (store, barrier) = (store.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                store.rotate(&old, &new, &rotation(Change::Elevate)).await.unwrap()
            })
        };
        barrier.wait().await;
        let deleted = store.delete(&old).await.unwrap();
        let rotated = moves.await.unwrap();
        let moved = matches!(rotated, Rotated::Rotated { .. });
        assert_ne!(deleted, moved, "round {round}: {rotated:?}");
        assert_eq!(is_there(&store, &new).await, moved, "round {round}");
        assert!(!is_there(&store, &old).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_moves_is_never_nowhere() {
    let Some(server) = cluster().await else { return };
    let store = open(&server).await;
    for round in 0..50 {
        let (old, new) = (key([1; 4], round), key(ALICE, round));
        store.create(&old, &stranger()).await.unwrap();
        let moves = {
            let store = store.clone();
            tokio::spawn(async move { store.rotate(&old, &new, &log_in(alice())).await.unwrap() })
        };
        while is_there(&store, &old).await {}
        assert!(is_there(&store, &new).await, "round {round}: it is nowhere");
        moves.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_died_before_the_second_step_logs_nobody_out() {
    let Some(server) = cluster().await else { return };
    let (store, clock) = clocked(&server).await;
    let mut connection = server.connect().await.unwrap();
    let (old, new) = (key([1; 4], 1), key(ALICE, 2));
    store.create(&old, &stranger()).await.unwrap();
    claim(&mut connection, &old, &new, BEGIN.after(Duration::from_secs(5))).await;
    // It can be read, and nobody changes what is being copied.
    assert!(is_there(&store, &old).await);
    let patched = store.patch(&old, &set("a", 1), Guard::Exists, Limits::default()).await;
    assert!(matches!(patched, Err(StoreError::Unavailable(_))), "{patched:?}");
    clock.advance(Duration::from_secs(11));
    let patched = store.patch(&old, &set("a", 1), Guard::Exists, Limits::default()).await.unwrap();
    assert_eq!(patched, Patched::Applied { version: 2 });
    assert!(is_there(&store, &old).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_died_after_the_second_step_leaves_a_dead_key() {
    let Some(server) = cluster().await else { return };
    let (store, clock) = clocked(&server).await;
    let mut connection = server.connect().await.unwrap();
    for late in [false, true] {
        let (old, new) = (key([1; 4], late.into()), key(ALICE, 2));
        store.create(&old, &stranger()).await.unwrap();
        let now = terrace_session::Clock::now(&clock);
        claim(&mut connection, &old, &new, now.after(Duration::from_secs(5))).await;
        mark(&mut connection, &old, &new).await;
        // Also after the session that it became was logged out: that is not there at all.
        if late {
            clock.advance(Duration::from_secs(11));
        }
        assert!(!is_there(&store, &old).await);
        assert_eq!(
            ask::<u64>(&mut connection, &["EXISTS", &session_name("terrace", &old)]).await,
            0
        );
    }
}

/// The control: without its mark a move that was made would come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_mark_a_move_that_was_made_would_come_back() {
    let Some(server) = cluster().await else { return };
    let (store, clock) = clocked(&server).await;
    let mut connection = server.connect().await.unwrap();
    let (old, new) = (key([1; 4], 1), key(ALICE, 2));
    store.create(&old, &stranger()).await.unwrap();
    claim(&mut connection, &old, &new, BEGIN.after(Duration::from_secs(5))).await;
    clock.advance(Duration::from_secs(11));
    assert!(is_there(&store, &old).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_refused_leaves_the_session_where_it_was() {
    let Some(server) = cluster().await else { return };
    let store = open(&server).await;
    let (old, next) = (key([1; 4], 1), key(ALICE, 2));
    let one = SubjectLimit { sessions: 1, when_full: WhenFull::Reject };
    store.create(&old, &stranger()).await.unwrap();
    store.create(&key(ALICE, 9), &new(Some(login(alice())), HOUR)).await.unwrap();
    let mut authentication = login(alice());
    authentication.limit = Some(one);
    let change = Change::Login { authentication, keep_values: true };
    let rotated = store.rotate(&old, &next, &rotation(change)).await.unwrap();
    assert_eq!(rotated, Rotated::TooMany);
    let full = Rotation {
        patch: set("a", 1),
        limits: Limits { values: 0, ..Limits::default() },
        ..log_in(alice())
    };
    assert_eq!(store.rotate(&old, &next, &full).await.unwrap(), Rotated::Full);
    // At once: nobody has to wait for the claim to lapse.
    let patched = store.patch(&old, &set("a", 1), Guard::Exists, Limits::default()).await.unwrap();
    assert_eq!(patched, Patched::Applied { version: 2 });
    assert!(!is_there(&store, &next).await);
}
